import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { type Command, InvalidArgumentError } from 'commander';
import type { Database } from '../engine/database.ts';
import { eventsOf } from '../engine/ledger.ts';
import { beginAttempt, getRun, listRuns, requestCancel } from '../engine/runs.ts';
import { asMillwrightError } from '../errors.ts';
import { type AttemptStart, liveStates, mayMove, type Run, type RunState, type StageName, stageNames } from '../run.ts';
import { runNumbers } from '../run-numbers.ts';
import { readSettings, type Settings } from '../settings.ts';
import { showStatus } from '../status.ts';
import { openDoors, openStore } from '../wiring.ts';
import { printRun } from './show.ts';
import { CallError, cost, line, table, processTerminal as terminal, tokens } from './terminal.ts';

const allStates = ['queued', 'running', 'waiting', 'done', 'failed', 'stopped'] as const satisfies RunState[];
const mostRuns = 1_000;
const mostEvents = 100_000;

export function addRunsCommands(program: Command, finish: (code: number) => void): void {
  program
    .command('runs')
    .description('list runs, newest first')
    .option('--state <states>', `only these, with commas: ${allStates.join(', ')}`, statesFrom)
    .option('--repository <owner/name>', 'only of this repository')
    .option('--limit <n>', 'how many', limitFrom, 20)
    .option('--json', 'machine-readable')
    .action((options: ListOptions) => withStore((db) => list(db, options)));
  program
    .command('show <run>')
    .description('one run with its ledger')
    .option('--json', 'machine-readable, with every event')
    .action((id: string, options: { json?: boolean }) => withStore((db) => show(db, id, options.json === true)));
  program
    .command('stop <run>')
    .description('end a run in any state')
    .option('--reason <text>', 'told on the issue', '')
    .option('--json', 'machine-readable')
    .action((id: string, options: { reason: string; json?: boolean }) =>
      withStore(async (db, settings) => finish(await stop(db, id, options, settings))),
    );
  program
    .command('retry <run>')
    .description('begin a new attempt of a run that has ended or waits')
    .option('--from <stage>', `one of ${stageNames.join(', ')}`, stageFrom)
    .option('--guidance <text>', 'for the agent, as `/retry` gives it')
    .option('--json', 'machine-readable')
    .action((id: string, options: RetryOptions) =>
      withStore(async (db, settings) => finish(await retry(db, id, options, settings))),
    );
}

interface ListOptions {
  state?: RunState[];
  repository?: string;
  limit: number;
  json?: boolean;
}

