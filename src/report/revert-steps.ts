import type { RevertStep } from './facts.ts';

/** More than a person would copy. */
const mostSteps = 20;

/**
 * The reverts, newest first, that take the tree of `head` back to that of `base`. A branch that took base in again has a merge on its way, which
 * git reverts alone, against one of its parents. `history`: the commits of `base..head`;
 * where it does not lead to base, or in too many steps, the plain range is all that can be said.
 */
export function revertSteps(
  base: string,
  head: string,
  history: readonly { commit: string; parents: readonly string[] }[],
): RevertStep[] {
  const parentsOf = new Map(history.map(({ commit, parents }) => [commit, parents]));
  const steps: RevertStep[] = [];
  const addLine = (from: string, to: string) => from !== to && steps.push({ from, to });
  let newest = head;
  for (let at = head; at !== base; ) {
    const parents = parentsOf.get(at) ?? [];
    // With base among its parents, the one merge takes everything back that came before it.
    const index = Math.max(0, parents.indexOf(base));
    const parent = parents[index];
    if (parent === undefined || steps.length >= mostSteps) return [{ from: base, to: head }];
    if (parents.length > 1) {
      addLine(at, newest);
      steps.push({ merge: at, mainline: index + 1 });
      newest = parent;
    }
    at = parent;
  }
  addLine(base, newest);
  return steps;
}
