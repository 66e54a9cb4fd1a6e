import { goOnAmended } from './amendments.ts';
import { hearEarlyChecks } from './ci-feedback.ts';
import { applyDelivery } from './deliveries.ts';
import type { Doors } from './doors.ts';
import { claimRun, heartbeat, type Lease, leaseMs, releaseLease } from './engine/claim.ts';
import { deferDelivery, failDelivery, finishDelivery, takeDelivery } from './engine/inbox.ts';
import { append } from './engine/ledger.ts';
import { getRun, moveRun } from './engine/runs.ts';
import { untilTomorrowMs } from './engine/spend.ts';
import { asMillwrightError, MillwrightError } from './errors.ts';
import { measureNextEnd } from './learning/measure.ts';
import { publishNextLesson } from './learning/publish-lesson.ts';
import { carry } from './pipeline.ts';
import { verifyNextRollback } from './rollback/verify-rollback.ts';
import type { AttemptEnd, Outcome } from './run.ts';
import { showStatus } from './status.ts';
import { failedOutcome } from './stop-clause.ts';
import { watchPause } from './watch-pause.ts';

export interface WorkerOptions {
  /** Unique among all workers on the store. */
  id: string;
  /** Whether this process also carries runs; deliveries are applied by every process. */
  runs: boolean;
}

export interface Worker {
  /** Runs that this worker holds now. */
  held(): string[];
  /** Stops taking work, hands back leases, removes containers. Resolves within seconds. */
  stop(): Promise<void>;
}

/** How often to look although nothing woke us: the safety net under wake-ups (FLOORS §10). */
const pollMs = { sqlite: 150, postgres: 1000 } as const;
const deliveryTries = 8;
const deliveriesAtOnce = 4;
/** How long a delivery is put off that waits for a run to end. */
const deferMs = 500;
/** Infrastructure failures of one attempt before it is given up. */
const attemptFailures = 5;
/** A run that waits for room or for the model service looks again after this, or earlier when it is known when. */
const lookAgainMs = 15 * 60_000;
/** Takeovers after dead workers count as well: a run that kills its worker each time is parked, and others go on. */
const attemptTakeovers = 12;

/** Takes deliveries and runs until stopped. Each run is carried under a lease that a heartbeat keeps. */
export function startWorker(options: WorkerOptions, doors: Doors): Worker {
  const stopping = new AbortController();
  const held = new Map<string, { controller: AbortController; done: Promise<void> }>();
  const bell = createBell(doors);
  const mayBegin = watchPause(doors);

  // Several at once, so that a slow one of one repository holds up nobody's /stop; those of one repository keep their order.
  const deliveries = Promise.all(
    Array.from({ length: deliveriesAtOnce }, () =>
      loop(stopping.signal, bell, doors, () => applyNext(options.id, doors)),
    ),
  );
  const runs = options.runs
    ? loop(stopping.signal, bell, doors, async () => {
        const { concurrency = {} } = doors.host.operatorPolicy ?? {};
        const capacity = Math.min(doors.host.workerConcurrency, concurrency.worker ?? doors.host.workerConcurrency);
        if (held.size >= capacity || !(await mayBegin())) return false;
        const global = concurrency.global === undefined ? {} : { global: concurrency.global };
        const startedAt = performance.now();
        const lease = await claimRun(doors.db, { id: options.id, capacity }, global);
        if (!lease) return false;
        doors.tally.observe('millwright_claim_seconds', {}, (performance.now() - startedAt) / 1000);
        if (lease.takenOver) doors.tally.count('millwright_takeovers_total', {});
        const controller = new AbortController();
        const done = carryLease(lease, doors, controller).finally(() => {
          // Taken over by this same worker meanwhile, it is the newer carrier's.
          if (held.get(lease.run.id)?.controller === controller) held.delete(lease.run.id);
          bell.ring();
        });
        held.set(lease.run.id, { controller, done });
        return true;
      })
    : Promise.resolve();
  const rollbacks = options.runs
    ? loop(stopping.signal, bell, doors, () => verifyNextRollback(doors, stopping.signal))
    : Promise.resolve();
  const lessons = options.runs
    ? loop(stopping.signal, bell, doors, () => publishNextLesson(doors, stopping.signal))
    : Promise.resolve();
  const ends = loop(stopping.signal, bell, doors, () => measureNextEnd(doors));

  return {
    held: () => [...held.keys()],
    async stop() {
      stopping.abort(shutDown);
      bell.ring();
      for (const { controller } of held.values()) controller.abort(shutDown);
      await Promise.all([deliveries, runs, rollbacks, ends, lessons, ...[...held.values()].map(({ done }) => done)]);
      bell.close();
    },
  };
}

