import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Database } from '../engine/database.ts';
import { eventsOf } from '../engine/ledger.ts';
import { patchOf } from '../engine/patches.ts';
import { beginAttempt, getRun, listRuns, requestCancel } from '../engine/runs.ts';
import { unsettledOf } from '../engine/spend.ts';
import { asMillwrightError } from '../errors.ts';
import { inOrder } from '../in-order.ts';
import { openStore } from '../open-store.ts';
import type { Run, RunState, StageName } from '../run.ts';
import { otherRunLive, retryRefusal, retryStart } from '../run-actions.ts';
import { runNumbers } from '../run-numbers.ts';
import { readSettings, type Settings } from '../settings.ts';
import { showStatus } from '../status.ts';
import { printPatch, printRun } from './show.ts';
import { CallError, cost, line, table, processTerminal as terminal, tokens } from './terminal.ts';

const mostEvents = 100_000;
const runsAtOnce = 4;

export interface ListOptions {
  state?: RunState[];
  repository?: string;
  limit: number;
  json?: boolean;
}

export interface ShowOptions {
  json?: boolean;
  patch?: boolean;
}

export interface RetryOptions {
  from?: StageName;
  guidance?: string;
  json?: boolean;
}

/** Errors: CallError where there is no store to look at; `outside.database`. */
export async function withStore<T>(work: (db: Database, settings: Settings) => Promise<T>): Promise<T> {
  const settings = readSettings([]);
  const { DATABASE_URL, DATA_DIR } = settings.environment;
  // Looking must not make a store: an empty list would hide that another one was meant.
  if (DATABASE_URL === undefined && !existsSync(join(DATA_DIR, 'millwright.db')))
    throw new CallError(
      `There is no store in ${resolve(DATA_DIR)}. Set DATA_DIR (or DATABASE_URL) to what the service has, or start it: millwright serve.`,
    );
  const db = await openStore(settings);
  try {
    return await work(db, settings);
  } finally {
    await db.close();
  }
}

export function list(options: ListOptions): Promise<void> {
  return withStore((db) => listFrom(db, options));
}

async function listFrom(db: Database, options: ListOptions): Promise<void> {
  const { limit } = options;
  const byName = options.repository?.toLowerCase();
  const states = options.state === undefined ? {} : { states: options.state };
  // Repositories are kept with their host, which nobody types.
  const found = await listRuns(db, { ...states, limit: byName === undefined ? limit : 1_000_000 });
  const runs = found
    .filter((run) => byName === undefined || `${run.owner}/${run.name}`.toLowerCase() === byName)
    .slice(0, limit);
  // A few at a time: whoever waits long for one of the store's connections is refused.
  const told = await inOrder(runs, runsAtOnce, async (run) => ({ ...run, numbers: await runNumbers(run, { db }) }));
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

/** 0, or 1 when there is no patch to show. */
export function show(id: string, { json, patch }: ShowOptions): Promise<number> {
  return withStore(async (db) => {
    const run = await knownRun(db, id);
    if (patch) return printPatch(await patchOf(db, id), terminal);
    const numbers = await runNumbers(run, { db });
    const events = await eventsOf(db, id, { limit: mostEvents });
    const unsettled = await unsettledOf(db, id);
    if (json) terminal.out(JSON.stringify({ run, numbers, unsettled, events }, null, 2));
    else printRun({ run, numbers, unsettled, events }, terminal);
    return 0;
  });
}

export async function knownRun(db: Database, id: string): Promise<Run> {
  const run = await getRun(db, id);
  if (run) return run;
  const newest = (await listRuns(db, { limit: 1 }))[0];
  const hint = newest ? `such as ${newest.id}; \`millwright runs\` lists them` : 'in fact none at all yet';
  throw new CallError(`There is no run ${line(id, 60)} in this store (${hint}).`, 1);
}

export function stop(id: string, options: { reason: string; json?: boolean }): Promise<void> {
  return withStore(async (db, settings) => {
    const run = await knownRun(db, id);
    const result = await requestCancel(db, id, { by: 'operator', reason: options.reason });
    if (result === 'stopped') await tellIssue(run, settings);
    const words = {
      cancelling: 'The run is being stopped by its worker.',
      stopped: 'The run is stopped.',
      'already-ended': `The run had ended already (${run.state}).`,
    };
    terminal.out(options.json ? JSON.stringify({ run: id, result }) : words[result]);
  });
}

/** 0 when an attempt was begun, else 1. */
export function retry(id: string, options: RetryOptions): Promise<number> {
  return withStore(async (db, settings) => {
    const run = await knownRun(db, id);
    const refused = retryRefusal(run);
    const start = retryStart(run, { by: 'operator', from: options.from ?? null, guidance: options.guidance ?? null });
    const begun = refused === null ? await beginAttempt(db, id, start) : null;
    if (begun) await tellIssue(begun, settings);
    const reason = begun ? null : (refused ?? otherRunLive);
    if (options.json) terminal.out(JSON.stringify({ run: id, begun: begun !== null, attempt: begun?.attempt, reason }));
    else if (begun) terminal.out(`Attempt ${begun.attempt} is queued, from ${start.from}.`);
    else terminal.err(`Not begun. ${reason}`);
    return begun ? 0 : 1;
  });
}

/** The issue shows what was done here. Without the app's key, or while GitHub is away, the service shows it with its next news. */
async function tellIssue(run: Run, settings: Settings): Promise<void> {
  if (settings.app === null || run.issue === 0) return;
  const log = { ...settings.environment, LOG_LEVEL: 'fatal' as const };
  // Loaded when needed: with all that it brings along, each look at a run would take twice as long.
  const { openDoors } = await import('../wiring.ts');
  const doors = await openDoors({ ...settings, environment: log });
  try {
    await showStatus(run, doors);
  } catch (error) {
    terminal.err(`Done, but the issue could not be brought up to date: ${asMillwrightError(error).message}`);
  } finally {
    await doors.db.close();
  }
}
