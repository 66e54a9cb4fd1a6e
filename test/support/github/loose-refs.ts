import { access, readFile } from 'node:fs/promises';
import path from 'node:path';

/** A ref as git keeps it: in a file of its own. Null: there is none. Undefined: only git can tell. Spares a process, and refs are asked for most. */
export async function looseRef(dir: string, name: string): Promise<string | null | undefined> {
  if (!/^refs\/(?:heads|tags|pull)\/[\w./-]+$/.test(name) || /\.\.|\.$|\/\//.test(name)) return undefined;
  const kept = await readFile(path.join(dir, name), 'utf8').catch(() => null);
  if (kept !== null) return /^[0-9a-f]{40}\n$/.test(kept) ? kept.trim() : undefined;
  const packed = await access(path.join(dir, 'packed-refs')).then(
    () => true,
    () => false,
  );
  return packed ? undefined : null;
}
