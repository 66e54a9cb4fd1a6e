import { randomUUID } from 'node:crypto';
import { readdir, rename, rm, stat, utimes } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { PruneBounds } from './git.ts';
import { mirrorPath } from './mirror.ts';
import { withMirrorLock } from './mirror-lock.ts';

/** A run may be reading from a mirror that it fetched into so lately, whatever the store says. */
const inUseMs = 60 * 60_000;
/** One that is locked is in use: it is left for the next pass. */
const lockWaitMs = 200;
const mirrorName = /^m-.+\.git$/;
const removedName = /^m-.+\.git\.pruned-/;

/** Notes that a mirror is used now: its folder's time is the record. */
export async function noteUse(gitDir: string): Promise<void> {
  const now = new Date();
  await utimes(gitDir, now, now).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error;
  });
}

interface Unused {
  path: string;
  usedAtMs: number;
  bytes: number;
}

/** Keeps the mirrors within their bounds: see `Git.prune`. */
export async function pruneMirrors(mirrorsDir: string, bounds: PruneBounds): Promise<number> {
  const kept = new Set([...bounds.keep].map((repository) => basename(mirrorPath(mirrorsDir, repository))));
  const mirrors = await measure(mirrorsDir);
  const nowMs = Date.now();
  let takenBytes = mirrors.reduce((sum, { bytes }) => sum + bytes, 0);
  let removed = 0;
  // The longest unused first, until the rest is within the bound.
  for (const mirror of mirrors.sort((a, b) => a.usedAtMs - b.usedAtMs)) {
    const idleMs = nowMs - mirror.usedAtMs;
    const tooMuch = takenBytes > bounds.maxBytes || idleMs > bounds.unusedForMs;
    if (!tooMuch || idleMs < inUseMs || kept.has(basename(mirror.path))) continue;
    if (!(await removeUnused(mirror))) continue;
    removed += 1;
    takenBytes -= mirror.bytes;
  }
  return removed;
}

async function measure(mirrorsDir: string): Promise<Unused[]> {
  const mirrors: Unused[] = [];
  for (const name of await readdir(mirrorsDir)) {
    const path = join(mirrorsDir, name);
    // Of a pass that was cut short.
    if (removedName.test(name)) await rm(path, { recursive: true, force: true });
    if (!mirrorName.test(name)) continue;
    const facts = await stat(path).catch(() => null);
    if (facts?.isDirectory()) mirrors.push({ path, usedAtMs: facts.mtimeMs, bytes: await sizeOf(path) });
  }
  return mirrors;
}

/** Files may come and go meanwhile. */
async function sizeOf(folder: string): Promise<number> {
  const files = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  let bytes = 0;
  for (const file of files) {
    if (!file.isFile()) continue;
    bytes += (await stat(join(file.parentPath, file.name)).catch(() => null))?.size ?? 0;
  }
  return bytes;
}

/** Under the lock that every fetch takes, and only if none has come in between. */
async function removeUnused({ path, usedAtMs }: Unused): Promise<boolean> {
  const aside = `${path}.pruned-${randomUUID()}`;
  try {
    const taken = await withMirrorLock(`${path}.lock`, AbortSignal.timeout(lockWaitMs), async () => {
      if ((await stat(path)).mtimeMs !== usedAtMs) return false;
      await rename(path, aside);
      return true;
    });
    if (taken) await rm(aside, { recursive: true, force: true });
    return taken;
  } catch (error) {
    if (error instanceof DOMException && error.name === 'TimeoutError') return false;
    throw error;
  }
}
