import type { Readable } from 'node:stream';
import type { ContainerChange, Overlay } from '../sandbox/sandbox.ts';

/** The door to git: bare mirrors on the host, plumbing only, never a work tree that a container wrote to. */
export interface Git {
  /**
   * Makes or updates the mirror until it holds `want` (sha or ref) with its files; returns the commit. Of older commits it may hold the names
   * of files alone: what reads or compares their content fetches them first. Errors: `outside.git`, `outside.repository-gone`,
   * `outside.github-refused`; `limit.repository` for a commit that holds more than a checkout may.
   */
  fetch(remote: Remote, want: string, signal?: AbortSignal): Promise<string>;
  /** Commit of a branch on the remote now, or null. */
  remoteHead(remote: Remote, branch: string, signal?: AbortSignal): Promise<string | null>;
  /** Tree of a commit. */
  treeOf(repository: string, commit: string): Promise<string>;
  /** Whether a tree is there, with all its files: one that no ref of the remote holds goes with the mirror. */
  holds(repository: string, tree: string): Promise<boolean>;
  /** Files of a commit or tree: path, mode, size, blob; sorted. */
  list(repository: string, commit: string): Promise<TreeEntry[]>;
  /** Bytes of one file at a commit or tree, or null. */
  read(repository: string, commit: string, path: string): Promise<Uint8Array | null>;
  /** Bytes of many blobs at once, by their names from `list`. All of them are in memory together: bound them by `sizeBytes`. */
  readBlobs(repository: string, blobs: Iterable<string>): Promise<ReadonlyMap<string, Uint8Array>>;
  /** Tar of raw blobs (attributes of the repository never apply), owned by uid/gid 1000; `paths` limits it. */
  tar(repository: string, commit: string, paths?: readonly string[]): Promise<Readable>;
  /** What a checkout cannot hold: submodules and Git LFS pointers. */
  unsupported(repository: string, commit: string): Promise<{ submodules: string[]; lfsPointers: string[] }>;
  /** Validates the changes and writes them over `base` as a tree. Any rejection rejects the whole patch. */
  writePatch(
    repository: string,
    base: string,
    changes: readonly ContainerChange[],
    rules: PatchRules,
  ): Promise<PatchResult>;
  /**
   * Which of these paths the ignore rules of a commit leave out of a patch. Files that the commit holds, and what stands over or
   * below them, are never among them. For `ChangeLimits.ignored` of the sandbox; `writePatch` asks by itself.
   */
  ignored(repository: string, commit: string, paths: readonly string[]): Promise<Set<string>>;
  /** Diff between two commits or trees, renames detected. */
  diff(repository: string, base: string, head: string): Promise<Diff>;
  /** What leads from `base` to `head` as one patch that `git apply` takes, binary files included. Its bytes are those of the files. */
  patchText(repository: string, base: string, head: string): Promise<Uint8Array>;
  /** Applies such a patch to `base`'s files, by plumbing; returns the tree. Errors: `outside.git` when it does not fit. */
  applyPatch(repository: string, base: string, patch: Uint8Array): Promise<string>;
  /** The overlay that turns `base`'s files into `head`'s. */
  overlay(repository: string, base: string, head: string): Promise<Overlay>;
  /** Makes a commit object (not a ref). Deterministic: same input, same sha. */
  commit(repository: string, request: CommitRequest): Promise<string>;
  /** Newest commit that both lead back to; null when there is none. */
  mergeBase(repository: string, left: string, right: string): Promise<string | null>;
  /** Three-way merge of trees in memory; conflicts name paths. */
  mergeTrees(repository: string, base: string, ours: string, theirs: string): Promise<MergeResult>;
  /** Pushes a commit to a branch, guarded by the sha expected there (null: must not exist). */
  push(
    remote: Remote,
    commit: string,
    branch: string,
    expected: string | null,
    signal?: AbortSignal,
  ): Promise<PushResult>;
  /** Commits reachable from head and not from base, newest first. */
  log(
    repository: string,
    range: { from?: string; to: string; limit: number; paths?: readonly string[] },
  ): Promise<LogEntry[]>;
  /**
   * Removes the mirrors that nothing was fetched into for `unusedForMs`, then the longest unused until the rest takes at most
   * `maxBytes`; those of repositories in `keep`, and any used in the last hour, stay. Returns how many went.
   */
  prune(bounds: PruneBounds): Promise<number>;
}

export interface PruneBounds {
  maxBytes: number;
  unusedForMs: number;
  /** Keys of repositories. */
  keep: ReadonlySet<string>;
}

export interface Remote {
  /** `host/owner/name`: the mirror's key. */
  repository: string;
  /** Clone address without credentials. */
  url: string;
  /**
   * A token limited to this repository, asked for when needed, a new one (`renew`) when it was refused; never stored,
   * never in an argument list. Null for local paths.
   */
  token: ((renew?: boolean) => Promise<string>) | null;
}

export interface TreeEntry {
  path: string;
  mode: '100644' | '100755' | '120000' | '160000';
  blob: string;
  sizeBytes: number;
}

export interface PatchRules {
  maxFiles: number;
  maxFileBytes: number;
  maxTotalBytes: number;
  /** Whether a path is protected by the walls (never writable). */
  isProtected: (path: string) => boolean;
}

export interface Rejection {
  path: string;
  reason: string;
}

export type PatchResult =
  | { ok: true; tree: string; empty: boolean; notes: string[] }
  | { ok: false; rejections: Rejection[] };

export interface DiffFile {
  path: string;
  /** Earlier path of a rename. */
  from?: string;
  status: 'added' | 'modified' | 'deleted' | 'renamed' | 'type-changed';
  oldMode: string;
  newMode: string;
  binary: boolean;
  added: number;
  removed: number;
}

export interface Diff {
  files: DiffFile[];
  /** Unified text with `a/` and `b/` prefixes; binary files as a line that says so. */
  text: string;
}

export interface CommitRequest {
  tree: string;
  parents: readonly string[];
  message: string;
  author: { name: string; email: string };
  /** Seconds since the epoch; part of the sha, so a repeated stage makes the same commit. */
  timestampS: number;
}

export type MergeResult = { ok: true; tree: string } | { ok: false; conflicts: string[] };

export type PushResult =
  | { ok: true }
  | { ok: false; reason: 'moved'; actual: string | null }
  | { ok: false; reason: 'refused'; message: string };

export interface LogEntry {
  commit: string;
  parents: string[];
  author: string;
  email: string;
  committedAtS: number;
  subject: string;
  files: string[];
}
