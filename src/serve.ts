import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import { type RunningApp, startApp } from './app.ts';
import type { Doors } from './doors.ts';
import { expireLeases } from './engine/claim.ts';
import { listRuns } from './engine/runs.ts';
import { forgetWorker, heartbeatWorker, listWorkers, reapDeadWorkers } from './engine/workers.ts';
import { asMillwrightError } from './errors.ts';
import { expireLessons } from './learning/score.ts';
import { pauseOf } from './pause.ts';
import { reconcile } from './reconcile.ts';
import { retainMachine, retainStore } from './retention.ts';
import { runsWithRollback } from './rollback/verify-rollback.ts';
import { type Settings, SettingsError } from './settings.ts';
import { expireWaits } from './waits.ts';
import { watchQueue } from './watch-queue.ts';
import { createDashboard, type Dashboard } from './web/dashboard.tsx';
import { healthHandler } from './web/health.ts';
import { metricsHandler } from './web/metrics.ts';
import { tellLink } from './web/sign-in-routes.tsx';
import { startWorker } from './worker.ts';

export interface ServeOptions {
  /** Whether webhooks are taken. */
  web: boolean;
  /** Whether runs are carried. */
  runs: boolean;
}

export interface Service {
  app: RunningApp | null;
  /** Signs in whoever opens it first, at this machine; null where people sign in with GitHub, or nothing is served. */
  link: string | null;
  /** Stops taking work, hands back leases, removes containers; resolves within seconds. */
  stop(): Promise<void>;
}

const workerBeatMs = 10_000;
const sweepMs = 60_000;
const queueMs = 5_000;
const machineMs = 5 * 60_000;
const silentWorkerMs = 60_000;

/** One process of the service: webhooks, deliveries, runs, and the passes that look after them. */
export async function startService(settings: Settings, opened: Doors, options: ServeOptions): Promise<Service> {
  const { environment } = settings;
  const doors = options.runs ? opened : { ...opened, host: { ...opened.host, workerConcurrency: 0 } };
  // First what can fail for good, such as a port in use: nothing works in the background of a start that failed.
  const dashboard = options.web ? createDashboard(doors, { secret: settings.oauth?.clientSecret }) : null;
  const app = dashboard === null ? null : await startWeb(settings, doors, options, dashboard);
  const id = `${hostname()}-${process.pid}-${randomBytes(2).toString('hex')}`;
  const capacity = options.runs ? environment.WORKER_CONCURRENCY : 0;
  const beat = async () => {
    const paused = options.runs ? ((await pauseOf(doors))?.why ?? null) : null;
    await heartbeatWorker(doors.db, { id, capacity, info: { paused } });
    await doors.tally.flush(doors.db);
  };
  await takeOverFromDead(doors);
  await beat();
  const worker = startWorker({ id, runs: options.runs }, doors);
  const zeroMs = doors.clock.nowMs() - doors.clock.elapsedMs();
  const stops = [
    every(workerBeatMs, 'say that this worker lives', doors, beat),
    every(sweepMs, 'sweep', doors, () => sweep(doors, options.runs, zeroMs)),
    // One process of several: each would look up what the others have written.
    ...(options.web ? [every(queueMs, 'show the queue', doors, watchQueue(doors))] : []),
    every(sweepMs, 'keep the store within retention', doors, () => retainStore(doors)),
    ...(options.runs
      ? [every(machineMs, 'keep this machine within retention', doors, () => retainMachine(doors))]
      : []),
    every(environment.RECONCILE_MINUTES * 60_000, 'reconcile', doors, () => reconcile(doors)),
  ];
  doors.log.info({ worker: id, ...options }, 'ready');
  return {
    app,
    link: app && dashboard ? printLink(app, dashboard, doors) : null,
    async stop() {
      dashboard?.close();
      await Promise.all([app?.stop(), worker.stop(), ...stops.map((stop) => stop())]);
      await doors.tally.flush(doors.db).catch(() => {});
      await forgetWorker(doors.db, id);
      await doors.db.close();
    },
  };
}