interface RetryOptions {
  from?: StageName;
  guidance?: string;
  json?: boolean;
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

/** Errors: CallError where there is no store to look at; `outside.database`. */
async function withStore(work: (db: Database, settings: Settings) => Promise<void>): Promise<void> {
  const settings = readSettings([]);
  const { DATABASE_URL, DATA_DIR } = settings.environment;
  // Looking must not make a store: an empty list would hide that another one was meant.
  if (DATABASE_URL === undefined && !existsSync(join(DATA_DIR, 'millwright.db')))
    throw new CallError(
      `There is no store in ${resolve(DATA_DIR)}. Set DATA_DIR (or DATABASE_URL) to what the service has, or start it: millwright serve.`,
    );
  const db = await openStore(settings);
  try {
    await work(db, settings);
  } finally {
    await db.close();
  }
}

async function list(db: Database, options: ListOptions): Promise<void> {
  const { limit } = options;
  const byName = options.repository?.toLowerCase();
  const states = options.state === undefined ? {} : { states: options.state };
  // Repositories are kept with their host, which nobody types.
  const found = await listRuns(db, { ...states, limit: byName === undefined ? limit : 1_000_000 });
  const runs = found
    .filter((run) => byName === undefined || `${run.owner}/${run.name}`.toLowerCase() === byName)
    .slice(0, limit);
  const told = await Promise.all(runs.map(async (run) => ({ ...run, numbers: await runNumbers(run, { db }) })));
  if (options.json) return terminal.out(JSON.stringify(told, null, 2));
  if (told.length === 0) return terminal.err(states.states || byName ? 'No such runs.' : 'No runs yet.');
  const rows = told.map(({ numbers, ...run }) => [
    run.id,
    run.state,
    run.issue === 0 ? `${run.owner}/${run.name}` : `${run.owner}/${run.name}#${run.issue}`,
    String(run.attempt),
    run.stage,
    String(numbers.turns),
    tokens(numbers),
    cost(numbers),
    line(run.outcome?.text ?? '', 80),
  ]);
  terminal.out(table(['RUN', 'STATE', 'ISSUE', 'ATTEMPT', 'STAGE', 'TURNS', 'TOKENS', 'COST', 'OUTCOME'], rows));
}

async function show(db: Database, id: string, json: boolean): Promise<void> {
  const run = await knownRun(db, id);
  const numbers = await runNumbers(run, { db });
  const events = await eventsOf(db, id, { limit: mostEvents });
  if (json) terminal.out(JSON.stringify({ run, numbers, events }, null, 2));
  else printRun({ run, numbers, events }, terminal);
}

async function knownRun(db: Database, id: string): Promise<Run> {
  const run = await getRun(db, id);
  if (run) return run;
  const newest = (await listRuns(db, { limit: 1 }))[0];
  const hint = newest ? `such as ${newest.id}; \`millwright runs\` lists them` : 'in fact none at all yet';
  throw new CallError(`There is no run ${line(id, 60)} in this store (${hint}).`, 1);
}

async function stop(
  db: Database,
  id: string,
  options: { reason: string; json?: boolean },
  settings: Settings,
): Promise<number> {
  const run = await knownRun(db, id);
  const result = await requestCancel(db, id, { by: 'operator', reason: options.reason });
  if (result === 'stopped') await tellIssue(run, settings);
  const words = {
    cancelling: 'The run is being stopped by its worker.',
    stopped: 'The run is stopped.',
    'already-ended': `The run had ended already (${run.state}).`,
  };
  terminal.out(options.json ? JSON.stringify({ run: id, result }) : words[result]);
  return 0;
}

async function retry(db: Database, id: string, options: RetryOptions, settings: Settings): Promise<number> {
  const run = await knownRun(db, id);
  const refused = refusal(run);
  const start: AttemptStart = {
    // Work begins again at build, unless the contract itself was not accepted yet.
    from: options.from ?? (run.stage === 'intake' ? 'intake' : 'build'),
    reason: 'retry',
    by: 'operator',
    guidance: options.guidance ?? null,
  };
  const begun = refused === null ? await beginAttempt(db, id, start) : null;
  if (begun) await tellIssue(begun, settings);
  const reason = begun ? null : (refused ?? 'Another run of its issue is going on: stop that one first.');
  if (options.json) terminal.out(JSON.stringify({ run: id, begun: begun !== null, attempt: begun?.attempt, reason }));
  else if (begun) terminal.out(`Attempt ${begun.attempt} is queued, from ${start.from}.`);
  else terminal.err(`Not begun. ${reason}`);
  return begun ? 0 : 1;
}

function refusal(run: Run): string | null {
  if (run.outcome?.code === 'merged') return 'Its pull request is merged: open a new issue for further work.';
  if (mayMove(run.state, 'queued') && run.state !== 'running') return null;
  return liveStates.includes(run.state) ? 'It is going on: stop it first (`millwright stop`).' : `It is ${run.state}.`;
}

/** The issue shows what was done here. Without the app's key, or while GitHub is away, the service shows it with its next news. */
async function tellIssue(run: Run, settings: Settings): Promise<void> {
  if (settings.app === null || run.issue === 0) return;
  const log = { ...settings.environment, LOG_LEVEL: 'fatal' as const };
  const doors = await openDoors({ ...settings, environment: log });
  try {
    await showStatus(run, doors);
  } catch (error) {
    terminal.err(`Done, but the issue could not be brought up to date: ${asMillwrightError(error).message}`);
  } finally {
    await doors.db.close();
  }
}
