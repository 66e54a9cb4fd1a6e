import { type ChildProcessByStdio, spawn } from 'node:child_process';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { claimRun } from '../../src/engine/claim.ts';
import { receiveDelivery } from '../../src/engine/inbox.ts';
import { openPostgres } from '../../src/engine/postgres.ts';
import { enqueueRun } from '../../src/engine/runs.ts';
import { reserve, spentOn } from '../../src/engine/spend.ts';
import { newRun } from '../support/new-run.ts';
import { openPostgresStore, openSqliteStore, stores, type TestStore } from '../support/stores.ts';
import { until } from '../support/until.ts';

const script = fileURLToPath(new URL('../support/engine-child.ts', import.meta.url));

/** A process on the same store, and the lines it has said. */
class Child {
  private text = '';
  private readonly process: ChildProcessByStdio<null, Readable, null>;
  readonly exited: Promise<void>;

  constructor(command: string, args: string[]) {
    this.process = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    this.process.stdout.on('data', (chunk) => {
      this.text += chunk;
    });
    this.exited = new Promise((resolve) => this.process.on('close', () => resolve()));
  }

  /** Whole lines only: a line cut by the kill acknowledges nothing. */
  get said(): string[] {
    return this.text.split('\n').slice(0, -1);
  }

  async kill(): Promise<void> {
    this.process.kill('SIGKILL');
    await this.exited;
  }
}

const startChild = (store: TestStore, way: string) => new Child(process.execPath, [script, store.address, way]);

describe.each(stores)('kill -9 on %s', (_engine, open) => {
  let store: TestStore;
  beforeEach(async () => {
    store = await open();
  });
  afterEach(() => store.remove());

  const ids = async (state: string) =>
    (await store.db.all<{ id: string }>('SELECT id FROM deliveries WHERE state = $1', state)).map(({ id }) => id);

  test('of one of several processes that spend at once leaves the day’s budget full to the cent, and never above it', async () => {
    const children = ['a', 'b', 'c', 'd'].map(() => startChild(store, 'reserveCents'));
    const early = () => children.find(({ said }) => said.length >= 3);
    await until(() => early() !== undefined);
    const doomed = early();
    await doomed?.kill();
    const others = children.filter((child) => child !== doomed);
    await Promise.all(others.map(({ exited }) => exited));

    const acknowledged = children.flatMap(({ said }) => said.filter((line) => line !== 'full'));
    const kept = await store.db.all<{ id: string }>(`SELECT id FROM reservations WHERE state = 'open'`);
    for (const key of ['repo:shop', 'org:acme'])
      expect(await spentOn(store.db, { key, daily: true })).toMatchObject({
        reservedUsd: 1,
        usd: 0,
        reservedTokens: 100,
      });
    expect(kept).toHaveLength(100);
    expect(kept.map(({ id }) => id)).toEqual(expect.arrayContaining(acknowledged));
    expect(others.every(({ said }) => said.at(-1) === 'full')).toBe(true);
  });

  test('loses no delivery that was acknowledged, at whatever moment it comes', async () => {
    const acknowledged: string[] = [];

    for (const enough of [1, 17, 60]) {
      const child = startChild(store, 'receiveForEver');
      await until(() => child.said.length >= enough);
      await child.kill();
      acknowledged.push(...child.said);
    }

    const kept = new Set(await ids('new'));
    expect(acknowledged.filter((id) => !kept.has(id))).toEqual([]);
    // At most the one under way at each kill was kept without its sender knowing.
    expect(kept.size - acknowledged.length).toBeLessThanOrEqual(3);
  }, 60_000);

  test('forgets no delivery that was finished, and leaves the others to be handled', async () => {
    for (let n = 0; n < 200; n++) await receiveDelivery(store.db, { id: `d${n}`, event: 'ping', payload: '{}' });
    const child = startChild(store, 'handleForEver');
    await until(() => child.said.length >= 20);
    await child.kill();

    const done = new Set(await ids('done'));
    expect(child.said.filter((id) => !done.has(id))).toEqual([]);
    expect(done.size + (await ids('new')).length).toBe(200);
  }, 60_000);

  test('in the middle of a transaction undoes it whole and frees the claim lock', async () => {
    await receiveDelivery(store.db, { id: 'd1', event: 'ping', payload: '{}' });
    await enqueueRun(store.db, newRun(1));
    const child = startChild(store, 'stayInTransaction');
    await until(() => child.said.includes('inside'));

    await child.kill();

    expect(await claimRun(store.db, { id: 'w1', capacity: 1 })).not.toBeNull();
    expect(await store.db.all('SELECT event FROM deliveries')).toEqual([{ event: 'ping' }]);
  }, 60_000);

  test('leaves a claimed run to the next worker, and the money set aside counted', async () => {
    const { run } = await enqueueRun(store.db, newRun(1));
    const child = startChild(store, 'claimAndReserve');
    await until(() => child.said.includes('claimed'));
    await child.kill();

    let taken: string | undefined;
    await until(async () => {
      taken = (await claimRun(store.db, { id: 'w2', capacity: 1 }))?.run.id;
      return taken !== undefined;
    });

    expect(taken).toBe(run.id);
    const budgets = [{ key: 'issue', limitUsd: 1, limitTokens: null }];
    expect(await reserve(store.db, { runId: run.id, budgets, worstUsd: 0.5, worstTokens: 1 })).toEqual({
      ok: false,
      key: 'issue',
    });
  }, 60_000);
});

describe('a store that cannot write', () => {
  test('refuses a delivery as an outside error when the disk is full, keeping what it acknowledged', async () => {
    const store = await openSqliteStore();
    await store.db.close();
    // A file size limit stands for the full disk: the same write fails. Blocks of 1 KB.
    const limited = 'ulimit -f 1024; exec "$@"';
    const child = new Child('bash', [
      '-c',
      limited,
      'bash',
      process.execPath,
      script,
      store.address,
      'receiveUntilRefused',
    ]);

    await child.exited;

    const acknowledged = child.said.filter((line) => line.startsWith('ok ')).length;
    expect(acknowledged).toBeGreaterThan(10);
    expect(child.said.slice(-2)).toEqual(['refused outside.database', `count ${acknowledged}`]);
    await store.remove();
  }, 60_000);

  test('refuses a delivery as an outside error when it is read-only', async () => {
    const store = await openPostgresStore();
    const db = openPostgres(`${store.address}&options=${encodeURIComponent('-c default_transaction_read_only=on')}`);

    const receiving = receiveDelivery(db, { id: 'd1', event: 'ping', payload: '{}' });

    await expect(receiving).rejects.toMatchObject({ code: 'outside.database' });
    await db.close();
    await store.remove();
  });
});
