import { join, resolve } from 'node:path';
import { z } from 'zod';
import { remoteOf } from '../attempt.ts';
import { systemClock } from '../clock.ts';
import { mirrorKey } from '../doors.ts';
import type { Database } from '../engine/database.ts';
import { eventsOf } from '../engine/ledger.ts';
import { idOf } from '../engine/repositories.ts';
import { MillwrightError } from '../errors.ts';
import type { Git, Remote } from '../git/git.ts';
import { instanceIn } from '../open-store.ts';
import { type Difference, differences, type Replayable, replay, replayable } from '../replay.ts';
import { plural } from '../report/phrases.ts';
import type { Run } from '../run.ts';
import type { Settings } from '../settings.ts';
import { type Said, transcriptOf } from '../transcript.ts';
import type { Verdict } from '../verification/verdict.ts';
import { createLog, openGit, openGitHub, openSandboxEngine } from '../wiring.ts';
import { localKind } from './run-local.ts';
import { knownRun, withStore } from './runs.ts';
import { CallError, line, shown, table, processTerminal as terminal } from './terminal.ts';

export interface ReplayOptions {
  repo?: string;
  transcript?: boolean;
  json?: boolean;
}

const longestMs = 4 * 60 * 60_000;

/** Tells the conversation, or reaches the verdict again: 0 the same, 1 another one. Errors: CallError where there is nothing to replay. */
export function replayRun(id: string, options: ReplayOptions): Promise<number> {
  return withStore(async (db, settings) => {
    const run = await knownRun(db, id);
    if (options.transcript) return tell(await transcriptOf(db, id), options.json === true);
    const found = await replayable(run, db);
    if (found === null)
      throw new CallError(
        `The run ${run.id} has no verdict that could be reached again (${run.state}, ${run.stage}).`,
        1,
      );
    const again = await reach(found, run, options, db, settings);
    return report(found, again, run, options.json === true);
  });
}

async function reach(
  found: Replayable,
  run: Run,
  { repo }: ReplayOptions,
  db: Database,
  settings: Settings,
): Promise<Verdict> {
  const log = createLog({ ...settings, environment: { ...settings.environment, LOG_LEVEL: 'fatal' } });
  const git = openGit(settings, log);
  const remote = await remoteFor(run, found.asked.base, { repo, db, git, settings });
  const own = apart(settings);
  const sandbox = openSandboxEngine(own, instanceIn(own.environment.DATA_DIR), log);
  const { available, reason } = await sandbox.status();
  if (!available) throw new MillwrightError('outside.no-engine', { message: `No sandbox engine: ${reason}.` });
  const stopping = new AbortController();
  const stop = () => stopping.abort(new MillwrightError('run.cancelled'));
  process.once('SIGINT', stop).once('SIGTERM', stop);
  try {
    // What a replay that was cut short has left.
    await sandbox.reap({ expiredAtMs: systemClock.nowMs() });
    const place = { remote, secrets: settings.secrets, deadlineMs: systemClock.nowMs() + longestMs };
    terminal.err(`The patch of ${run.id} is verified again: ${found.asked.tree} on ${found.asked.base}.`);
    return await replay(found, run, place, { db, git, sandbox }, stopping.signal);
  } finally {
    process.off('SIGINT', stop).off('SIGTERM', stop);
    await sandbox.reap({ run: run.id });
    await sandbox.evict(-1);
  }
}

/** Where the base commit comes from, if the mirror does not hold it any more. */
async function remoteFor(
  run: Run,
  base: string,
  { repo, db, git, settings }: { repo: string | undefined; db: Database; git: Git; settings: Settings },
): Promise<Remote> {
  const repository = mirrorKey(run.repository, (await idOf(db, run.repository)) ?? 0);
  if (repo !== undefined) return { repository, url: resolve(repo), token: null };
  if (await git.holds(repository, base)) return { repository, url: '', token: null };
  const [local] = await eventsOf(db, run.id, { kinds: [localKind], limit: 1 });
  if (local !== undefined) return { repository, url: z.object({ dir: z.string() }).parse(local.data).dir, token: null };
  if (settings.app === null)
    throw new CallError(
      `The base commit ${base} is not here: name a clone that has it with --repo, or set the app's key.`,
    );
  const { apiUrl, app } = settings;
  const log = createLog(settings);
  const github = openGitHub({ appId: app.id, privateKey: app.privateKey, apiUrl, clock: systemClock, log });
  const ref = { installationId: run.installationId, owner: run.owner, name: run.name };
  return remoteOf(run, github.repository(ref), { db });
}

/** Its containers bear a name of their own: a service on this machine would sweep them away. */
function apart(settings: Settings): Settings {
  const own = join(settings.environment.DATA_DIR, 'replay');
  return { ...settings, environment: { ...settings.environment, DATA_DIR: own, DATABASE_URL: undefined } };
}

function report({ stored }: Replayable, again: Verdict, run: Run, json: boolean): number {
  const differing = differences(stored.value, again);
  const code = differing.length === 0 ? 0 : 1;
  const { attempt, name, value } = stored;
  if (json) {
    const told = { run: run.id, attempt, step: name, equal: code === 0, differences: differing, stored: value, again };
    terminal.out(JSON.stringify(told, null, 2));
  } else terminal.out(words(differing, value));
  return code;
}

function words(differing: readonly Difference[], stored: Verdict): string {
  if (differing.length === 0) {
    const ran = stored.checks.filter(({ head }) => head !== null).length;
    return `The same verdict: ${plural(ran, 'check')}, ${plural(stored.findings.length, 'finding')}; next: ${stored.next}.`;
  }
  const rows = differing.map(({ about, stored: was, again }) => [line(about, 80), line(was, 60), line(again, 60)]);
  return `Another verdict than the stored one.\n${table(['ABOUT', 'STORED', 'AGAIN'], rows)}`;
}

function tell(said: readonly Said[], json: boolean): number {
  if (json) terminal.out(JSON.stringify(said, null, 2));
  else for (const each of said) terminal.out(spoken(each));
  if (said.length === 0) terminal.err('No model was asked in this run.');
  return 0;
}

function spoken({ attempt, stage, by, turn, atMs, text, calls }: Said): string {
  const place = [`attempt ${attempt}`, stage, turn === null ? null : `turn ${turn}`].filter((part) => part !== null);
  const head = `── ${by} · ${place.join(' · ')} · ${new Date(atMs).toISOString()}`;
  const called = calls.map(({ name, argumentsText }) => `→ ${line(name, 80)} ${shown(argumentsText)}`);
  const parts = by === 'tool' ? [...called, shown(text)] : [shown(text), ...called];
  return [head, ...parts.filter((part) => part !== ''), ''].join('\n');
}
