import type { Doors } from '../doors.ts';
import { errorTable } from '../errors.ts';
import { readLocalReport } from '../github/local-report.ts';
import type { StatusInput } from '../report/facts.ts';
import type { Run } from '../run.ts';
import { runNumbers } from '../run-numbers.ts';
import { statusInput } from '../status-input.ts';
import type { LocalJob } from './local-job.ts';
import { cost, line, shown, type Terminal, tokens } from './terminal.ts';

interface End {
  run: Run;
  job: LocalJob;
  doors: Doors;
  terminal: Terminal;
  json: boolean;
}

/** Ends that mend nothing by being tried again: the contract or a policy file has to change first. */
const refusals = ['contract-untestable', 'not-granted', 'policy-invalid', 'labeller-not-allowed'];

/** 0 a pull request, 1 failed or stopped, 2 what was given cannot be worked on, 3 a person has to answer. */
export function exitCodeOf(run: Run): number {
  if (run.state === 'done') return 0;
  if (run.state !== 'waiting') return 1;
  return refusals.includes(run.outcome?.code ?? '') ? 2 : 3;
}

/** The pull request's body, or the question, or why there is neither. */
export async function printEnd(end: End): Promise<void> {
  const { run, job, doors, terminal } = end;
  const status = await statusInput(run, doors);
  const numbers = await runNumbers(run, doors);
  const report = readLocalReport(job.storeDir);
  const ownReport = run.state === 'done' ? report : { pullRequest: null, checkRun: null };
  if (end.json) {
    const { repository, branch, revision } = job;
    const { problems, refusals: refused, question, changes } = status;
    const told = { problems, refusals: refused, question, changes, numbers, ...ownReport };
    terminal.out(
      JSON.stringify(
        { exitCode: exitCodeOf(run), repository: repository.dir, branch, revision, run, ...told },
        null,
        2,
      ),
    );
    return;
  }
  const spent = `${numbers.turns} turns, ${tokens(numbers)} tokens, ${cost(numbers)}`;
  terminal.err(`${headline(run)} (${run.outcome?.code ?? run.state}; ${spent})`);
  for (const text of advice(run, status)) terminal.err(text);
  if (run.state === 'done') {
    if (ownReport.pullRequest) terminal.out(shown(ownReport.pullRequest.body));
    terminal.err(`Branch ${run.branch} is in ${job.repository.dir}: git diff ${job.repository.branch}...${run.branch}`);
    return;
  }
  terminal.err(`Everything that happened: DATA_DIR='${job.storeDir}' millwright show ${run.id}`);
}

/** Without an issue there is no label to put on again. */
const refusedWords: Readonly<Record<string, string>> = {
  'contract-untestable': 'the contract is not testable yet.',
  'not-granted': 'the contract asks for something that the policy does not grant.',
  'policy-invalid': 'a policy file cannot be read.',
};

function headline(run: Run): string {
  const text = line(run.outcome?.text ?? '', 500);
  switch (run.state) {
    case 'done':
      return `Done. ${text.replace('The pull request is open.', 'The branch is ready for review.')}`;
    case 'waiting':
      return exitCodeOf(run) === 2
        ? `Not started: ${refusedWords[run.outcome?.code ?? ''] ?? text}`
        : `Waiting for you: ${text}`;
    default:
      return text || run.state;
  }
}

function advice(run: Run, status: StatusInput): string[] {
  const told: string[] = [];
  for (const { field, line: at, message, example, blocking } of status.problems) {
    if (run.state !== 'waiting' && !blocking) continue;
    const place = at === null ? '' : ` (line ${at})`;
    told.push(`  ${line(field)}${place}: ${line(message, 400)} For example: ${line(example)}`);
  }
  for (const { key, name, message } of status.refusals) told.push(`  ${key} ${line(name)}: ${line(message, 400)}`);
  const code = run.outcome?.code ?? '';
  if (run.state === 'failed' && code in errorTable)
    told.push(`  ${errorTable[code as keyof typeof errorTable].operator}`);
  if (run.outcome?.detail) told.push(shown(run.outcome.detail).replace(/^/gm, '  '));
  if (run.state === 'waiting' && exitCodeOf(run) === 3) {
    if (run.outcome?.question) told.push(`Question: ${shown(run.outcome.question)}`);
    told.push(
      "Answer by the same command with --answer 'your words', or with a command such as --answer '/allow GLOB'.",
    );
  }
  if (exitCodeOf(run) === 2) told.push('Mend it, then give the same command again.');
  return told;
}
