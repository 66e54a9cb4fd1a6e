import { z } from 'zod';
import { storedBaselines } from '../baselines.ts';
import { createCheckouts } from '../checkout.ts';
import { combineWalls } from '../contract/combine.ts';
import { emptyContract } from '../contract/contract.ts';
import type { Walls } from '../contract/walls.ts';
import type { Doors } from '../doors.ts';
import { append, eventsOf } from '../engine/ledger.ts';
import { latestOutput } from '../engine/outputs.ts';
import { getRun } from '../engine/runs.ts';
import { clearTimer, dueTimers, moveTimer, setTimer, setTimerOnce, timersOf } from '../engine/timers.ts';
import { asMillwrightError } from '../errors.ts';
import { readLayers } from '../policy-source.ts';
import type { RevertVerification } from '../report/revert.ts';
import type { Run } from '../run.ts';
import { IntakeResult } from '../stages/intake.ts';
import { createBenches } from '../verification/benches.ts';
import { judgeCheck } from '../verification/checks.ts';
import { createMask } from '../verification/mask.ts';
import { decide } from '../verification/outcomes.ts';
import type { CheckVerdict, Verdict } from '../verification/verdict.ts';
import { type Revert, showRevert } from './describe.ts';
import { readMerge } from './merge.ts';

const timerPrefix = 'rollback:';
/** Shorter than the time for which a due timer is left to whoever took it. */
const renewMs = 20_000;
const takenForMs = 60_000;
const againMs = 5 * 60_000;
/** Tries before a verification that fails for reasons of ours is given up, and said so. */
const mostTries = 5;
const longestMs = 4 * 60 * 60_000;

const Asked = z.object({ run: z.string(), head: z.string(), tries: z.number() });
type Asked = z.infer<typeof Asked>;

/** Asks for the checks of a revert's head, once; a worker with an engine runs them. A head that the app did not make is left to its author. */
export async function askForVerification(run: Run, head: string, { db }: Pick<Doors, 'db'>): Promise<void> {
  const events = await eventsOf(db, run.id, { kinds: ['rollback.commit', 'rollback.verified'] });
  const heads = (kind: string) =>
    events.filter((event) => event.kind === kind).map(({ data }) => z.looseObject({ sha: z.string() }).parse(data).sha);
  if (!heads('rollback.commit').includes(head) || heads('rollback.verified').includes(head)) return;
  const asked: Asked = { run: run.id, head, tries: 0 };
  await setTimerOnce(db, `${timerPrefix}${run.id}`, 0, asked);
}

/** Runs whose revert waits for its checks or has them run now: their containers are in use although the run itself has ended. */
export async function runsWithRollback({ db }: Pick<Doors, 'db'>): Promise<string[]> {
  return (await timersOf(db, timerPrefix)).map(({ key }) => key.slice(timerPrefix.length));
}

/**
 * Runs the checks of one revert that waits for them, and shows them in its pull request; false when none waits. For processes with a
 * sandbox engine. May run twice for the same revert. When the signal aborts, another worker takes it. Errors: `outside.database`.
 */
export async function verifyNextRollback(doors: Doors, signal: AbortSignal): Promise<boolean> {
  const [timer] = await dueTimers(doors.db, { limit: 1, prefix: timerPrefix });
  if (timer === undefined) return false;
  const asked = Asked.parse(timer.data);
  const renewing = setInterval(() => void moveTimer(doors.db, timer.key, takenForMs).catch(() => {}), renewMs);
  try {
    const done = await verifyAsked(asked, doors, signal);
    if (done) await clearTimer(doors.db, timer.key);
    else await setTimer(doors.db, timer.key, againMs, asked);
  } catch (error) {
    // This process is shutting down: another worker may take it at once.
    if (signal.aborted) {
      await moveTimer(doors.db, timer.key, 0);
      return false;
    }
    const known = asMillwrightError(error);
    doors.log.error({ err: known, run: asked.run }, 'a revert could not be verified');
    const tries = asked.tries + 1;
    if (known.retry && tries < mostTries) await setTimer(doors.db, timer.key, takenForMs, { ...asked, tries });
    else await clearTimer(doors.db, timer.key);
  } finally {
    clearInterval(renewing);
  }
  return true;
}

/** False when it has to be tried again because no engine answers. */
async function verifyAsked(asked: Asked, doors: Doors, signal: AbortSignal): Promise<boolean> {
  const revert = await readRevert(asked, doors);
  if (revert === null) return true;
  const lastTry = asked.tries + 1 >= mostTries;
  const verification = await checkRevert(revert, lastTry, doors, signal);
  await showRevert(revert, verification, doors);
  if (verification.state === 'not-verified' && verification.again) return false;
  const states =
    verification.state === 'verified' ? verification.verdict.checks.map(({ kind, state }) => ({ kind, state })) : [];
  const data = { sha: asked.head, state: verification.state, checks: states };
  await append(doors.db, { runId: asked.run, kind: 'rollback.verified', data });
  return true;
}