const shutDown = new MillwrightError('run.lost-lease', { message: 'this process is shutting down' });

/** Wakes the loops when the store says so; between, they sleep. */
function createBell({ db, clock }: Doors) {
  let rung = Promise.withResolvers<void>();
  const ring = () => {
    rung.resolve();
    rung = Promise.withResolvers<void>();
  };
  const listeners = [db.onWake('deliveries', ring), db.onWake('runs', ring)];
  return {
    ring,
    /** The next ring from now on. Taken before one looks for work, so that no ring falls in between. */
    next: () => rung.promise,
    async napUntil(ringing: Promise<void>) {
      const nap = new AbortController();
      await Promise.race([ringing, clock.sleep(pollMs[db.dialect], nap.signal).catch(() => {})]);
      nap.abort();
    },
    close: () => {
      for (const stop of listeners) stop();
    },
  };
}

/** Repeats `work` while it finds something; then waits for the bell or the poll. A store that fails is tried again. */
async function loop(
  signal: AbortSignal,
  bell: ReturnType<typeof createBell>,
  doors: Doors,
  work: () => Promise<boolean>,
) {
  while (!signal.aborted) {
    const ringing = bell.next();
    try {
      if (await work()) continue;
    } catch (error) {
      doors.log.error({ err: error }, 'the worker could not take work; it tries again');
    }
    await bell.napUntil(ringing);
  }
}

async function applyNext(owner: string, doors: Doors): Promise<boolean> {
  const delivery = await takeDelivery(doors.db, owner);
  if (!delivery) return false;
  // Every line of what it leads to can be found by it.
  const log = doors.log.child({ delivery: delivery.id });
  try {
    if ((await applyDelivery(delivery, { ...doors, log })) === 'again')
      await deferDelivery(doors.db, delivery.id, deferMs);
    else await finishDelivery(doors.db, delivery.id);
  } catch (error) {
    const known = asMillwrightError(error);
    const retry = known.retry && delivery.attempts < deliveryTries;
    log.error({ err: known, event: delivery.event, retry }, 'a delivery could not be applied');
    await failDelivery(
      doors.db,
      delivery.id,
      known.message,
      retry ? backOffMs(delivery.attempts, known.retryAfterMs) : null,
    );
  }
  return true;
}

/** A service that asks for more is looked at again all the same. */
const longestAskedPauseMs = 6 * 60 * 60_000;

/** Doubles from one second to five minutes, with jitter so that many do not come back together. */
export function backOffMs(failures: number, atLeastMs = 0): number {
  const doubled = Math.min(300_000, 1000 * 2 ** failures);
  return Math.max(Math.min(atLeastMs, longestAskedPauseMs), doubled * (0.75 + Math.random() / 2));
}

/** The delivery that began an attempt, for the log. */
function deliveryOf(cause: string | null | undefined): { delivery?: string } {
  const id = /^delivery:(.+)$/.exec(cause ?? '')?.[1];
  return id === undefined ? {} : { delivery: id };
}

/** Carries one run to its end, to a wait, or back to the queue. Never rejects. */
async function carryLease(lease: Lease, doors: Doors, controller: AbortController): Promise<void> {
  const { id: run, issue, repository, start } = lease.run;
  const { signal } = controller;
  const log = doors.log.child({ run, issue, repository, ...deliveryOf(start.cause) });
  const beating = keepLease(lease, doors, controller);
  try {
    log.info({ attempt: lease.run.attempt, epoch: lease.epoch }, 'run taken');
    // What an earlier epoch left running belongs to nobody any more.
    await doors.sandbox.reap({ run: lease.run.id });
    if (lease.run.failures >= attemptTakeovers)
      throw new MillwrightError('bug.unexpected', { message: 'the run ended its worker too often' });
    const end = await doors.github.whileWanted(signal, () => carry(lease, { ...doors, log }, signal));
    await settle(lease, end, doors);
  } catch (error) {
    const cause = signal.aborted ? signal.reason : error;
    await settleFailure(lease, asMillwrightError(cause), { ...doors, log }).catch((failure) =>
      log.error({ err: failure }, 'the end of a run could not be written; another worker takes it over'),
    );
  } finally {
    const { reason } = signal;
    const lost = signal.aborted && reason !== shutDown && asMillwrightError(reason).code === 'run.lost-lease';
    controller.abort(shutDown);
    await beating;
    // Every container closes with its stage; this catches what a failure left. After a takeover they are the new owner's.
    if (!lost)
      await Promise.all([doors.sandbox.reap({ run: lease.run.id }), doors.sandbox.releaseImages(lease.run.id)]).catch(
        (error) => log.warn({ err: error }, 'containers could not be removed now; the reaper will'),
      );
  }
}

