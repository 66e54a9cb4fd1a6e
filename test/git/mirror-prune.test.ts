import { existsSync, readdirSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { mirrorPath } from '../../src/git/mirror.ts';
import { withMirrorLock } from '../../src/git/mirror-lock.ts';
import { workbench } from './workbench.ts';

const dayMs = 24 * 60 * 60_000;
const none: ReadonlySet<string> = new Set();
const wide = { maxBytes: 2 ** 40, unusedForMs: 400 * dayMs, keep: none };

/** Three mirrors, fetched into 1, 2 and 3 days ago, each of about a megabyte. */
async function threeMirrors() {
  const bench = workbench();
  const { git, origin, remote, mirrorsDir } = bench;
  const commit = origin.commit({ a: '1' });
  const [first, second, third] = ['h/a/one', 'h/a/two', 'h/a/three'].map((repository) => ({ ...remote, repository }));
  const pathOf = (repository: string) => mirrorPath(mirrorsDir, repository);
  for (const [index, each] of [first, second, third].entries()) {
    if (!each) continue;
    await git.fetch(each, commit);
    writeFileSync(join(pathOf(each.repository), 'filler'), Buffer.alloc(1_000_000));
    const usedAt = new Date(Date.now() - (index + 1) * dayMs);
    utimesSync(pathOf(each.repository), usedAt, usedAt);
  }
  const left = () => ['one', 'two', 'three'].filter((name) => existsSync(pathOf(`h/a/${name}`)));
  return { ...bench, commit, first, third, pathOf, left };
}

describe('mirrors', () => {
  it('go when nothing was fetched into them for long', async () => {
    const { git, left } = await threeMirrors();

    expect(await git.prune({ ...wide, unusedForMs: 2.5 * dayMs })).toBe(1);

    expect(left()).toEqual(['one', 'two']);
  });

  it('go when they take too much room, the longest unused first, none that is to be kept', async () => {
    const { git, left, mirrorsDir } = await threeMirrors();

    expect(await git.prune({ ...wide, maxBytes: 2_500_000, keep: new Set(['h/a/three']) })).toBe(1);

    expect(left()).toEqual(['one', 'three']);
    expect(readdirSync(mirrorsDir).filter((name) => name.includes('pruned'))).toEqual([]);
  });

  it('are used by every fetch, even one that asks nobody, and stay for an hour however little room there is', async () => {
    const { git, left, third, commit } = await threeMirrors();
    if (third) await git.fetch(third, commit);

    await git.prune({ ...wide, maxBytes: 0 });

    expect(left()).toEqual(['three']);
  });

  it('that are being fetched into are left alone', async () => {
    const { git, left, pathOf } = await threeMirrors();

    await withMirrorLock(`${pathOf('h/a/three')}.lock`, undefined, async () => {
      await git.prune({ ...wide, maxBytes: 0 });
    });

    expect(left()).toEqual(['three']);
  });

  it('are fetched anew when they are needed again', async () => {
    const { git, left, first, commit } = await threeMirrors();
    await git.prune({ ...wide, maxBytes: 0 });

    expect(left()).toEqual([]);
    expect(first && (await git.fetch(first, commit))).toBe(commit);
  });
});