/** Null when there is nothing to verify any more: the pull request is closed, or a person went on with it. */
async function readRevert(asked: Asked, doors: Doors): Promise<Revert | null> {
  const run = await getRun(doors.db, asked.run);
  const merge = run && (await readMerge(run, doors));
  if (!run || merge === null || typeof merge === 'string') return null;
  const pull = await merge.github.findPullRequest(merge.branch);
  if (pull?.state !== 'open' || pull.headSha !== asked.head) return null;
  await doors.git.fetch(merge.remote, asked.head);
  const [entry] = await doors.git.log(merge.remote.repository, { to: asked.head, limit: 1 });
  const [base] = entry?.parents ?? [];
  return base === undefined ? null : { run, merge, head: asked.head, base };
}

async function checkRevert(
  revert: Revert,
  lastTry: boolean,
  doors: Doors,
  signal: AbortSignal,
): Promise<RevertVerification> {
  const status = await doors.sandbox.status();
  const noEngine = {
    state: 'not-verified',
    reason: 'No sandbox engine is available.',
    detail: null,
    again: true,
  } as const;
  if (!status.available) return noEngine;
  const walls = await wallsOf(revert.run, doors);
  if (walls === null)
    return { state: 'not-verified', reason: 'The policy cannot be read.', detail: null, again: false };
  try {
    return { state: 'verified', verdict: await runChecks(revert, walls, doors, signal) };
  } catch (error) {
    const known = asMillwrightError(error);
    if (signal.aborted) throw error;
    if (known.code === 'outside.no-engine') return noEngine;
    // What no later try will mend is said in the pull request instead.
    if (known.retry && !lastTry) throw error;
    doors.log.error({ err: known, run: revert.run.id }, 'the checks of a revert could not run');
    return { state: 'not-verified', reason: known.requesterMessage, detail: known.detail ?? null, again: false };
  }
}

/** The repository's checks under the walls of the run. The contract's own checks may be of what is taken back, so they are left out. */
async function wallsOf(run: Run, doors: Doors): Promise<Walls | null> {
  const layers = await readLayers(doors, run);
  if (layers.problems.length > 0) return null;
  const contract = (await latestOutput(doors.db, run.id, 'intake', IntakeResult))?.value.contract ?? emptyContract();
  return combineWalls({
    operator: layers.operator,
    organization: layers.organization,
    repository: layers.repository,
    contract: { ...contract, checks: [] },
    repositoryName: `${run.owner}/${run.name}`,
    heldSecrets: Object.keys(doors.host.secrets),
  }).walls;
}

/** Each check on the reverted tree and, where it fails, on the base branch as it is. The gates on patches do not apply: this is a way back. */
async function runChecks(
  { run, merge, head, base }: Revert,
  walls: Walls,
  doors: Doors,
  signal: AbortSignal,
): Promise<Verdict> {
  const { repository } = merge.remote;
  const [tree, baseTree] = await Promise.all([doors.git.treeOf(repository, head), doors.git.treeOf(repository, base)]);
  const secrets = Object.fromEntries(
    walls.secrets.flatMap((name) => (doors.host.secrets[name] ? [[name, doors.host.secrets[name]]] : [])),
  );
  const checkouts = createCheckouts(
    {
      run,
      lease: { epoch: run.epoch },
      walls,
      repository,
      base: { branch: merge.into, commit: base },
      signal,
      secrets,
      deadlineMs: doors.clock.nowMs() + longestMs,
    },
    doors,
  );
  const benches = createBenches(
    { repository, base, walls },
    {
      openHead: () => checkouts.open('revert', tree),
      openBase: () => checkouts.open('revert-base', baseTree),
      openWith: (overlay) => checkouts.openWith('revert-part', overlay),
      baseImage: checkouts.baseImage,
      baseCache: storedBaselines(doors.db),
      mask: createMask(secrets),
      record: (event) => append(doors.db, { runId: run.id, kind: 'rollback.command', data: event }),
    },
    signal,
  );
  const checks: CheckVerdict[] = [];
  for (const [index, check] of walls.checks.entries())
    checks.push((await judgeCheck(check, walls.checks.slice(0, index), benches)).verdict);
  return {
    base,
    tree,
    ...decide({ checks, objections: [], waived: [], flaky: walls.flaky, lastRound: true, sentBack: [] }),
    criteria: [],
    tests: [],
    notes: [],
    rollbackTried: null,
    blocked: benches.blocked,
    annotations: [],
    feedback: null,
    question: null,
  };
}
