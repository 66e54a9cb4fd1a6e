import { rmSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { claimRun } from '../src/engine/claim.ts';
import { enqueueRun } from '../src/engine/runs.ts';
import { createSteps } from '../src/engine/steps.ts';
import { evidenceOf, keepTree, restoreTree } from '../src/evidence.ts';
import { createGit } from '../src/git/create-git.ts';
import type { Run } from '../src/run.ts';
import { createMask } from '../src/verification/mask.ts';
import { Verdict } from '../src/verification/verdict.ts';
import { fetched, file, wideRules } from './git/workbench.ts';
import { sampleVerdict } from './report/sample-input.ts';
import { newRun } from './support/new-run.ts';
import { openSqliteStore, type TestStore } from './support/stores.ts';

let store: TestStore;
let run: Run;

beforeEach(async () => {
  store = await openSqliteStore();
  ({ run } = await enqueueRun(store.db, newRun(1)));
});
afterEach(() => store.remove());

async function made(text: string, secrets = {}) {
  const bench = await fetched({ 'a.txt': 'a\n' });
  const { git, repository, base, remote } = bench;
  const written = await git.writePatch(repository, base, [file('a.txt', text)], wideRules);
  if (!written.ok) throw new Error('not written');
  const { tree } = written;
  const attempt = { run, repository, remote, base: { branch: 'main', commit: base }, mask: createMask(secrets) };
  await keepTree(attempt, tree, { db: store.db, git });
  rmSync(bench.mirrorsDir, { recursive: true });
  return { attempt, tree, git: createGit({ mirrorsDir: bench.mirrorsDir, env: { PATH: process.env.PATH } }) };
}

describe('what a run leaves', () => {
  it('is its patch and each round’s verdict, from the store alone', async () => {
    await made('changed\n');
    const lease = await claimRun(store.db, { id: 'w', capacity: 1 });
    if (!lease) throw new Error('nothing to claim');
    const verdict = { ...sampleVerdict(), next: 'fail' as const };
    await createSteps(store.db, lease).save('verify-1', Verdict, verdict);

    const { patch, verdicts } = await evidenceOf(store.db, run.id);

    expect(Buffer.from(patch?.patch ?? []).toString()).toMatch(
      /^diff --git a\/a\.txt b\/a\.txt\n[\s\S]*-a\n\+changed\n$/,
    );
    expect(verdicts).toMatchObject([{ name: 'verify-1', attempt: 1, value: verdict }]);
  });

  it('holds no value of a secret', async () => {
    await made('token is s3cret-value\n', { TOKEN: 's3cret-value' });

    const { patch } = await evidenceOf(store.db, run.id);

    expect(patch?.masked).toBe(true);
    expect(Buffer.from(patch?.patch ?? []).toString()).not.toContain('s3cret');
  });
});

describe('a tree whose mirror is gone', () => {
  it('is made again from the kept patch, so that the run goes on', async () => {
    const { attempt, tree, git } = await made('changed\n');

    await restoreTree(attempt, tree, { db: store.db, git });

    expect(Buffer.from((await git.read(attempt.repository, tree, 'a.txt')) ?? []).toString()).toBe('changed\n');
  });

  it('is an error where nothing kept leads to it', async () => {
    const { attempt, tree, git } = await made('token is s3cret-value\n', { TOKEN: 's3cret-value' });

    const restored = restoreTree(attempt, tree, { db: store.db, git });

    await expect(restored).rejects.toMatchObject({ code: 'outside.git' });
  });
});
