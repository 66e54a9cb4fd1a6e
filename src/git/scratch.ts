import { mkdir, mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';

export interface Scratch extends AsyncDisposable {
  readonly path: string;
}

const staleMs = 24 * 60 * 60_000;

/** A folder that is removed when it goes out of scope. Those of a killed process are removed a day later. */
export async function openScratch(root: string): Promise<Scratch> {
  await mkdir(root, { recursive: true });
  const path = await mkdtemp(join(root, 's-'));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

export async function sweepScratch(root: string): Promise<void> {
  for (const name of await readdir(root).catch(() => [])) {
    const path = join(root, name);
    const age = await stat(path).then(
      (found) => Date.now() - found.mtimeMs,
      () => 0,
    );
    if (age > staleMs) await rm(path, { recursive: true, force: true });
  }
}
