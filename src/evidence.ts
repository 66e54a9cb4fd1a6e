import type { Attempt } from './attempt.ts';
import type { Doors } from './doors.ts';
import { outputsOf, type SavedOutput } from './engine/outputs.ts';
import { type KeptPatch, keepPatch, patchOf } from './engine/patches.ts';
import { MillwrightError } from './errors.ts';
import { Verdict } from './verification/verdict.ts';

/** What a run leaves to look at, whichever way it ended. Every text in it is masked, bounded and untrusted. */
export interface Evidence {
  patch: KeptPatch | null;
  /** One for each round, oldest first, with the output of every check on head and on base. */
  verdicts: SavedOutput<Verdict>[];
}

/** Everything about a run that can be downloaded, from the store alone. */
export async function evidenceOf(db: Doors['db'], runId: string): Promise<Evidence> {
  const [patch, verdicts] = await Promise.all([patchOf(db, runId), outputsOf(db, runId, 'verify', Verdict)]);
  return { patch, verdicts };
}

/** Keeps the change that leads from the base commit to a tree. May be called twice. Errors: `outside.git`, `outside.database`. */
export async function keepTree(
  { run, repository, base, mask }: Pick<Attempt, 'run' | 'repository' | 'base' | 'mask'>,
  tree: string,
  { db, git }: Pick<Doors, 'db' | 'git'>,
): Promise<void> {
  const patch = await git.patchText(repository, base.commit, tree);
  if (patch.length === 0) return;
  const text = Buffer.from(patch).toString('utf8');
  const shown = mask(text);
  const masked = shown !== text;
  await keepPatch(db, {
    runId: run.id,
    attempt: run.attempt,
    base: base.commit,
    tree,
    masked,
    patch: masked ? Buffer.from(shown) : patch,
  });
}

/**
 * Brings a tree that an earlier round made into the mirror again, from what the store kept: the mirror may have been lost,
 * or be another machine's. Errors: `outside.git` when nothing kept leads to it.
 */
export async function restoreTree(
  { run, remote, repository }: Pick<Attempt, 'repository' | 'remote'> & { run: Pick<Attempt['run'], 'id'> },
  tree: string,
  { db, git }: Pick<Doors, 'db' | 'git'>,
): Promise<void> {
  if (await git.holds(repository, tree)) return;
  const kept = await patchOf(db, run.id, tree);
  if (kept?.patch && !kept.masked) {
    if (!(await git.holds(repository, kept.base))) await git.fetch(remote, kept.base);
    if ((await git.applyPatch(repository, kept.base, kept.patch)) === tree) return;
  }
  throw new MillwrightError('outside.git', { message: `the tree ${tree} is gone, and nothing kept leads to it` });
}
