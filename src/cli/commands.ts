import { type Command, InvalidArgumentError } from 'commander';
import { type RunState, type StageName, stageNames } from '../run.ts';
import type { InitOptions } from './init.ts';
import type { MetricsOptions } from './metrics.ts';
import type { ReplayOptions } from './replay.ts';
import type { RunOptions } from './run-local.ts';
import type { ListOptions, RetryOptions, ShowOptions } from './runs.ts';

/** The commands and what may be given to them. What a command needs is loaded when it is given: help waits for none of it. */
type Finish = (code: number) => void;

const allStates = ['queued', 'running', 'waiting', 'done', 'failed', 'stopped'] as const satisfies RunState[];
const mostRuns = 1_000;
const json = ['--json', 'machine-readable'] as const;

export function addServiceCommands(program: Command): void {
  program
    .command('serve')
    .description('webhooks and one worker in one process')
    .option('--no-worker', 'take webhooks only; workers run elsewhere')
    .action(async (options: { worker: boolean }) =>
      (await import('./serve.ts')).serve({ web: true, runs: options.worker }),
    );
  program
    .command('worker')
    .description('carry runs only, on the store that DATABASE_URL names')
    .action(async () => (await import('./serve.ts')).serve({ web: false, runs: true }));
}

export function addRunCommand(program: Command, finish: Finish): void {
  program
    .command('run')
    .description('carry one contract on a local repository, without GitHub')
    .requiredOption('--repo <dir>', 'top folder of a git repository; its current branch is the base')
    .requiredOption('--contract <file>', 'the contract, as Markdown')
    .option('--answer <text>', 'answer what the run waits for: guidance, or a command such as "/allow src/**"')
    .option('--json', 'the result as JSON')
    .addHelpText('after', runHelp)
    .action(async (options: RunOptions) => finish(await (await import('./run-local.ts')).runLocally(options)));
}

const runHelp = `
Example: millwright run --repo ~/src/shop --contract task.md > pull-request.md
Exit codes: 0 the branch is there; 1 failed; 2 the call, the environment or the contract is to be mended; 3 it waits for a person`;

export function addRunsCommands(program: Command, finish: Finish): void {
  program
    .command('runs')
    .description('list runs, newest first')
    .option('--state <states>', `only these, with commas: ${allStates.join(', ')}`, statesFrom)
    .option('--repository <owner/name>', 'only of this repository')
    .option('--limit <n>', 'how many', limitFrom, 20)
    .option(...json)
    .action(async (options: ListOptions) => (await import('./runs.ts')).list(options));
  program
    .command('show <run>')
    .description('one run with its ledger')
    .option('--json', 'machine-readable, with every event')
    .option('--patch', 'nothing but its newest patch, as `git apply` takes it')
    .action(async (id: string, options: ShowOptions) => finish(await (await import('./runs.ts')).show(id, options)));
  program
    .command('replay <run>')
    .description('reach the verdict of a run again from what is stored, and compare')
    .option('--repo <dir>', 'a clone that has the base commit, where neither mirror nor app has it')
    .option('--transcript', 'tell the conversation with the model instead')
    .option(...json)
    .action(async (id: string, options: ReplayOptions) =>
      finish(await (await import('./replay.ts')).replayRun(id, options)),
    );
  program
    .command('stop <run>')
    .description('end a run in any state')
    .option('--reason <text>', 'told on the issue', '')
    .option(...json)
    .action(async (id: string, options: { reason: string; json?: boolean }) =>
      (await import('./runs.ts')).stop(id, options),
    );
  program
    .command('retry <run>')
    .description('begin a new attempt of a run that has ended or waits')
    .option('--from <stage>', `one of ${stageNames.join(', ')}`, stageFrom)
    .option('--guidance <text>', 'for the agent, as `/retry` gives it')
    .option(...json)
    .action(async (id: string, options: RetryOptions) => finish(await (await import('./runs.ts')).retry(id, options)));
  program
    .command('metrics')
    .description('rework, times, escaped defects and cost, by week and repository')
    .option('--repository <owner/name>', 'only of this repository')
    .option('--weeks <n>', 'this week and those before it', limitFrom, 12)
    .option(...json)
    .action(async (options: MetricsOptions) => (await import('./metrics.ts')).metrics(options));
}

export function addSetUpCommands(program: Command, finish: Finish): void {
  program
    .command('trust <owner/name>')
    .description('let what the operator grants by this name count for the repository that has it now')
    .option(...json)
    .action(async (name: string, options: { json?: boolean }) =>
      finish(await (await import('./trust.ts')).trustName(name, options.json === true)),
    );
  program
    .command('move-store')
    .description('move the embedded store of DATA_DIR into the empty PostgreSQL database of DATABASE_URL')
    .option(...json)
    .action(async (options: { json?: boolean }) =>
      (await import('./move-store.ts')).moveToServer(options.json === true),
    );
  program
    .command('doctor')
    .description('look whether everything that the service needs is in order')
    .option(...json)
    .action(async (options: { json?: boolean }) =>
      finish(await (await import('./doctor.ts')).doctor(options.json === true)),
    );
  program
    .command('init')
    .description('register the GitHub App in a browser, and write its keys to .env')
    .option('--url <address>', 'public address of the service, for webhooks (default: MILLWRIGHT_URL)')
    .option('--org <name>', 'organisation that shall own the app (default: your own account)')
    .option(...json)
    .action(async (options: InitOptions) => finish(await (await import('./init.ts')).init(options)));
}

function statesFrom(text: string): RunState[] {
  return text.split(',').map((part) => {
    const state = allStates.find((known) => known === part.trim());
    if (state === undefined) throw new InvalidArgumentError(`Expected some of ${allStates.join(', ')}.`);
    return state;
  });
}

function stageFrom(text: string): StageName {
  const stage = stageNames.find((known) => known === text);
  if (stage === undefined) throw new InvalidArgumentError(`Expected one of ${stageNames.join(', ')}.`);
  return stage;
}

function limitFrom(text: string): number {
  const limit = Number(text);
  if (Number.isInteger(limit) && limit > 0 && limit <= mostRuns) return limit;
  throw new InvalidArgumentError(`Expected a whole number from 1 to ${mostRuns}.`);
}
