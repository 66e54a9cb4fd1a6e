import type { DiffFile } from '../git/git.ts';
import type { PlanResult } from './plan.ts';
import { testPath } from './plan-objections.ts';

/** Where the final change departs from the plan, and what of the plan nobody waited for, for *Not verified*. Paths are untrusted. */
export function deviationsFrom({ plan: proposed, objections }: PlanResult, changes: readonly DiffFile[]): string[] {
  if (proposed === null) return [];
  const planned = new Set(proposed.files);
  const changed = new Set(changes.flatMap(({ path, from }) => [path, ...(from === undefined ? [] : [from])]));
  const tests = new Set(proposed.testsFirst.flatMap((test) => testPath(test) ?? []));
  return [
    ...changes
      .filter(({ path }) => !planned.has(path) && !tests.has(path))
      .map(({ path }) => `${path} was changed though the plan did not name it`),
    ...[...planned].filter((path) => !changed.has(path)).map((path) => `${path} was planned but not changed`),
    ...[...tests]
      .filter((path) => !planned.has(path) && !changed.has(path))
      .map((path) => `the test ${path} was to be written or changed first, but was not`),
    // It was sent back once for these, and they stand.
    ...objections.filter(({ kind }) => kind === 'tests' || kind === 'paths').map(({ text }) => text),
  ];
}
