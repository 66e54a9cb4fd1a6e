/** `src/list/sum.ts` → `sum.ts` */
export function baseName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

/** `src/list/sum.ts` → `src/list`; '' for the top of the repository. */
export function folderOf(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf('/')));
}

/** `src/list/sum.ts` → '', `src`, `src/list`. */
export function foldersAbove(path: string): string[] {
  const parts = path.split('/').slice(0, -1);
  return ['', ...parts.map((_, index) => parts.slice(0, index + 1).join('/'))];
}

/** Joins a folder and a relative path, `.` and `..` resolved; null when it leaves the repository. */
export function joinPath(folder: string, relative: string): string | null {
  const parts = folder === '' ? [] : folder.split('/');
  for (const part of relative.split('/')) {
    if (part === '' || part === '.') continue;
    if (part !== '..') parts.push(part);
    else if (parts.pop() === undefined) return null;
  }
  return parts.join('/');
}
