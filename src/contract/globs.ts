import type { Contract } from './contract.ts';
import { globCovers, globProblem, globStem, hasWildcards, matchesGlob, pathProblem, plainGlob } from './glob.ts';
import type { PolicyLayer } from './policy-schema.ts';
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

/** Why no path of a glob can be let in by a contract: what stands above it keeps out all of them. */
export type KeptOut =
  | { reason: 'protected' }
  | { reason: 'denied'; globs: readonly string[] }
  | { reason: 'outside'; layer: Layer; globs: readonly string[] };

/** What keeps out everything that a glob matches, or null when some of it may be let in. Not complete: null may also mean that it is not obvious. */
export function keptOut(glob: string, files: Walls['files']): KeptOut | null {
  const plain = plainGlob(glob);
  if (isProtectedWhole(plain, files.unprotect)) return { reason: 'protected' };
  const denying = files.deny.filter((each) => globCovers(each, plain));
  if (denying.length > 0) return { reason: 'denied', globs: denying };
  if (files.companions.some((each) => globCovers(each, plain))) return null;
  for (const [index, globs] of files.allow.entries()) {
    const layer = files.allowBy?.[index] ?? 'contract';
    if (layer !== 'contract' && !globs.some((each) => mayMeet(each, plain))) return { reason: 'outside', layer, globs };
  }
  return null;
}

/** Whether all that a glob matches is protected. */
export function isProtectedWhole(glob: string, unprotect: readonly string[]): boolean {
  const lower = plainGlob(glob).toLowerCase();
  if (lower.split('/').includes('.git')) return true;
  return protectedGlobs.some((each) => globCovers(each, lower)) && !unprotect.some((each) => mayMeet(each, glob));
}

/** Whether the operator gives some workflow free, for any repository. */
export function givesWorkflowsFree(operator: PolicyLayer | null): boolean {
  const entries = operator === null ? [] : [operator, ...(operator.for ?? [])];
  const free = entries.flatMap(({ files }) => files?.unprotect ?? []);
  return free.some((glob) => mayMeet(glob, '.github/workflows/**'));
}

/** Whether some path may match both; false only when surely none does. */
function mayMeet(one: string, other: string): boolean {
  if (isFileName(one)) return matchesGlob(one, other) || globStem(other).startsWith(`${one}/`);
  if (isFileName(other)) return mayMeet(other, one);
  const [first, second] = [globStem(one), globStem(other)];
  return first.startsWith(second) || second.startsWith(first);
}

/** Without wildcards and with an extension. */
const isFileName = (glob: string) => !hasWildcards(glob) && /[^/]\.[^./]+$/u.test(glob);

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
