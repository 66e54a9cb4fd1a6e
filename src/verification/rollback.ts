import type { Git } from '../git/git.ts';

/**
 * Tries the rollback: what a three-way merge makes of `onto` when the change from base to head is taken back. On head itself that must be
 * exactly base's tree. `head` and `onto` may be commits or trees.
 */
export async function tryRollback(
  git: Pick<Git, 'mergeTrees' | 'treeOf'>,
  repository: string,
  range: { base: string; head: string; onto?: string },
): Promise<{ ok: boolean; note: string; tree: string | null }> {
  const onto = range.onto ?? range.head;
  const merged = await git.mergeTrees(repository, range.head, onto, range.base);
  if (!merged.ok) return { ok: false, note: `conflicts in ${merged.conflicts.slice(0, 20).join(', ')}`, tree: null };
  if (onto !== range.head)
    return { ok: true, note: 'the change can be taken back without conflicts', tree: merged.tree };
  const ok = merged.tree === (await git.treeOf(repository, range.base));
  return { ok, note: ok ? 'gives the tree of base' : 'gives another tree than base', tree: merged.tree };
}
