import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { MillwrightError } from '../errors.ts';
import type { ContainerChange } from '../sandbox/sandbox.ts';
import { readBlobs } from './blobs.ts';
import { rawChanges } from './diff.ts';
import type { PatchResult, PatchRules } from './git.ts';
import { ignoredPaths } from './ignored-paths.ts';
import type { Mirror } from './mirror.ts';
import { isConvenienceGit, patchFacts, tidyChange } from './patch-facts.ts';
import { judgePatch, type PatchFacts, type PatchWrite } from './patch-rules.ts';
import { openScratch } from './scratch.ts';
import { listTree, type RawEntry, treeOf } from './tree.ts';

/**
 * Judges what a container holds and writes it over `base` as a tree, by plumbing in a repository that no container ever saw.
 * The container's git, index and ignore files play no part. Writes nothing when anything is rejected.
 */
export async function writePatch(
  mirror: Mirror,
  scratchRoot: string,
  patch: { base: string; changes: readonly ContainerChange[]; rules: PatchRules },
): Promise<PatchResult> {
  const [baseTree, listed] = await Promise.all([
    treeOf(mirror, patch.base),
    listTree(mirror, patch.base, { sizes: false }),
  ]);
  const entries = new Map(listed.map((entry) => [entry.path, entry]));
  const changes = patch.changes.map(tidyChange).filter(({ path }) => !isConvenienceGit(path));

  const arrivals = changes.filter(({ kind }) => kind !== 'deleted').map(({ path }) => path);
  const facts = patchFacts(entries, changes, await ignoredPaths(mirror, scratchRoot, listed, arrivals));
  const links = facts.writes.some(({ mode }) => mode === '120000')
    ? await linkTargets(mirror, listed)
    : new Map<string, string>();
  const { rejections, notes } = judgePatch({ entries, links }, facts, patch.rules);
  if (rejections.length > 0) return { ok: false, rejections };
  if (facts.writes.length + facts.gone.size === 0) return { ok: true, tree: baseTree, empty: true, notes };

  await using scratch = await openScratch(scratchRoot);
  await writeBlobs(mirror, scratch.path, facts.writes);
  const tree = await writeTree(mirror, join(scratch.path, 'index'), baseTree, entries, facts);
  await proveTree(mirror, baseTree, tree, facts);
  return { ok: true, tree, empty: tree === baseTree, notes };
}

async function linkTargets(mirror: Mirror, listed: readonly RawEntry[]): Promise<Map<string, string>> {
  const links = listed.filter(({ mode }) => mode === '120000');
  const blobs = await readBlobs(
    mirror,
    links.map(({ blob }) => blob),
  );
  return new Map(links.map(({ path, blob }) => [path, blobs.get(blob)?.toString('utf8') ?? '']));
}

/** The bytes go through numbered files of ours: no name from the container touches the host's file system. */
async function writeBlobs(mirror: Mirror, folder: string, writes: readonly PatchWrite[]): Promise<void> {
  if (writes.length === 0) return;
  await mkdir(join(folder, 'blobs'));
  const paths = writes.map((_, index) => join(folder, 'blobs', String(index)));
  for (const [index, { bytes }] of writes.entries()) await writeFile(paths[index] as string, bytes);
  const stdin = paths.map((path) => `${path}\n`).join('');
  const out = await mirror.git(['hash-object', '-w', '-t', 'blob', '--no-filters', '--stdin-paths'], { stdin });
  const names = out.toString('latin1').trim().split('\n');
  if (names.length !== writes.length || writes.some(({ blob }, index) => names[index] !== blob)) {
    throw new MillwrightError('outside.git', {
      message: 'git gave the written files other names than their content has',
    });
  }
}

async function writeTree(
  mirror: Mirror,
  index: string,
  baseTree: string,
  entries: ReadonlyMap<string, RawEntry>,
  facts: PatchFacts,
): Promise<string> {
  const env = { GIT_INDEX_FILE: index };
  await mirror.git(['read-tree', baseTree], { env });
  const removals = [...facts.gone].map((path) => {
    const rawPath = entries.get(path)?.rawPath ?? Buffer.from(path);
    return Buffer.concat([Buffer.from(`0 ${'0'.repeat(40)}\t`), rawPath, Buffer.from('\0')]);
  });
  const additions = facts.writes.map(({ path, mode, blob }) => Buffer.from(`${mode} ${blob}\t${path}\0`));
  await mirror.git(['update-index', '-z', '--index-info'], { env, stdin: Buffer.concat([...removals, ...additions]) });
  return (await mirror.git(['write-tree'], { env })).toString().trim();
}

/** `update-index` skips a path that it dislikes and still exits 0, so the tree is compared with what was asked. */
async function proveTree(mirror: Mirror, baseTree: string, tree: string, facts: PatchFacts): Promise<void> {
  const asked = new Set([
    ...facts.writes.map(({ path, mode, blob }) => `${mode} ${blob} ${path}`),
    ...[...facts.gone].map((path) => `000000 ${'0'.repeat(40)} ${path}`),
  ]);
  const done = (await rawChanges(mirror, baseTree, tree)).map(
    ({ newMode, newBlob, path }) => `${newMode} ${newBlob} ${path.toString('utf8')}`,
  );
  if (done.length !== asked.size || done.some((change) => !asked.has(change))) {
    throw new MillwrightError('bug.unexpected', { message: 'the written tree is not the base with the patch over it' });
  }
}
