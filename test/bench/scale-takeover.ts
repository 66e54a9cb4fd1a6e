import { leaseMs } from '../../src/engine/claim.ts';
import { listRuns, requestCancel } from '../../src/engine/runs.ts';
import type { Run } from '../../src/run.ts';
import { repo } from '../support/gate-site.ts';
import { openPostgresStore, type TestStore } from '../support/stores.ts';
import { until } from '../support/until.ts';
import type { BenchRow } from './row.ts';
import { openScaleSite, type ScaleSite, type ServiceProcess } from './scale-site.ts';

const kills = 2;
const cancels = 5;

/** kill -9 of the worker that holds a run, and a request to stop one, on three processes of the service with one PostgreSQL. */
export async function takeoverBench(): Promise<BenchRow[]> {
  const store = await openPostgresStore();
  await using site = await openScaleSite();
  try {
    const env = { DATABASE_URL: store.address, WORKER_CONCURRENCY: '4' };
    const [, ...workers] = await Promise.all([
      site.start(['web'], env),
      site.start(['runs'], env),
      site.start(['runs'], env),
    ]);
    const cancelMs: number[] = [];
    for (let n = 0; n < cancels; n++) cancelMs.push(await cancelOne(site, store));
    const takeoverMs: number[] = [];
    const numbers: number[] = [];
    for (let n = 0; n < kills; n++) {
      const { issue, tookMs } = await killOne(site, store, workers);
      takeoverMs.push(tookMs);
      numbers.push(issue);
      if (n < kills - 1) workers.push(await site.start(['runs'], env));
    }
    return [
      {
        name: 'slowest takeover after kill -9 / a lease',
        figure: Math.max(...takeoverMs),
        floor: leaseMs,
        target: 1.5,
        unit: 'ms',
      },
      {
        name: 'slowest stop of a run in a stage / 1 s',
        figure: Math.max(...cancelMs),
        floor: 1_000,
        target: 1,
        unit: 'ms',
      },
      {
        name: 'pull requests after the kills / runs',
        figure: pullsOf(site),
        floor: numbers.length,
        target: 1,
        unit: '',
      },
    ];
  } finally {
    await store.remove();
  }
}

/** A run that waits for the model in its build. */
async function hanging(site: ScaleSite, store: TestStore): Promise<Run> {
  site.closeGate();
  const before = site.waiting();
  const [issue] = await site.label(1);
  await until(() => site.waiting() > before, 60_000);
  const run = (await listRuns(store.db, { states: ['running'] })).find((one) => one.issue === issue);
  if (!run) throw new Error(`the run of #${issue} does not go on`);
  return run;
}

/** From the request until the run is stopped. */
async function cancelOne(site: ScaleSite, store: TestStore): Promise<number> {
  const { id } = await hanging(site, store);
  const askedAtMs = performance.now();
  await requestCancel(store.db, id, { by: 'maya', reason: null });
  await until(async () => (await rowOf(store, id)).state === 'stopped');
  const tookMs = performance.now() - askedAtMs;
  site.openGate();
  return tookMs;
}

/** From the kill until another worker holds the run; then that one ends it. */
async function killOne(site: ScaleSite, store: TestStore, workers: ServiceProcess[]) {
  const { id, issue } = await hanging(site, store);
  const { epoch, lease_owner: owner } = await rowOf(store, id);
  const holder = workers.find(({ pid }) => owner?.includes(`-${pid}-`));
  const killedAtMs = performance.now();
  holder?.child.kill('SIGKILL');
  await until(async () => (await rowOf(store, id)).epoch > epoch, 40_000);
  const tookMs = performance.now() - killedAtMs;
  site.openGate();
  await site.inReview([issue]);
  return { issue, tookMs };
}

async function rowOf({ db }: TestStore, id: string) {
  const [row] = await db.all<{ state: string; epoch: number; lease_owner: string | null }>(
    'SELECT state, epoch, lease_owner FROM runs WHERE id = $1',
    id,
  );
  if (!row) throw new Error(`no run ${id}`);
  return row;
}

const pullsOf = (site: ScaleSite): number =>
  [...site.github.repository(repo).issues.values()].filter((issue) => issue.pull).length;
