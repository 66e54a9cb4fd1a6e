import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pino from 'pino';
import { afterEach, expect, test } from 'vitest';
import type { Database } from '../src/engine/database.ts';
import { listRuns } from '../src/engine/runs.ts';
import type { ReapFilter } from '../src/sandbox/sandbox.ts';
import { backOffMs } from '../src/worker.ts';
import { FolderEngine } from './doubles/sandbox-engine.ts';
import { type GateSite, openSite, writes } from './support/gate-site.ts';
import { createPostgresDatabase } from './support/postgres.ts';
import { scripted } from './support/scripted.ts';
import { until } from './support/until.ts';

const runMs = 60_000;
let closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.reverse()) await close();
  closing = [];
});

async function open(options: Parameters<typeof openSite>[0]): Promise<GateSite> {
  const site = await openSite(options);
  closing.push(() => site[Symbol.asyncDispose]());
  return site;
}

/** A store whose wake-ups are lost on their way to this process. */
const deaf = (db: Database): Database =>
  new Proxy(db, {
    get(target, name) {
      if (name === 'onWake') return () => () => {};
      const value: unknown = Reflect.get(target, name);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });

test.each(['SQLite', 'PostgreSQL'])(
  'a run is taken and ends on %s although no wake-up arrives',
  { timeout: runMs },
  async (engine) => {
    const store = engine === 'PostgreSQL' ? await createPostgresDatabase() : null;
    if (store) closing.push(store.drop);
    const site = await open({
      env: store ? { DATABASE_URL: store.url } : {},
      replace: ({ db }) => ({ db: deaf(db) }),
    });

    const number = await site.labelled();

    await site.reaches(number, 'agent:review', runMs);
  },
);

test('lines of the log can be found by the run and by the delivery that led to them', {
  timeout: runMs,
}, async () => {
  const lines: Record<string, unknown>[] = [];
  const write = (line: string) => void lines.push(JSON.parse(line) as Record<string, unknown>);
  const site = await open({
    script: scripted(writes()),
    replace: () => ({ log: pino({ level: 'info' }, { write }) }),
  });

  const number = await site.labelled();
  await site.reaches(number, 'agent:review', runMs);

  const [run] = await listRuns(site.factory.doors.db, {});
  const taken = lines.find(({ msg }) => msg === 'run taken');
  expect(taken).toMatchObject({ run: run?.id, issue: number, repository: run?.repository, attempt: 1 });
  const labelled = lines.find(({ msg, delivery }) => msg === 'delivery received' && delivery === taken?.delivery);
  expect(labelled).toMatchObject({ event: 'issues' });
  expect(lines.filter((line) => 'run' in line).every(({ delivery }) => delivery === taken?.delivery)).toBe(true);
});

test('no run is begun while the disk has less room than the operator wants, its issue says so, and it goes on when there is room', {
  timeout: runMs,
}, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'operator-'));
  closing.push(() => rmSync(folder, { recursive: true }));
  const operator = join(folder, 'millwright.policy.yml');
  writeFileSync(operator, 'retention: { free: 8000000g }\n');
  const site = await open({ env: { MILLWRIGHT_POLICY: operator } });
  const { db, host } = site.factory.doors;

  const number = await site.labelled();
  await until(() => site.status(number).includes('the disk of the worker is nearly full'));
  const [waiting] = await listRuns(db, {});
  Object.assign(host.operatorPolicy?.retention ?? {}, { free: 0 });

  expect(waiting).toMatchObject({ state: 'queued', epoch: 0 });
  expect(site.model.requests()).toEqual([]);
  await site.reaches(number, 'agent:review', runMs);
});

test('containers that no run holds are asked away at the start and again each minute, never those of a run under way', {
  timeout: runMs,
}, async () => {
  const filters: ReapFilter[] = [];
  const engine = new FolderEngine();
  engine.reap = async (filter) => {
    filters.push(filter);
    return 0;
  };
  const gate = Promise.withResolvers<void>();
  const [first = {}, ...rest] = writes();
  const site = await open({
    script: scripted([() => gate.promise.then(() => first), ...rest]),
    replace: ({ clock }) => ({
      sandbox: engine,
      // What is done each minute is done at once.
      clock: { ...clock, sleep: (ms, signal) => clock.sleep(ms === 60_000 ? 50 : ms, signal) },
    }),
  });
  const spared = () => filters.flatMap(({ exceptRuns }) => (exceptRuns ? [exceptRuns] : []));
  await until(() => spared().length > 0);

  const number = await site.labelled();
  await until(() => site.model.requests().length > 1);
  const [run] = await listRuns(site.factory.doors.db, {});
  const before = spared().length;
  await until(() => spared().length > before + 2);
  const during = spared().slice(before + 1);
  gate.resolve();
  await site.reaches(number, 'agent:review', runMs);

  expect(spared()[0]).toEqual(['prepare']);
  expect(during.every((runs) => runs.includes(run?.id ?? ''))).toBe(true);
  const after = spared().length;
  await until(() => spared().length > after + 2);
  expect(spared().at(-1)).toEqual(['prepare']);
});

test('waits between tries double up to five minutes, are never alike, and never shorter than what was asked for', () => {
  const many = (failures: number) => Array.from({ length: 200 }, () => backOffMs(failures));

  expect(Math.min(...many(1))).toBeGreaterThanOrEqual(1_500);
  expect(Math.max(...many(1))).toBeLessThanOrEqual(2_500);
  expect(Math.min(...many(3))).toBeGreaterThanOrEqual(6_000);
  expect(Math.max(...many(20))).toBeLessThanOrEqual(375_000);
  expect(new Set(many(2)).size).toBeGreaterThan(100);
  expect(backOffMs(1, 60_000)).toBe(60_000);
});
