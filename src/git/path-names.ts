import { Buffer } from 'node:buffer';

export const longestPartBytes = 255;
export const longestPathBytes = 4096;
const deepestParts = 100;

// HFS+ skips these when it compares names; git's own list is a part of it.
const ignorable = /[\p{Default_Ignorable_Code_Point}\p{Cf}]/gu;
const control = /\p{Cc}|[\u2028\u2029]/u;
// Can make a name read as another one in a review.
const reordering = /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/u;
const loneSurrogate = /\p{Cs}/u;
const printableAscii = /^[\x20-\x7e]*$/;
// What NTFS may call `.git`, `.gitmodules`, `.gitattributes` and `.gitignore` in its short form.
const shortGitName = /^(?:git|gitmod|gi7eba|gitatt|gi7d29|gitign|gi250a)~\d+$/;

/**
 * Paths that no image can hold: a name that begins so is how image layers write down a deletion, and would hide its neighbour from every
 * container of that checkout. Checkouts leave such files out, and no patch may add one.
 */
export const isLayerMark = (path: string): boolean => /(?:^|\/)\.wh\./.test(path);

/** Why no file may be made under this path, in words to act on, or null. Judges the name alone. */
export function nameProblem(path: string): string | null {
  if (path === '' || path === '.') return 'it stands for the work tree itself, which must stay a directory';
  if (path.startsWith('/')) return 'the path is absolute; use one relative to the repository';
  if (loneSurrogate.test(path) || path.includes('\ufffd')) return 'the name is not valid UTF-8; rename it';
  if (control.test(path)) return 'the name has a control character or line break in it; rename it';
  if (reordering.test(path)) return 'the name has an invisible text-direction character in it; rename it';
  if (path.includes('\\')) return 'the name has a backslash in it, which is a separator elsewhere; rename it';
  if (Buffer.byteLength(path) > longestPathBytes) return `the path is longer than ${longestPathBytes} bytes`;
  if (isLayerMark(path)) return 'a path part begins with `.wh.`, which container images read as a deletion; rename it';
  const parts = path.split('/');
  if (parts.length > deepestParts) return `the path is deeper than ${deepestParts} directories`;
  for (const part of parts) {
    const problem = partProblem(part);
    if (problem) return problem;
  }
  return null;
}

function partProblem(part: string): string | null {
  if (part === '' || part === '.' || part === '..')
    return 'the path has an empty, `.` or `..` part; use a plain relative path';
  if (isDotGit(part))
    return 'a path part means `.git` on some file system; remove it (a nested repository cannot be part of a patch)';
  if (/^[. ]+$/.test(part)) return 'a path part is made of dots and spaces only; rename it';
  if (Buffer.byteLength(part) > longestPartBytes)
    return `a path part is longer than ${longestPartBytes} bytes; shorten it`;
  return null;
}

/** Whether some file system takes this name for `.git` (or a git file's short form): case, ignorable code points, dots, spaces, streams. */
export function isDotGit(part: string): boolean {
  const plain = withoutStream(foldPart(part.normalize('NFKC')));
  return plain === '.git' || shortGitName.test(plain);
}

/** The path as the most forgiving file systems together would read it; equal texts cannot both exist there. */
export function foldPath(path: string): string {
  return path.split('/').map(foldPart).join('/');
}

/** As `foldPath`, and without NTFS streams: for asking whether a path is a protected one in disguise. */
export function plainPath(path: string): string {
  return path
    .split('/')
    .map((part) => withoutStream(foldPart(part)))
    .join('/');
}

function foldPart(part: string): string {
  if (printableAscii.test(part)) return withoutTail(part).toLowerCase();
  const visible = part.replace(ignorable, '').normalize('NFD');
  // Up and down again: `ß`, long s and dotless i meet their usual forms only on the way up.
  return withoutTail(visible.toUpperCase().toLowerCase().normalize('NFC'));
}

/** NTFS drops dots and spaces at the end of a name. */
function withoutTail(part: string): string {
  return part.replace(/[. ]+$/, '') || part;
}

function withoutStream(part: string): string {
  const colon = part.indexOf(':');
  return colon < 0 ? part : withoutTail(part.slice(0, colon));
}

/** Whether git may be asked about the path: relative, and no part that leads elsewhere. */
export function isPlainPath(path: string): boolean {
  return !path.includes('\0') && path.split('/').every((part) => part !== '' && part !== '.' && part !== '..');
}

/** Every directory above a path, outermost first. */
export function parentsOf(path: string): string[] {
  const parents: string[] = [];
  for (let at = path.indexOf('/'); at >= 0; at = path.indexOf('/', at + 1)) parents.push(path.slice(0, at));
  return parents;
}
