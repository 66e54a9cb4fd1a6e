import { claimRun } from '../../src/engine/claim.ts';
import type { Database } from '../../src/engine/database.ts';
import { enqueueRun, moveRun } from '../../src/engine/runs.ts';
import { newRun } from '../support/new-run.ts';
import { type OpenStore, stores, type TestStore } from '../support/stores.ts';
import { median } from '../support/timing.ts';
import type { BenchRow } from './row.ts';
import { fillRuns } from './scale-store.ts';

const rounds = 80;
const lanes = 8;
const worker = { id: 'bench', capacity: 100_000 };
/** Nobody beats here: no lease may end while claims are measured. */
const lasting = { leaseMs: 3_600_000 };
let issue = 10_000_000;

/** What is in a store while claims are measured. */
interface Contents {
  queued: number;
  ended?: number;
  /** Each with a run going on, so that none is free of them. */
  busy?: boolean;
  organizations: number;
}

/** Claims beside a full store. */
export const claimBench = () =>
  onBoth((engine, open) => {
    const full: Contents = { queued: 10_000, ended: 100_000, organizations: 100 };
    return compare(engine, open, [['10,000 queued + 100,000 ended', full]], 2);
  });

/** Claims along a growing queue. */
export const claimQueueBench = () =>
  onBoth((engine, open) => {
    const queues = [1_000, 10_000, 100_000].map((queued): [string, Contents] => [
      `${queued} queued`,
      { queued, organizations: 100 },
    ]);
    return compare(engine, open, queues, null);
  });

/** Claims as ever more organisations wait and have runs going on. */
export const claimOrganizationsBench = () =>
  onBoth((engine, open) => {
    const busy = [100, 1_000].map((organizations): [string, Contents] => [
      `${organizations} busy organisations wait`,
      { queued: organizations * 2, organizations, busy: true },
    ]);
    return compare(engine, open, busy, null);
  });

/** Claims of many at once through the one lock. */
export const claimLanesBench = () => onBoth(async (engine, open) => [await atOnce(engine, open)]);

async function onBoth(measure: (engine: string, open: OpenStore) => Promise<BenchRow[]>): Promise<BenchRow[]> {
  const rows: BenchRow[] = [];
  for (const [engine, open] of stores) rows.push(...(await measure(engine, open)));
  return rows;
}

/** Each beside an empty store, in turns. */
async function compare(
  engine: string,
  open: OpenStore,
  cases: readonly [string, Contents][],
  target: number | null,
): Promise<BenchRow[]> {
  const opened: TestStore[] = [];
  try {
    for (const contents of [null, ...cases.map(([, one]) => one)]) opened.push(await filled(open, contents));
    const times = opened.map((): number[] => []);
    for (let round = 0; round < rounds; round++) {
      for (const [index, { db }] of opened.entries()) times[index]?.push(await claimOnce(db));
    }
    const [floor = Number.NaN, ...figures] = times.map(median);
    return cases.map(([name], index) => ({
      name: `claim, ${engine}: ${name} / empty`,
      figure: figures[index] ?? Number.NaN,
      floor,
      target,
      unit: 'ms',
    }));
  } finally {
    for (const store of opened) await store.remove();
  }
}

async function filled(open: OpenStore, contents: Contents | null): Promise<TestStore> {
  const store = await open();
  if (contents === null) return store;
  const { queued, ended = 0, busy = false, organizations } = contents;
  await fillRuns(store.db, queued, 'queued', organizations);
  if (ended > 0) await fillRuns(store.db, ended, 'done', organizations);
  if (busy) await fillRuns(store.db, organizations, 'running', organizations);
  return store;
}

/** The queue is as long afterwards as it was. */
async function claimOnce(db: Database): Promise<number> {
  await enqueueRun(db, newRun(issue++, `solo${issue % 100}/one`));
  const startedMs = performance.now();
  const lease = await claimRun(db, worker, lasting);
  const tookMs = performance.now() - startedMs;
  if (!lease) throw new Error('nothing was claimed');
  await moveRun(db, lease, 'done');
  return tookMs;
}

/** How many go through the one lock in a second, whoever asks. */
async function atOnce(engine: string, open: OpenStore): Promise<BenchRow> {
  const store = await open();
  const connections = [store.db, ...Array.from({ length: lanes - 1 }, () => store.another())];
  const claims = lanes * 40;
  const perClaimMs = async (users: readonly Database[]) => {
    await fillRuns(store.db, claims, 'queued', 10);
    await store.db.run('UPDATE runs SET limit_repository = 1000, limit_organization = 1000');
    const startedMs = performance.now();
    const claimed = await Promise.all(users.map((db) => claimUntil(db, claims / users.length)));
    const tookMs = performance.now() - startedMs;
    if (claimed.flat().length !== new Set(claimed.flat()).size) throw new Error('a run was claimed twice');
    await store.db.run(`UPDATE runs SET state = 'done' WHERE state = 'running'`);
    return tookMs / claims;
  };
  try {
    const floor = await perClaimMs([store.db]);
    const figure = await perClaimMs(connections);
    return { name: `a claim of ${lanes} lanes at once, ${engine} / one lane`, figure, floor, target: null, unit: 'ms' };
  } finally {
    await store.remove();
  }
}

async function claimUntil(db: Database, count: number): Promise<string[]> {
  const ids: string[] = [];
  while (ids.length < count) {
    const lease = await claimRun(db, worker, lasting);
    if (lease) ids.push(lease.run.id);
  }
  return ids;
}