async function startWeb(
  settings: Settings,
  doors: Doors,
  options: ServeOptions,
  dashboard: Dashboard,
): Promise<RunningApp> {
  const { environment, app } = settings;
  if (app === null) throw new SettingsError(['APP_ID, PRIVATE_KEY and WEBHOOK_SECRET are needed to serve.']);
  const token = environment.METRICS_TOKEN ?? null;
  const credentials = { appId: app.id, privateKey: app.privateKey, webhookSecret: app.webhookSecret };
  const address = { host: environment.HOST, port: environment.PORT };
  const pause = options.runs ? () => pauseOf(doors) : async () => null;
  const handlers = [healthHandler(doors.db, token, pause), metricsHandler(doors, token), dashboard.handler];
  return startApp(
    { ...address, ...credentials, apiUrl: settings.apiUrl, log: doors.log, tally: doors.tally },
    doors.db,
    handlers,
  );
}

/** The one-time link, by a name that leads to this machine and nowhere else. */
function printLink(app: RunningApp, dashboard: Dashboard, doors: Doors): string | null {
  const path = dashboard.newLink();
  if (path === null) return null;
  const origin = `http://localhost:${app.port}`;
  tellLink(doors, origin, path);
  return `${origin}${path}`;
}

/** Workers of this machine whose process is gone left their leases behind: their runs need not wait for the leases to end. */
async function takeOverFromDead({ db, log }: Doors): Promise<void> {
  for (const worker of await listWorkers(db)) {
    const [host, pid] = splitWorkerId(worker.id);
    // A container that starts again has its old name, and the same process id as before.
    if (host !== hostname() || (pid !== process.pid && isAlive(pid))) continue;
    const runs = await expireLeases(db, worker.id);
    await forgetWorker(db, worker.id);
    log.info({ worker: worker.id, runs }, 'a worker of this machine is gone; its runs are taken over');
  }
}

function splitWorkerId(id: string): [string, number] {
  const match = /^(.*)-(\d+)-[0-9a-f]+$/.exec(id);
  return [match?.[1] ?? '', Number(match?.[2] ?? 0)];
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** Now and then at an interval, one at a time; a failure is logged and the next turn tries again. */
function every(intervalMs: number, what: string, doors: Doors, work: () => Promise<void>): () => Promise<void> {
  const stopping = new AbortController();
  const going = (async () => {
    while (!stopping.signal.aborted) {
      await work().catch((error) =>
        doors.log.error({ err: asMillwrightError(error) }, `could not ${what}; tried again later`),
      );
      await doors.clock.sleep(intervalMs, stopping.signal).catch(() => {});
    }
  })();
  return async () => {
    stopping.abort();
    // A pass under way is safe to leave: everything it does may be done again.
    await Promise.race([going, doors.clock.sleep(1_000)]);
  };
}

/**
 * Containers of dead epochs and past deadlines, workers that are silent, waits that have lasted too long, lessons of no use. `zeroMs`: what the
 * machine's clock said when `elapsedMs` was 0, so that a jump forward takes no container from a run before its time.
 */
async function sweep(doors: Doors, runs: boolean, zeroMs: number): Promise<void> {
  await reapDeadWorkers(doors.db, silentWorkerMs);
  await expireWaits(doors);
  await expireLessons(doors.db);
  if (!runs || !(await doors.sandbox.status()).available) return;
  const live = await listRuns(doors.db, { states: ['running'], limit: 10_000 });
  const reaped = await doors.sandbox.reap({
    // `prepare` labels containers that make images for any run; they end by their deadline.
    exceptRuns: ['prepare', ...live.map((run) => run.id), ...(await runsWithRollback(doors))],
  });
  const expired = await doors.sandbox.reap({
    expiredAtMs: Math.min(doors.clock.nowMs(), zeroMs + doors.clock.elapsedMs()),
  });
  if (reaped + expired === 0) return;
  doors.tally.count('millwright_containers_reaped_total', {}, reaped + expired);
  doors.log.info({ containers: reaped + expired }, 'left-over containers removed');
}
