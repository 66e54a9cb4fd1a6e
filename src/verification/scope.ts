import { inScope, isProtected, matchesAny } from '../contract/globs.ts';
import type { Walls } from '../contract/walls.ts';
import type { DiffFile } from '../git/git.ts';
import type { Objection } from './outcomes.ts';

/** Objects to what the final diff touches: paths outside the walls, protected paths, submodules, too much of it. Both paths of a rename count. */
export function judgeScope(files: readonly DiffFile[], walls: Pick<Walls, 'files' | 'limits'>): Objection[] {
  const paths = [...new Set(files.flatMap((file) => (file.from === undefined ? [file.path] : [file.from, file.path])))];
  const guarded = paths.filter((path) => isProtected(path, walls));
  const outside = paths.flatMap((path) => {
    const judged = inScope(path, walls);
    return judged.ok || judged.reason === 'protected' ? [] : [{ path, judged }];
  });
  const submodules = files.filter((file) => file.newMode === '160000' || file.oldMode === '160000');
  return [
    ...protectedPaths(guarded),
    ...outOfScope(outside),
    ...(submodules.length === 0
      ? []
      : [
          {
            gate: 'patch' as const,
            name: 'patch',
            message: 'A patch may not change submodules.',
            paths: submodules.map(({ path }) => path),
          },
        ]),
    ...tooLarge(files, walls),
  ];
}

function protectedPaths(paths: readonly string[]): Objection[] {
  if (paths.length === 0) return [];
  return [
    {
      gate: 'protected',
      name: 'protected',
      message: 'Protected paths may not change, whatever the contract says.',
      paths,
    },
  ];
}

function outOfScope(
  outside: readonly { path: string; judged: Exclude<ReturnType<typeof inScope>, { ok: true }> }[],
): Objection[] {
  if (outside.length === 0) return [];
  const widened = outside.every(({ judged }) => judged.layer === 'contract');
  const message = widened
    ? 'Outside the allowed files of the contract: `/allow GLOB` admits them.'
    : 'Outside the allowed files, some by policy above the contract, which `/allow` cannot widen.';
  return [{ gate: 'scope', name: 'scope', message, paths: outside.map(({ path }) => path) }];
}

/** Companions (lock files, snapshots) follow from the change and are not counted. */
function tooLarge(files: readonly DiffFile[], walls: Pick<Walls, 'files' | 'limits'>): Objection[] {
  const own = files.filter((file) => !matchesAny(file.path, walls.files.companions));
  const lines = own.reduce((sum, file) => sum + file.added + file.removed, 0);
  const { limits } = walls;
  const over = [
    ...(own.length > limits.files ? [`${own.length} files, allowed are ${limits.files} (limits.files)`] : []),
    ...(lines > limits.lines ? [`${lines} changed lines, allowed are ${limits.lines} (limits.lines)`] : []),
  ];
  return over.length === 0
    ? []
    : [{ gate: 'size', name: 'size', message: `The change is too large: ${over.join('; ')}.`, paths: [] }];
}
