import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { claimRun, type Lease } from '../../src/engine/claim.ts';
import { effect, once } from '../../src/engine/effects.ts';
import { append, eventsOf } from '../../src/engine/ledger.ts';
import { enqueueRun } from '../../src/engine/runs.ts';
import { createSteps } from '../../src/engine/steps.ts';
import { newRun } from '../support/new-run.ts';
import { stores, type TestStore } from '../support/stores.ts';
import { until } from '../support/until.ts';

describe.each(stores)('what a run saves on %s', (_engine, open) => {
  let store: TestStore;
  let lease: Lease;
  beforeEach(async () => {
    store = await open();
    await enqueueRun(store.db, newRun(1));
    lease = (await claimRun(store.db, { id: 'w1', capacity: 1 })) as Lease;
  });
  afterEach(() => store.remove());

  const Plan = z.object({ files: z.array(z.string()), note: z.string().nullable() });

  test('a step works once, and afterwards gives what it saved, also to another process', async () => {
    let worked = 0;
    const work = async () => {
      worked++;
      return { files: ['src/ž\0.ts', '\ud800'], note: null };
    };

    const first = await createSteps(store.db, lease).step('plan', Plan, work);
    const second = await createSteps(store.another(), lease).step('plan', Plan, work);

    expect(worked).toBe(1);
    expect(second).toEqual(first);
  });

  test('a step that fails saves nothing and works again', async () => {
    const { step, saved } = createSteps(store.db, lease);

    await expect(step('plan', z.string(), () => Promise.reject(new Error('lost')))).rejects.toThrow('lost');

    expect(await saved('plan', z.string())).toBeNull();
    expect(await step('plan', z.string(), async () => 'now')).toBe('now');
  });

  test('a step whose result is of another shape saves nothing', async () => {
    const { step, saved } = createSteps(store.db, lease);

    await expect(step('plan', Plan, async () => ({ files: 'all' }) as never)).rejects.toThrow(/files/);

    expect(await saved('plan', z.unknown())).toBeNull();
  });

  test('progress saved in between replaces what was saved before', async () => {
    const { save, saved } = createSteps(store.db, lease);

    await save('build-1', z.string(), 'one');
    await save('build-1', z.string(), 'two');

    expect(await saved('build-1', z.string())).toBe('two');
  });

  test('an effect is looked for, made when it is not there, and remembered', async () => {
    const calls: string[] = [];
    const act = {
      look: async () => {
        calls.push('look');
        return null;
      },
      make: async () => {
        calls.push('make');
        return 7;
      },
    };

    const numbers = [await effect(store.db, lease, 'pull-request', z.number(), act)];
    numbers.push(await effect(store.db, lease, 'pull-request', z.number(), act));

    expect(numbers).toEqual([7, 7]);
    expect(calls).toEqual(['look', 'make']);
  });

  test('an effect found on the other side is taken, not made again', async () => {
    const make = () => Promise.reject(new Error('made twice'));

    expect(await effect(store.db, lease.run.id, 'comment', z.number(), { look: async () => 3, make })).toBe(3);
    expect(await effect(store.db, lease.run.id, 'comment', z.number(), { look: make, make })).toBe(3);
  });

  test('an effect that failed is tried again', async () => {
    const look = async () => null;
    await expect(
      effect(store.db, lease, 'check', z.number(), { look, make: () => Promise.reject(new Error('500')) }),
    ).rejects.toThrow('500');

    expect(await effect(store.db, lease, 'check', z.number(), { look, make: async () => 1 })).toBe(1);
  });

  test('work done once per key is done again only if it failed', async () => {
    let tries = 0;
    const work = async () => {
      if (++tries === 1) throw new Error('first');
    };

    await expect(once(store.db, lease.run.id, 'command:1', work)).rejects.toThrow('first');
    await once(store.db, lease.run.id, 'command:1', work);
    await once(store.db, lease.run.id, 'command:1', work);

    expect(tries).toBe(2);
  });

  test('the ledger gives events in order, after an id, of some kinds, up to a number', async () => {
    for (let n = 1; n <= 5; n++)
      await append(store.db, { runId: lease.run.id, kind: n % 2 ? 'odd' : 'even', data: { n } });
    await append(store.db, { runId: lease.run.id, attempt: 9, kind: 'late', data: undefined });

    const odd = await eventsOf(store.db, lease.run.id, { kinds: ['odd'] });
    const rest = await eventsOf(store.db, lease.run.id, { afterId: odd[1]?.id ?? 0 });

    expect(odd.map(({ data }) => data)).toEqual([{ n: 1 }, { n: 3 }, { n: 5 }]);
    expect(odd[0]).toMatchObject({ runId: lease.run.id, attempt: 1, kind: 'odd' });
    expect(rest.map(({ kind, attempt, data }) => [kind, attempt, data])).toEqual([
      ['even', 1, { n: 4 }],
      ['odd', 1, { n: 5 }],
      ['late', 9, null],
    ]);
    expect(await eventsOf(store.db, lease.run.id, { limit: 1, kinds: ['even', 'odd'] })).toHaveLength(1);
    expect(await eventsOf(store.db, 'r0')).toEqual([]);
  });

  test('a reader that goes on from the last id it saw misses no event of many writers', async () => {
    const writers = [store.db, store.another(), store.another()];
    const seen: unknown[] = [];
    let afterId = 0;
    const readOn = async () => {
      const events = await eventsOf(store.db, lease.run.id, { afterId, kinds: ['n'] });
      afterId = events.at(-1)?.id ?? afterId;
      seen.push(...events.map(({ data }) => data));
    };

    const writing = Promise.all(
      writers.map(async (db, writer) => {
        for (let n = 0; n < 20; n++) await append(db, { runId: lease.run.id, kind: 'n', data: writer * 100 + n });
      }),
    );
    await until(async () => {
      await readOn();
      return seen.length >= 60;
    });
    await writing;

    expect(new Set(seen).size).toBe(60);
    expect(seen.filter((data) => Number(data) < 100)).toEqual(Array.from({ length: 20 }, (_, n) => n));
  });

  test('of an event too large to keep the longest texts are cut where they say so, and the rest stays readable', async () => {
    const prompt = `HEAD${'x'.repeat(300_000)}TAIL`;
    const data = { usage: { inputTokens: 7 }, sent: [{ text: prompt }, { text: 'short' }] };
    await append(store.db, { runId: lease.run.id, kind: 'big', data });

    const [event] = await eventsOf(store.db, lease.run.id, { kinds: ['big'] });

    const kept = event?.data as typeof data;
    expect(kept.usage).toEqual({ inputTokens: 7 });
    expect(kept.sent[0]?.text).toMatch(/^HEADx+\n\[… \d+ characters cut in the ledger …\]\nx+TAIL$/);
    expect(kept.sent[0]?.text.length).toBeLessThan(100_000);
    expect(kept.sent[1]).toEqual({ text: 'short' });
  });

  test('an event of very many texts keeps its head, and says that it was cut', async () => {
    const data = Array.from({ length: 5_000 }, () => 'x'.repeat(100));
    await append(store.db, { runId: lease.run.id, kind: 'big', data });

    const [event] = await eventsOf(store.db, lease.run.id, { kinds: ['big'] });

    expect(event?.data).toMatchObject({ cut: true, chars: JSON.stringify(data).length });
  });
});
