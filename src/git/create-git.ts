import { mkdirSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { readBlobs } from './blobs.ts';
import { diffTrees, overlayBetween } from './diff.ts';
import type { Git } from './git.ts';
import { createGitCommand } from './git-command.ts';
import { ignoredPaths } from './ignored-paths.ts';
import { logOf } from './log.ts';
import { type Mirror, openMirror } from './mirror.ts';
import { fetchIntoMirror, type GitLog } from './mirror-fetch.ts';
import { pruneMirrors } from './mirror-prune.ts';
import { writePatch } from './patch.ts';
import { applyPatch, patchText } from './patch-text.ts';
import { commitTree, headOnRemote, mergeBase, mergeTrees, pushCommit } from './publish.ts';
import { remembering } from './remember.ts';
import { sweepScratch } from './scratch.ts';
import { tarOf } from './tar.ts';
import { findUnsupported, holdsTree, listTree, readFile, requireSha, treeOf } from './tree.ts';

export interface GitOptions {
  /** Folder for the bare mirrors; made when missing. Processes that share it wait for each other. */
  mirrorsDir: string;
  log?: GitLog;
  /** From the settings: PATH, proxy and certificate names. Others are dropped. */
  env?: Readonly<Record<string, string | undefined>>;
}

const silent: GitLog = { info: () => undefined, warn: () => undefined };

/** The real git door: the host's `git` (2.39 or later), bare repositories and plumbing only. */
export function createGit(options: GitOptions): Git {
  mkdirSync(options.mirrorsDir, { recursive: true });
  const mirrorsDir = realpathSync(options.mirrorsDir);
  const home = join(mirrorsDir, '.home');
  const scratchRoot = join(mirrorsDir, '.scratch');
  mkdirSync(home, { recursive: true });
  const log = options.log ?? silent;
  const command = createGitCommand({ home, ...(options.env ? { env: options.env } : {}) });
  const at = (repository: string): Mirror => openMirror(mirrorsDir, repository, command);
  const limited = (signal: AbortSignal | undefined) => (signal ? { signal } : {});
  sweepScratch(scratchRoot).catch((error) => log.warn({ err: error }, 'old scratch folders could not be removed'));

  const reading = remembering({
    list: async (repository, commit) =>
      (await listTree(at(repository), commit, { sizes: true })).map(({ path, mode, blob, sizeBytes }) => ({
        path,
        mode,
        blob,
        sizeBytes,
      })),
    readBlobs: async (repository, blobs) => await readBlobs(at(repository), [...blobs].map(requireSha)),
    log: (repository, range) => logOf(at(repository), range),
    treeOf: (repository, commit) => treeOf(at(repository), commit),
    diff: (repository, base, head) => diffTrees(at(repository), base, head),
    overlay: (repository, base, head) => overlayBetween(at(repository), base, head),
  });
  return {
    ...reading,
    fetch: (remote, want, signal) =>
      fetchIntoMirror({ mirror: at(remote.repository), command, remote, want, log, ...limited(signal) }),
    remoteHead: (remote, branch, signal) => headOnRemote(command, remote, branch, signal),
    holds: (repository, tree) => holdsTree(at(repository), tree),
    read: (repository, commit, path) => readFile(at(repository), commit, path),
    tar: (repository, commit, paths) => tarOf(at(repository), commit, paths),
    unsupported: (repository, commit) => findUnsupported(at(repository), commit),
    writePatch: (repository, base, changes, rules) => writePatch(at(repository), scratchRoot, { base, changes, rules }),
    ignored: async (repository, commit, paths) => {
      const mirror = at(repository);
      return await ignoredPaths(mirror, scratchRoot, await listTree(mirror, commit, { sizes: false }), paths);
    },
    patchText: (repository, base, head) => patchText(at(repository), base, head),
    applyPatch: (repository, base, patch) => applyPatch(at(repository), scratchRoot, base, patch),
    commit: (repository, request) => commitTree(at(repository), request),
    mergeBase: (repository, left, right) => mergeBase(at(repository), left, right),
    mergeTrees: (repository, base, ours, theirs) => mergeTrees(at(repository), base, ours, theirs),
    push: (remote, commit, branch, expected, signal) =>
      pushCommit({ mirror: at(remote.repository), command, remote, commit, branch, expected, ...limited(signal) }),
    prune: (bounds) => pruneMirrors(mirrorsDir, bounds),
  };
}