async function keepLease(lease: Lease, doors: Doors, controller: AbortController): Promise<void> {
  const { signal } = controller;
  const beat = async () => {
    const { held, cancel } = await heartbeat(doors.db, lease);
    if (!held) controller.abort(new MillwrightError('run.lost-lease'));
    else if (cancel) controller.abort(new MillwrightError('run.cancelled', { detail: JSON.stringify(cancel) }));
  };
  const stopListening = doors.db.onWake('cancel', () => void beat().catch(() => {}));
  let lastBeatMs = doors.clock.elapsedMs();
  while (!signal.aborted) {
    try {
      await beat();
      lastBeatMs = doors.clock.elapsedMs();
    } catch {
      // The store is away: work goes on until the lease has surely passed to another.
      if (doors.clock.elapsedMs() - lastBeatMs > leaseMs) controller.abort(new MillwrightError('run.lost-lease'));
    }
    await doors.clock.sleep(leaseMs / 4, signal).catch(() => {});
  }
  stopListening();
}

async function settle(lease: Lease, end: AttemptEnd, doors: Doors): Promise<void> {
  // Someone asked to stop while the last words were written: the stop wins.
  if (!(await moveRun(doors.db, lease, end.state, { outcome: end.outcome }))) {
    const { cancel } = await heartbeat(doors.db, lease);
    await moveRun(doors.db, lease, 'stopped', { outcome: stoppedOutcome(cancel ?? {}) });
  }
  const ended = await getRun(doors.db, lease.run.id);
  if (!ended) return;
  doors.tally.count('millwright_attempts_total', { state: ended.state, outcome: ended.outcome?.code ?? 'none' });
  const goesOn = end.judged === undefined ? null : await goOnAmended(ended, end.judged, doors);
  await showStatus(goesOn ?? ended, doors);
  await hearEarlyChecks(ended, doors);
}

async function settleFailure(lease: Lease, error: MillwrightError, doors: Doors): Promise<void> {
  if (error === shutDown) return await releaseLease(doors.db, lease);
  if (error.code === 'run.lost-lease') return;
  if (error.code === 'run.cancelled') {
    const outcome = stoppedOutcome(JSON.parse(error.detail ?? '{}'));
    return await settle(lease, { state: 'stopped', outcome }, doors);
  }
  doors.log.error({ err: error, cause: error.cause }, 'a stage failed');
  await append(doors.db, {
    runId: lease.run.id,
    kind: 'run.error',
    data: { code: error.code, message: error.message, detail: error.detail ?? null },
  });
  if (!error.counted) return await putBack(lease, error, doors);
  const failures = lease.run.failures + 1;
  const again = error.retry && failures < attemptFailures;
  doors.tally.count('millwright_run_errors_total', { code: error.code, retried: again ? 'yes' : 'no' });
  if (again) {
    await releaseLease(doors.db, lease, { runAfterMs: backOffMs(failures, error.retryAfterMs), countFailure: true });
    const queued = await getRun(doors.db, lease.run.id);
    if (queued) await showStatus(queued, doors);
    return;
  }
  await settle(
    lease,
    {
      state: 'failed',
      outcome: failedOutcome(error),
    },
    doors,
  );
}

/** Nothing is wrong with the run: it waits in the queue, and says for what. */
async function putBack(lease: Lease, error: MillwrightError, doors: Doors): Promise<void> {
  const daily = error.code === 'limit.daily-budget';
  const runAfterMs =
    error.retryAfterMs ?? (daily ? Math.min(lookAgainMs, await untilTomorrowMs(doors.db)) : lookAgainMs);
  const code = error.detail ?? error.code;
  const outcome: Outcome = { code, text: error.requesterMessage, question: null, detail: null };
  await releaseLease(doors.db, lease, { runAfterMs, outcome });
  const queued = await getRun(doors.db, lease.run.id);
  if (queued) await showStatus(queued, doors);
}

/** How a run that a person ended is told. */
function stoppedOutcome({ by = '', reason }: { by?: string; reason?: string | null }): Outcome {
  return { code: 'stopped', text: `Stopped by ${by}.`, question: null, detail: reason || null };
}
