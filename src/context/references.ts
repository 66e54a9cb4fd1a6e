import { hasWildcards, matchesGlob, plainGlob } from '../contract/glob.ts';
import { baseName } from './paths.ts';

/** What a reference of the contract means in the repository. */
export type Reference =
  | { kind: 'files'; paths: string[] }
  /** A path or glob that nothing at the base commit matches. */
  | { kind: 'no-match' }
  /** An issue, a pull request, or an address that is no file: the host has to be asked. */
  | { kind: 'host' };

/**
 * Finds the files that `reference` means: a path, a glob, or the address of a file of this repository on its host.
 * `repository` is `host/owner/name` in lower case.
 */
export function findReference(reference: string, repository: string, paths: readonly string[]): Reference {
  if (/^(?:[\w.-]+\/[\w.-]+)?#\d+$|^GH-\d+$/u.test(reference)) return { kind: 'host' };
  if (/^https?:\/\//i.test(reference)) {
    const path = pathOfAddress(reference, repository, new Set(paths));
    return path === null ? { kind: 'host' } : { kind: 'files', paths: [path] };
  }
  const found = paths.filter((path) => matchesGlob(path, reference));
  return found.length === 0 ? { kind: 'no-match' } : { kind: 'files', paths: found };
}

/** `https://HOST/OWNER/NAME/blob/REF/PATH` → PATH, if there is such a file at the base commit. A branch's name may hold slashes. */
function pathOfAddress(address: string, repository: string, files: ReadonlySet<string>): string | null {
  const url = URL.parse(address);
  if (url === null) return null;
  const prefix = `/${repository.split('/').slice(1).join('/')}/`;
  if (url.host.toLowerCase() !== repository.split('/')[0]) return null;
  if (!url.pathname.toLowerCase().startsWith(prefix)) return null;
  const [view, ...rest] = decoded(url.pathname.slice(prefix.length)).split('/');
  if (view !== 'blob' && view !== 'raw' && view !== 'blame') return null;
  for (let at = 1; at < rest.length; at++) {
    const path = rest.slice(at).join('/');
    if (files.has(path)) return path;
  }
  return null;
}

function decoded(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    // A stray percent sign: then the path is meant as it is written.
    return path;
  }
}

/** Whether a run within these lists of allowed files, one a layer, could create what the reference names. No list restricts nothing. */
export function mayCreate(reference: string, allow: readonly (readonly string[])[]): boolean {
  return allow.every((globs) => globs.some((glob) => overlap(glob, reference)));
}

/** Two globs may match a common path, as far as the folders before their first wildcards tell. */
function overlap(left: string, right: string): boolean {
  if (!hasWildcards(right)) return matchesGlob(plainGlob(right), left);
  const [a, b] = [fixedPart(left), fixedPart(right)];
  return a.startsWith(b) || b.startsWith(a);
}

const fixedPart = (glob: string) => plainGlob(glob).replace(/[*?[{].*$/s, '');

/** Files of the same name elsewhere: what the author may have meant. */
export function likeNamed(reference: string, paths: readonly string[]): string[] {
  const name = baseName(reference).toLowerCase();
  if (hasWildcards(name) || name === '') return [];
  return paths.filter((path) => baseName(path).toLowerCase() === name).slice(0, 3);
}
