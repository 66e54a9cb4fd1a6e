import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { enqueueRun } from '../../src/engine/runs.ts';
import { newRun } from '../support/new-run.ts';
import { openPostgresStore, type TestStore } from '../support/stores.ts';
import { until } from '../support/until.ts';
import type { BenchRow } from './row.ts';
import type { Work } from './scale-child.ts';

const child = fileURLToPath(new URL('./scale-child.ts', import.meta.url));
const capacity = 4;
const runsPerWorker = 16;
const stepsPerRun = 4;
/** About a quick answer of a model. */
const waitMs = 1_000;
const limits = { repository: 1_000, organization: 1_000 };

/** Runs in a second with four worker processes on one PostgreSQL, against one; their stages wait as for a model. */
export async function workersBench(): Promise<BenchRow[]> {
  const one = await measure(1);
  const four = await measure(4);
  const runs = 5 * runsPerWorker;
  return [
    {
      name: '4 workers on one PostgreSQL / 1 worker',
      figure: four.perSecond,
      floor: one.perSecond,
      target: 3.5,
      atLeast: true,
      unit: 'runs/s',
    },
    { name: 'runs lost by 1 and 4 workers', figure: one.lost + four.lost, floor: runs, target: 0, unit: '' },
    {
      name: 'steps worked twice by 1 and 4 workers',
      figure: one.doubled + four.doubled,
      floor: runs * stepsPerRun,
      target: 0,
      unit: '',
    },
  ];
}

async function measure(workers: number): Promise<{ perSecond: number; lost: number; doubled: number }> {
  const store = await openPostgresStore();
  const said: string[] = [];
  const children: ChildProcess[] = [];
  const runs = workers * runsPerWorker;
  try {
    for (let n = 0; n < runs; n++) await enqueueRun(store.db, newRun(n, `org${n % 8}/one`, { limits }));
    await store.db.run('UPDATE runs SET run_after_ms = run_after_ms + 3600000');
    for (let n = 0; n < workers; n++)
      children.push(startWorker({ address: store.address, id: `w${n}`, capacity, waitMs }, said));
    await until(() => said.filter((line) => line === 'ready').length === workers, 60_000);
    const startedAtMs = await nowMs(store);
    await store.db.run('UPDATE runs SET run_after_ms = 0');
    await store.db.wake('runs');
    await until(async () => (await endOf(store)).done === runs, 120_000);
    const { done } = await endOf(store);
    // The last ones leave lanes without work: they are not counted.
    const counted = runs - workers * capacity;
    const lastMs = await endOfNth(store, counted);
    const steps = said.filter((line) => line !== 'ready');
    return {
      perSecond: (counted * 1000) / (lastMs - startedAtMs),
      lost: runs - done + (runs * stepsPerRun - new Set(steps).size),
      doubled: steps.length - new Set(steps).size,
    };
  } finally {
    for (const each of children) each.kill('SIGKILL');
    await store.remove();
  }
}

function startWorker(work: Work, said: string[]): ChildProcess {
  const started = spawn(process.execPath, [child, 'work', JSON.stringify(work)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let rest = '';
  started.stdout.setEncoding('utf8').on('data', (text: string) => {
    const lines = (rest + text).split('\n');
    rest = lines.pop() ?? '';
    said.push(...lines);
  });
  return started;
}

async function nowMs({ db }: TestStore): Promise<number> {
  const [row] = await db.all<{ now: number }>(`SELECT ${db.nowMs} AS now`);
  return Number(row?.now);
}

async function endOf({ db }: TestStore): Promise<{ done: number }> {
  const [row] = await db.all<{ done: number }>(`SELECT COUNT(*) AS done FROM runs WHERE state = 'done'`);
  return { done: Number(row?.done) };
}

async function endOfNth({ db }: TestStore, n: number): Promise<number> {
  const [row] = await db.all<{ at: number }>(
    'SELECT ended_at_ms AS at FROM runs ORDER BY ended_at_ms LIMIT 1 OFFSET $1',
    n - 1,
  );
  return Number(row?.at);
}
