import { createHash, randomUUID } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { inflateSync } from 'node:zlib';
import { MillwrightError } from '../errors.ts';
import type { GitCommand } from './git-command.ts';
import { exists, isSuspect, type Mirror } from './mirror.ts';
import { makePartial } from './mirror-blobs.ts';
import { brief } from './remote-call.ts';

/**
 * The highest place for attributes: whatever a repository's files say, git shows and writes the bytes that are there.
 * `!diff` and `!merge` (unspecified) rather than `-diff` and `-merge`, which would turn every file binary.
 */
const attributes =
  '* !diff !merge !conflict-marker-size !whitespace -text -eol -ident -filter -working-tree-encoding -export-ignore -export-subst\n';

const manyPacks = 40;
const staleLockMs = 10_000;
const largestSalvagedBytes = 64 * 1024 ** 2;

/** Makes the mirror if it is missing, and makes it anew if it is half made or marked as damaged. Call under its lock. */
export async function ensureMirror(
  mirror: Mirror,
  command: GitCommand,
  partial: boolean,
): Promise<'kept' | 'made' | 'remade'> {
  if (!(await exists(mirror.gitDir))) {
    await makeMirror(mirror.gitDir, command, partial);
    return 'made';
  }
  if (!(await isSuspect(mirror.gitDir)) && (await mirror.result(['rev-parse', '--git-dir'])).exitCode === 0)
    return 'kept';
  await remakeMirror(mirror.gitDir, command);
  return 'remade';
}

/**
 * Puts an empty mirror in place of a damaged one and takes over what only we had: the objects that we wrote. It is a whole one, since the
 * damage may be a blob of an older commit that a partial mirror never had.
 */
export async function remakeMirror(gitDir: string, command: GitCommand): Promise<void> {
  const aside = `${gitDir}.broken-${randomUUID()}`;
  await rename(gitDir, aside);
  await makeMirror(gitDir, command, false);
  await salvageLooseObjects(join(aside, 'objects'), join(gitDir, 'objects'));
  await sweepLeftovers(gitDir);
}

async function makeMirror(gitDir: string, command: GitCommand, partial: boolean): Promise<void> {
  await sweepLeftovers(gitDir, '.new-');
  const draft = `${gitDir}.new-${randomUUID()}`;
  const args = ['init', '--bare', '--quiet', '--template=', '--initial-branch=none', '--object-format=sha1', draft];
  const made = await command.run({ args, env: { GIT_DIR: draft } });
  if (made.exitCode !== 0)
    throw new MillwrightError('outside.git', { message: `git init failed: ${brief(made.stderr)}` });
  await mkdir(join(draft, 'info'), { recursive: true });
  await writeFile(join(draft, 'info', 'attributes'), attributes);
  if (partial) await makePartial(draft);
  await rename(draft, gitDir);
}

async function sweepLeftovers(gitDir: string, kind = ''): Promise<void> {
  const folder = dirname(gitDir);
  const leftover = /^\.(?:new|broken)-/;
  for (const name of await readdir(folder)) {
    const tail = name.startsWith(basename(gitDir)) ? name.slice(basename(gitDir).length) : '';
    if (leftover.test(tail) && tail.startsWith(kind)) await rm(join(folder, name), { recursive: true, force: true });
  }
}

/** Fetched objects lie in packs; loose ones were written here and exist nowhere else. Only those that match their name are taken. */
async function salvageLooseObjects(from: string, to: string): Promise<void> {
  const folders = await readdir(from).catch(() => [] as string[]);
  for (const folder of folders.filter((name) => /^[0-9a-f]{2}$/.test(name))) {
    for (const name of await readdir(join(from, folder))) {
      const packed = await readSound(join(from, folder, name), folder + name);
      if (!packed) continue;
      await mkdir(join(to, folder), { recursive: true });
      await writeFile(join(to, folder, name), packed, { mode: 0o444 });
    }
  }
}

async function readSound(path: string, sha: string): Promise<Buffer | undefined> {
  if ((await stat(path)).size > largestSalvagedBytes) return undefined;
  const packed = await readFile(path);
  try {
    const bytes = inflateSync(packed, { maxOutputLength: largestSalvagedBytes });
    return createHash('sha1').update(bytes).digest('hex') === sha ? packed : undefined;
  } catch {
    // What cannot be inflated is the damage itself; it is left behind.
    return undefined;
  }
}

/** Removes the lock files that a killed git left on refs, which would refuse every later fetch. Call under the mirror's lock. */
export async function removeStaleLocks(gitDir: string): Promise<number> {
  const inRefs = await readdir(join(gitDir, 'refs'), { recursive: true });
  const candidates = [
    ...inRefs.map((name) => join('refs', name)),
    'packed-refs.lock',
    'HEAD.lock',
    'config.lock',
    'shallow.lock',
  ];
  let removed = 0;
  for (const name of candidates.filter((candidate) => candidate.endsWith('.lock'))) {
    const path = join(gitDir, name);
    const age = await stat(path).then(
      (found) => Date.now() - found.mtimeMs,
      () => 0,
    );
    if (age < staleLockMs) continue;
    await rm(path, { force: true });
    removed += 1;
  }
  return removed;
}

/** Joins the packs of many fetches into one. Fetched commits are held by refs; written objects stay loose for 90 days. Call under the lock. */
export async function tidyMirror(mirror: Mirror): Promise<boolean> {
  const packs = await readdir(join(mirror.gitDir, 'objects', 'pack'));
  if (packs.filter((name) => name.endsWith('.pack')).length < manyPacks) return false;
  await mirror.git(['pack-refs', '--all']);
  await mirror.git(['repack', '-a', '-d', '-q'], { timeoutMs: 30 * 60_000 });
  await mirror.git(['prune', '--expire=90.days.ago']);
  return true;
}
