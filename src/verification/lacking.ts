import type { Execution } from './execute.ts';

/** 126: not executable, 127: not found, by POSIX and by npm, which passes them on. */
export function cannotRun({ record }: Execution): boolean {
  return record.exitCode === 127 || record.exitCode === 126;
}

/** What a command says that lacks a program, a package, a file or a service rather than finding fault. */
const lacking =
  /command not found|: not found$|can't open file|No such file or directory|Cannot find (?:module|package) '|ModuleNotFoundError|No module named|Missing script:|missing script|ECONNREFUSED|ENOTFOUND|EAI_AGAIN|[Cc]onnection refused|Could not resolve host|could not connect to server|No rule to make target/m;

/** Whether a line, or any line of a text, says so. */
export function saysLacking(text: string): boolean {
  return lacking.test(text);
}

/** Whether it ended for want of something, before it could judge anything. */
export function lacksSomething(execution: Execution): boolean {
  const { record, runner } = execution;
  return cannotRun(execution) || (lacking.test(record.output) && (runner.executed ?? 0) <= runner.failures.length);
}
