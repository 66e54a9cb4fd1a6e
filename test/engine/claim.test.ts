import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { claimRun, heartbeat, type Lease, releaseLease } from '../../src/engine/claim.ts';
import type { Database } from '../../src/engine/database.ts';
import { effect } from '../../src/engine/effects.ts';
import { eventsOf } from '../../src/engine/ledger.ts';
import { enqueueRun, getRun, listRuns, moveRun, requestCancel, updateRun } from '../../src/engine/runs.ts';
import { createSteps } from '../../src/engine/steps.ts';
import { newRun } from '../support/new-run.ts';
import { stores, type TestStore } from '../support/stores.ts';
import { until } from '../support/until.ts';

describe.each(stores)('claims on %s', (engine, open) => {
  let store: TestStore;
  beforeEach(async () => {
    store = await open();
  });
  afterEach(() => store.remove());

  const claim = (id = 'w1', capacity = 99) => claimRun(store.db, { id, capacity });
  const slugOf = (lease: Lease | null) => lease && `${lease.run.owner}/${lease.run.name}#${lease.run.issue}`;
  const queue = async (issue: number, slug: string, more = {}) =>
    (await enqueueRun(store.db, newRun(issue, slug, more))).run.id;
  /** As if the heartbeats of every running run had stopped long ago. */
  const expireLeases = () => store.db.run(`UPDATE runs SET lease_until_ms = 1 WHERE state = 'running'`);

  async function mustClaim(id = 'w1'): Promise<Lease> {
    const lease = await claim(id);
    if (!lease) throw new Error('nothing to claim');
    return lease;
  }

  test('nothing is claimed from an empty queue', async () => {
    expect(await claim()).toBeNull();
  });

  test('sixteen claims at once never exceed the limits of repository, organisation, worker and all', async () => {
    for (const slug of ['a/one', 'a/two', 'a/three', 'b/one', 'c/one', 'd/one']) {
      for (let issue = 1; issue <= 4; issue++) await queue(issue, slug, { limits: { repository: 2, organization: 3 } });
    }
    const connections = [store.db, store.another(), store.another(), store.another()];

    const leases = await Promise.all(
      Array.from({ length: 16 }, (_, index) =>
        claimRun(connections[index % 4] as Database, { id: `w${index % 4}`, capacity: 3 }, { global: 8 }),
      ),
    );

    const running = leases.filter((lease) => lease !== null);
    expect(new Set(running.map(({ run }) => run.id)).size).toBe(running.length);
    expect(running).toHaveLength(8);
    expect(mostOf(running, ({ run }) => run.repository)).toBeLessThanOrEqual(2);
    expect(mostOf(running, ({ run }) => run.owner)).toBeLessThanOrEqual(3);
    expect(mostOf(running, ({ owner }) => owner)).toBeLessThanOrEqual(3);
  });

  test('whatever is queued with whatever limits, claiming goes on exactly until a limit holds back every run left', async () => {
    const queued = fc.record({
      slug: fc.constantFrom('a/one', 'a/two', 'b/one', 'b/two', 'c/one'),
      repository: fc.integer({ min: 1, max: 3 }),
      organization: fc.integer({ min: 1, max: 4 }),
      priority: fc.integer({ min: 0, max: 2 }),
    });
    const property = fc.asyncProperty(
      fc.array(queued, { maxLength: 12 }),
      fc.integer({ min: 1, max: 6 }),
      async (runs, global) => {
        await store.db.run('DELETE FROM runs');
        for (const [issue, { slug, priority, ...limits }] of runs.entries())
          await queue(issue, slug, { priority, limits });

        const leases: Lease[] = [];
        for (let lease = await claimWith(global); lease; lease = await claimWith(global)) leases.push(lease);

        const limitsOf = (id: string) => runs[Number(id)] ?? { repository: 0, organization: 0, slug: '' };
        for (const [index, { run }] of leases.entries()) {
          const before = leases.slice(0, index).map((lease) => lease.run);
          expect(before.filter((other) => other.repository === run.repository).length).toBeLessThan(
            limitsOf(`${run.issue}`).repository,
          );
          expect(before.filter((other) => other.owner === run.owner).length).toBeLessThan(
            limitsOf(`${run.issue}`).organization,
          );
        }
        expect(leases.length).toBeLessThanOrEqual(global);
        if (leases.length === global) return;
        for (const { repository, owner, issue } of await listRuns(store.db, { states: ['queued'] })) {
          const { repository: limitRepository, organization: limitOrganization } = limitsOf(`${issue}`);
          const inRepository = leases.filter(({ run }) => run.repository === repository).length;
          const inOrganization = leases.filter(({ run }) => run.owner === owner).length;
          expect(inRepository >= limitRepository || inOrganization >= limitOrganization).toBe(true);
        }
      },
    );
    const claimWith = (global: number) => claimRun(store.db, { id: 'w1', capacity: 99 }, { global });

    await fc.assert(property, { numRuns: engine === 'SQLite' ? 60 : 20 });
  }, 60_000);

  test('the organisation with the fewest running goes first, then priority, then who waits longest', async () => {
    await queue(1, 'busy/one');
    await queue(2, 'busy/two');
    await queue(3, 'busy/three', { priority: 5 });
    await queue(4, 'calm/one');
    await queue(5, 'calm/two', { priority: 1 });

    const order = [];
    for (let n = 0; n < 5; n++) order.push(slugOf(await claim()));

    expect(order).toEqual(['busy/three#3', 'calm/two#5', 'busy/one#1', 'calm/one#4', 'busy/two#2']);
  });

  test('a long queue behind a full repository holds up neither its organisation nor others', async () => {
    for (let issue = 1; issue <= 80; issue++)
      await queue(issue, 'big/mono', { limits: { repository: 1, organization: 3 } });
    await queue(1, 'big/side');
    await queue(1, 'small/one');
    await queue(2, 'small/one');

    const order = [];
    for (let n = 0; n < 4; n++) order.push(slugOf(await claim()));

    expect(order).toEqual(['big/mono#1', 'small/one#1', 'big/side#1', null]);
  });

  test('with more waiting organisations than are looked at first, the fewest running still goes first', async () => {
    for (let n = 0; n < 70; n++) await queue(n, `org${n}/one`, { priority: 1 });
    for (let n = 0; n < 70; n++) await claim();
    for (let n = 0; n < 70; n++) await queue(100 + n, `org${n}/two`, { priority: 1 });
    await queue(999, 'late/one');

    expect(slugOf(await claim())).toBe('late/one#999');
    expect(slugOf(await claim())).toBe('org0/two#100');
  });

  test('a run is not claimed before its time', async () => {
    await queue(1, 'a/a');
    await releaseLease(store.db, await mustClaim(), { runAfterMs: 60_000.4, countFailure: true });

    expect(await claim()).toBeNull();

    await store.db.run('UPDATE runs SET run_after_ms = 1');
    expect((await claim())?.run).toMatchObject({ failures: 1, attempt: 1 });
  });

  test('a run handed back is free for others at once', async () => {
    await queue(1, 'a/a');
    const first = await mustClaim('w1');

    await releaseLease(store.db, first);

    const second = await mustClaim('w2');
    expect(second.epoch).toBe(first.epoch + 1);
    expect(second.run.failures).toBe(0);
  });

  test('a run handed back while someone asked to stop it does not wait', async () => {
    await queue(1, 'a/a');
    const lease = await mustClaim();
    await requestCancel(store.db, lease.run.id, { by: 'grace', reason: null });

    await releaseLease(store.db, lease, { runAfterMs: 60_000 });

    expect(await heartbeat(store.db, await mustClaim())).toMatchObject({ cancel: { by: 'grace', reason: null } });
  });

  test('a lease lasts as long as its heartbeats; after its worker died the run is taken over, and that counts as a failure', async () => {
    await queue(1, 'a/a');
    const short = { leaseMs: 150 };
    const first = await claimRun(store.db, { id: 'w1', capacity: 1 }, short);
    if (!first) throw new Error('nothing to claim');
    const takeOver = () => claimRun(store.db, { id: 'w2', capacity: 1 }, short);
    for (const end = Date.now() + 400; Date.now() < end; ) {
      expect(await heartbeat(store.db, first, short)).toMatchObject({ held: true });
      expect(await takeOver()).toBeNull();
    }

    let second: Lease | null = null;
    await until(async () => {
      second = await takeOver();
      return second !== null;
    });

    expect(second).toMatchObject({ owner: 'w2', epoch: first.epoch + 1, run: { id: first.run.id, failures: 1 } });
    expect(await heartbeat(store.db, first)).toEqual({ held: false, cancel: null });
  });

  test('a dead worker’s run is taken over by one alone, and counts against its limits until then', async () => {
    await queue(1, 'a/a');
    await queue(2, 'a/a');
    const first = await mustClaim();
    await expireLeases();
    const other = store.another();

    const leases = await Promise.all(
      Array.from({ length: 16 }, (_, index) =>
        claimRun(index % 2 ? store.db : other, { id: `w${index}`, capacity: 1 }, { global: 1 }),
      ),
    );

    expect(leases.filter((lease) => lease !== null).map(({ run }) => run.id)).toEqual([first.run.id]);
  });

  test('a worker at its capacity claims nothing, not even to take over', async () => {
    await queue(1, 'a/a');
    await queue(1, 'b/b');
    await mustClaim('dead');
    await expireLeases();
    expect(await claim('w1', 1)).not.toBeNull();

    expect(await claim('w1', 1)).toBeNull();
  });

  test('after a takeover the old worker writes nothing', async () => {
    await queue(1, 'a/a');
    const stale = await mustClaim('w1');
    await expireLeases();
    const lease = await mustClaim('w2');
    const before = await contents(store.db);
    const lost = expect.objectContaining({ code: 'run.lost-lease' });
    let made = 0;
    const make = async () => `${++made}`;
    const steps = createSteps(store.db, stale);

    await expect(updateRun(store.db, stale, { stage: 'review' })).rejects.toEqual(lost);
    await expect(moveRun(store.db, stale, 'done')).rejects.toEqual(lost);
    await expect(releaseLease(store.db, stale)).rejects.toEqual(lost);
    await expect(steps.save('plan', z.string(), 'stale')).rejects.toEqual(lost);
    await expect(steps.step('build-1', z.string(), async () => 'stale')).rejects.toEqual(lost);
    await expect(effect(store.db, stale, 'pr', z.string(), { look: async () => null, make })).rejects.toEqual(lost);
    await expect(effect(store.db, stale, 'pr', z.string(), { look: make, make })).rejects.toEqual(lost);

    expect(await contents(store.db)).toEqual(before);
    expect(await heartbeat(store.db, lease)).toMatchObject({ held: true });
  });

  test('a claim tells in the ledger who took the run, and whether it was taken over', async () => {
    await queue(1, 'a/a');
    await mustClaim('w1');
    await expireLeases();
    const { run } = await mustClaim('w2');

    const [, first, second] = await eventsOf(store.db, run.id);

    expect(first?.data).toEqual({ state: 'running', worker: 'w1', epoch: 1, takenOver: false });
    expect(second?.data).toEqual({ state: 'running', worker: 'w2', epoch: 2, takenOver: true });
  });

  test('a run that was moved away is not held any more', async () => {
    await queue(1, 'a/a');
    const lease = await mustClaim();
    await moveRun(store.db, lease, 'waiting');

    expect(await heartbeat(store.db, lease)).toEqual({ held: false, cancel: null });
    await expect(moveRun(store.db, lease, 'done')).rejects.toMatchObject({ code: 'run.lost-lease' });
    expect((await getRun(store.db, lease.run.id))?.state).toBe('waiting');
  });
});

function mostOf(leases: Lease[], key: (lease: Lease) => string): number {
  const groups = Object.values(Object.groupBy(leases, key));
  return Math.max(...groups.map((group) => group?.length ?? 0));
}

async function contents(db: Database): Promise<unknown> {
  const tables = ['runs', 'stages', 'effects', 'events'];
  return await Promise.all(tables.map((table) => db.all(`SELECT * FROM ${table}`)));
}
