import type { Contract } from './contract.ts';
import { globProblem, matchesGlob, pathProblem, plainGlob } from './glob.ts';
import { type Layer, layers, type Walls } from './walls.ts';

export { matchesGlob };

/** Protected whatever a policy says, unless the operator lists them under `files.unprotect`. Compared without letter case, as some file systems do. */
export const protectedGlobs: readonly string[] = [
  '.github/workflows/**',
  '.github/actions/**',
  '.github/millwright.yml',
  '.gitmodules',
  '**/.gitattributes',
  'codeowners',
  '.github/codeowners',
  'docs/codeowners',
];

/** Why a path may not change. */
export type ScopeObjection =
  /** `/allow` helps. */
  | { ok: false; layer: 'contract'; reason: 'outside'; globs: readonly string[] }
  /** Only a change of the policy helps. */
  | { ok: false; layer: Exclude<Layer, 'contract'>; reason: 'outside'; globs: readonly string[] }
  | { ok: false; layer: null; reason: 'denied' | 'protected'; globs: readonly string[] };

export function matchesAny(path: string, globs: readonly string[]): boolean {
  return globs.some((glob) => matchesGlob(path, glob));
}

/**
 * Whether tools must refuse to write the path and a patch must not touch it: protected paths, anything of git's own, anything outside the
 * repository.
 */
export function isProtected(path: string, walls: { files: Pick<Walls['files'], 'unprotect'> }): boolean {
  if (pathProblem(path) !== null) return true;
  const lower = path.toLowerCase();
  if (lower.split('/').some((part) => part === '.git' || part === 'git~1')) return true;
  return matchesAny(lower, protectedGlobs) && !matchesAny(path, walls.files.unprotect);
}

/** Whether a change of this path is within the walls, and if not, which wall it meets first. Renames: ask for both paths. */
export function inScope(path: string, walls: { files: Walls['files'] }): { ok: true } | ScopeObjection {
  const { allow, allowBy, deny, companions, companionsBy } = walls.files;
  if (isProtected(path, walls)) return { ok: false, layer: null, reason: 'protected', globs: [] };
  const denying = deny.filter((glob) => matchesGlob(path, glob));
  if (denying.length > 0) return { ok: false, layer: null, reason: 'denied', globs: denying };
  // A layer's companions are excused from its own list and from those below it, never from a list above it.
  const excusedFrom = matchesAny(path, companions) ? layers.indexOf(companionsBy ?? 'operator') : layers.length;
  for (const [index, globs] of allow.entries()) {
    const layer = allowBy?.[index] ?? 'contract';
    if (layers.indexOf(layer) >= excusedFrom || matchesAny(path, globs)) continue;
    return { ok: false, layer, reason: 'outside', globs };
  }
  return { ok: true };
}

/**
 * `/allow GLOB`: the contract with one more glob among its allowed files. It widens the contract only: combine the walls anew, the layers above
 * still hold. A contract that names no files restricts nothing, so there is nothing to widen.
 */
export function amendFiles(
  contract: Contract,
  glob: string,
): { ok: true; contract: Contract; changed: boolean } | { ok: false; message: string } {
  const problem = globProblem(glob);
  if (problem) return { ok: false, message: `The glob ${problem}.` };
  const { files } = contract.boundaries;
  if (files.length === 0) {
    return {
      ok: false,
      message:
        'The contract names no allowed files, so it restricts none: the policy above it does, and `/allow` cannot widen that.',
    };
  }
  const added = plainGlob(glob);
  if (files.includes(added)) return { ok: true, contract, changed: false };
  return {
    ok: true,
    contract: { ...contract, boundaries: { ...contract.boundaries, files: [...files, added] } },
    changed: true,
  };
}
