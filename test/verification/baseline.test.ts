import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { storedBaselines } from '../../src/baselines.ts';
import { baselineKey } from '../../src/verification/baseline.ts';
import { createBenches } from '../../src/verification/benches.ts';
import type { Job } from '../../src/verification/execute.ts';
import { wallsWith } from '../bench/bench-walls.ts';
import { FolderSandbox } from '../doubles/sandbox.ts';
import { openSqliteStore, type TestStore } from '../support/stores.ts';

let store: TestStore;
beforeEach(async () => {
  store = await openSqliteStore();
});
afterEach(() => store.remove());

const job: Job = { command: 'echo base; exit 1', timeoutMs: 10_000, report: null, first: [] };
const at = { repository: 'host/acme/shop', base: 'b'.repeat(40), image: 'checkout:1' };
const usual = wallsWith([]);

/** What one worker verifies with; `opened` counts the containers of base. */
function worker(
  more: { image?: string; walls?: typeof usual; script?: Parameters<FolderSandbox['endNextWith']>[0] } = {},
) {
  const counter = { opened: 0 };
  const openBase = async () => {
    counter.opened += 1;
    const sandbox = await FolderSandbox.open();
    if (more.script) sandbox.endNextWith(more.script);
    return sandbox;
  };
  const benches = createBenches(
    { repository: at.repository, base: at.base, walls: more.walls ?? usual },
    {
      openHead: openBase,
      openBase,
      openWith: openBase,
      baseImage: async () => more.image ?? at.image,
      baseCache: storedBaselines(store.another()),
      mask: (text) => text,
      record: async () => undefined,
    },
    new AbortController().signal,
  );
  return { benches, counter };
}

describe('what a check gave on base', () => {
  it('is found by the next run on another worker, whole', async () => {
    const one = worker();
    const other = worker();

    const made = await one.benches.base(job, 'first');
    const found = await other.benches.base(job, 'first');

    expect([one.counter.opened, other.counter.opened]).toEqual([1, 0]);
    expect(found).toEqual(made);
    expect(found.record).toMatchObject({ exitCode: 1, output: 'base' });
  });

  it('is made anew for another image, for the second look at a flake, and where it was long ago or reached a service', async () => {
    await worker().benches.base(job, 'first');
    const network = { ...usual.network, hosts: ['registry.example.org:443'] };
    const rebuilt = worker({ image: 'checkout:2' });
    const again = worker();
    const outside = [
      worker({ walls: wallsWith([], { network }) }),
      worker({ walls: wallsWith([], { network }) }),
    ] as const;

    await rebuilt.benches.base(job, 'first');
    await again.benches.base(job, 'again');
    await outside[0].benches.base(job, 'first');
    await store.db.run('UPDATE baselines SET made_at_ms = made_at_ms - $1', 2 * 60 * 60_000);
    await outside[1].benches.base(job, 'first');
    const later = worker();
    await later.benches.base(job, 'first');

    expect([rebuilt, again, ...outside, later].map(({ counter }) => counter.opened)).toEqual([1, 1, 1, 1, 0]);
  });

  it.each([
    ['ran out of time', { end: 'timed-out', exitCode: null }],
    ['found no such command', { end: 'exited', exitCode: 127 }],
    [
      'found no service',
      { end: 'exited', exitCode: 1, stderr: { text: 'connect ECONNREFUSED', totalBytes: 9, truncated: false } },
    ],
  ] as const)('is not kept when it %s: the next time that may be over', async (_name, script) => {
    await worker({ script }).benches.base(job, 'first');
    const next = worker();

    await next.benches.base(job, 'first');

    expect(next.counter.opened).toBe(1);
  });

  it('that another version of the app has written is made anew', async () => {
    await worker().benches.base(job, 'first');
    await store.db.run(`UPDATE baselines SET result = '{"record":{}}'`);
    const next = worker();

    await next.benches.base(job, 'first');

    expect(next.counter.opened).toBe(1);
  });

  it('hangs on repository, commit, image, set-up, walls of the container, command, report and what runs before', () => {
    const limits = { ...usual.limits, memoryBytes: 1 };
    const setup = { command: 'npm ci', hosts: [], inputs: [], root: false };
    const keys = [
      baselineKey(at, usual, job, 'first'),
      baselineKey(at, usual, job, 'again'),
      baselineKey({ ...at, repository: 'host/acme/other' }, usual, job, 'first'),
      baselineKey({ ...at, base: 'c'.repeat(40) }, usual, job, 'first'),
      baselineKey({ ...at, image: 'checkout:2' }, usual, job, 'first'),
      baselineKey(at, { ...usual, setup }, job, 'first'),
      baselineKey(at, { ...usual, limits }, job, 'first'),
      baselineKey(at, { ...usual, runtime: 'runsc' }, job, 'first'),
      baselineKey(at, { ...usual, secrets: ['TOKEN'] }, job, 'first'),
      baselineKey(at, usual, { ...job, command: 'npm test' }, 'first'),
      baselineKey(at, usual, { ...job, report: 'out.xml' }, 'first'),
      baselineKey(at, usual, { ...job, first: [{ command: 'make', timeoutMs: 1 }] }, 'first'),
    ];

    expect(new Set(keys).size).toBe(keys.length);
    expect(baselineKey({ ...at }, { ...usual, limits: { ...usual.limits, minutes: 1 } }, job, 'first')).toBe(keys[0]);
  });
});
