import { z } from 'zod';
import { matchesGlob } from '../contract/glob.ts';
import { MillwrightError } from '../errors.ts';
import type { BlockedAttempt, CommandResult, Sandbox } from '../sandbox/sandbox.ts';
import { JunitReport, joinReports, readJunit } from './junit.ts';
import type { Mask } from './mask.ts';
import { RunnerReport, readRunnerOutput } from './runner-output.ts';
import { CheckRunRecord } from './verdict.ts';

/** What is run once, in a container of its own. */
export interface Job {
  command: string;
  timeoutMs: number;
  /** Path or glob of the JUnit XML that the command writes. */
  report: string | null;
  /** Commands run before it in the same container, whatever they answer: what a later check stands on. */
  first: readonly { command: string; timeoutMs: number }[];
}

/** One execution, as seen by the app. Plain data: it may be kept and read again. */
export const Execution = z.object({
  record: CheckRunRecord,
  runner: RunnerReport,
  /** Null when no report is asked for or none could be read. */
  junit: JunitReport.nullable(),
  workdir: z.string(),
  blocked: z.array(z.object({ host: z.string(), port: z.number(), command: z.string().nullable(), count: z.number() })),
});
export type Execution = z.infer<typeof Execution>;

export interface ExecuteTools {
  mask: Mask;
  signal: AbortSignal;
}

const keepBytes = 64 * 1024;
/** Longest output kept in a verdict, both streams together. */
const outputChars = 60_000;
const largestReportBytes = 16 * 1024 ** 2;
const mostReports = 50;
/** All reports of one run together. */
const reportBytes = 64 * 1024 ** 2;

/**
 * Opens a fresh container, runs the job in it and removes it. The result is the exit code that the engine saw; output only illustrates.
 * Errors: `outside.sandbox` when the container is lost (never a verdict), the signal's reason when it aborts.
 */
export async function execute(open: () => Promise<Sandbox>, job: Job, tools: ExecuteTools): Promise<Execution> {
  tools.signal.throwIfAborted();
  await using sandbox = await open();
  for (const { command, timeoutMs } of job.first) await runOnce(sandbox, { command, timeoutMs }, tools);
  if (job.report !== null) await clearReports(sandbox, job.report, tools);
  const result = await runOnce(sandbox, job, tools);
  const text = textOf(result);
  return {
    record: {
      exitCode: result.exitCode,
      end: result.end,
      durationMs: Math.round(result.durationMs),
      output: bounded(tools.mask(text)),
      outputTruncated: result.stdout.truncated || result.stderr.truncated || text.length > outputChars,
    },
    runner: readRunnerOutput(tools.mask(text)),
    junit: job.report === null ? null : await readReports(sandbox, job.report, tools),
    workdir: sandbox.workdir,
    blocked: sandbox.blocked().map(attemptOf),
  };
}

async function runOnce(
  sandbox: Sandbox,
  call: { command: string; timeoutMs: number },
  tools: ExecuteTools,
): Promise<CommandResult> {
  const result = await sandbox.run({
    command: call.command,
    timeoutMs: call.timeoutMs,
    keepBytes,
    isolated: true,
    signal: tools.signal,
  });
  tools.signal.throwIfAborted();
  if (result.end === 'lost' || result.end === 'cancelled') {
    throw new MillwrightError('outside.sandbox', {
      message: `the container ended during \`${call.command.slice(0, 200)}\``,
    });
  }
  return result;
}

export function passed(record: CheckRunRecord): boolean {
  return record.end === 'exited' && record.exitCode === 0;
}

function textOf(result: CommandResult): string {
  return [result.stdout.text.trimEnd(), result.stderr.text.trimEnd()].filter((part) => part !== '').join('\n');
}

function bounded(text: string): string {
  if (text.length <= outputChars) return text;
  const head = Math.floor(outputChars / 4);
  return `${text.slice(0, head)}\n… ${text.length - outputChars} characters not kept …\n${text.slice(text.length - (outputChars - head))}`;
}

function attemptOf({ host, port, command, count }: BlockedAttempt): Execution['blocked'][number] {
  return { host, port, command: command ?? null, count };
}

/** A report that lies in the tree already says nothing about this run. */
async function clearReports(sandbox: Sandbox, pattern: string, tools: ExecuteTools): Promise<void> {
  const stale = await reportPaths(sandbox, pattern, tools);
  if (stale.length > 0) {
    await runOnce(sandbox, { command: `rm -f -- ${stale.map(quoted).join(' ')}`, timeoutMs: 30_000 }, tools);
  }
}

async function readReports(sandbox: Sandbox, pattern: string, tools: ExecuteTools): Promise<JunitReport | null> {
  const reports: JunitReport[] = [];
  let bytesLeft = reportBytes;
  for (const path of await reportPaths(sandbox, pattern, tools)) {
    const file = await sandbox.readFile(path, { maxBytes: Math.min(largestReportBytes, bytesLeft) });
    if (file.kind !== 'file' || file.truncated) continue;
    bytesLeft -= file.bytes.length;
    const report = readJunit(tools.mask(new TextDecoder().decode(file.bytes)));
    if (report !== null) reports.push(report);
  }
  return reports.length === 0 ? null : joinReports(reports);
}

async function reportPaths(sandbox: Sandbox, pattern: string, tools: ExecuteTools): Promise<string[]> {
  if (!/[*?[{]/.test(pattern)) return [pattern];
  const listing = await runOnce(
    sandbox,
    { command: "find . -type f -name '*.xml' -not -path '*/node_modules/*' | head -n 5000", timeoutMs: 30_000 },
    tools,
  );
  return listing.stdout.text
    .split('\n')
    .map((line) => line.replace(/^\.\//, ''))
    .filter((path) => matchesGlob(path, pattern))
    .slice(0, mostReports);
}

function quoted(path: string): string {
  return `'${path.replaceAll("'", "'\\''")}'`;
}
