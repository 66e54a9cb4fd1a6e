import type { Readable } from 'node:stream';

/** The door to containers. One real implementation, `docker-sandbox.ts`. Only this room talks to Docker. */
export interface SandboxEngine {
  /** Whether an engine answers and can hold the walls. Never throws. */
  status(): Promise<EngineStatus>;
  /**
   * The image that containers of this checkout start from: base image + set-up + files of one commit, committed once and kept.
   * May be called twice at once for the same key. Errors: `request.image-unknown`, `request.image-refused`, `request.setup-failed`, `outside.sandbox`.
   */
  prepare(request: PrepareRequest): Promise<PreparedCheckout>;
  /** Starts a hardened container under its fixed name, replacing what an earlier epoch left under it. */
  open(request: OpenRequest): Promise<Sandbox>;
  /** Removes this instance's containers that match; returns how many. Never touches another instance's. */
  reap(filter: ReapFilter): Promise<number>;
  /** Removes the images of set-ups that were made for this run alone; returns how many. */
  releaseImages(run: string): Promise<number>;
  /** Removes the longest unused checkout and set-up images until the rest takes at most `maxBytes`, and older ones; returns how many. */
  evict(maxBytes: number, age?: EvictAges): Promise<number>;
}

export interface EvictAges {
  /** Images that were not used for so long go, however much room there is. Default: none. */
  unusedForMs?: number;
  /** Images that were used so lately stay, however little room there is: a run may be about to open them. Default: 0. */
  keepUsedForMs?: number;
}

export interface EngineStatus {
  available: boolean;
  /** Why not, in words for the operator, when not available. */
  reason?: string;
  version?: string;
  /** Where the engine keeps its data, when it runs on this machine as far as its address tells. */
  dataRoot?: string;
}

export interface ReapFilter {
  /** Only this run's containers. */
  run?: string;
  /** Only containers whose `millwright.deadline` has passed. */
  expiredAtMs?: number;
  /** Containers of these runs stay. */
  exceptRuns?: readonly string[];
}

export interface PrepareRequest {
  /** `host/owner/name`: part of every cache key, so that repositories never share an image. */
  repository: string;
  /** Commit or tree whose files `files()` yields. */
  commit: string;
  /** Policy image. */
  image: string;
  setup: SetupRequest | null;
  /** Tar of the files, made from raw blobs, names relative to the work tree. Called only when the image has to be made. */
  files: () => Promise<Readable>;
  limits: SandboxLimits;
  /** Run id: a set-up that is not shared is kept under it until `releaseImages`. */
  run?: string;
  runtime?: string;
  signal?: AbortSignal;
}

export interface SetupRequest {
  command: string;
  root: boolean;
  /** `host:port` that the set-up may reach, and nothing else. */
  hosts: readonly string[];
  /** Tar of the declared inputs only; the set-up sees nothing else. */
  inputs: () => Promise<Readable>;
  /** Hash of the declared inputs: with repository, image and command, the key of the cache. */
  inputsHash: string;
  /** False for a patch that changes the inputs: the result serves that run alone. */
  shared: boolean;
  network: NetworkWalls;
  timeoutMs: number;
}

export interface PreparedCheckout {
  /** Local image reference to open containers from. */
  image: string;
  /** What the set-up did: served from the cache, run now, or none asked. */
  setup: 'cached' | 'ran' | 'none';
}

export interface NetworkWalls {
  /** Granted `host:port` names. Empty: no network at all. */
  hosts: readonly string[];
  /** CIDR ranges that the operator excepts from the private-address block. */
  addresses: readonly string[];
  /** PEM bundle trusted inside containers that have network. */
  ca?: string;
}

export interface SandboxLimits {
  memoryBytes: number;
  cpus: number;
  pids: number;
  diskBytes: number;
  /** Kills a command whose output passes this many bytes. */
  outputBytes: number;
}

export interface OpenRequest {
  /** Run id, for the label and the name. */
  run: string;
  /** What the container is for, part of its name: `build`, `verify`, `base`. */
  purpose: string;
  epoch: number;
  /** `PreparedCheckout.image`. */
  image: string;
  /** What differs from the image's files: applied before the first command. */
  overlay: Overlay;
  limits: SandboxLimits;
  network: NetworkWalls;
  /** Environment of the container's processes: secrets that policy grants. Never part of the image or the labels. */
  secrets: Readonly<Record<string, string>>;
  /** Environment that is not secret. */
  env?: Readonly<Record<string, string>>;
  runtime?: string;
  /** Latest moment the container may live, for the reaper. */
  deadlineMs: number;
  signal?: AbortSignal;
}

/** A change set against a commit's files: whole files, as data. */
export interface Overlay {
  writes: readonly { path: string; bytes: Uint8Array; executable: boolean }[];
  links: readonly { path: string; target: string }[];
  deletes: readonly string[];
}

export const emptyOverlay: Overlay = { writes: [], links: [], deletes: [] };

/** One running container with a warm shell pool. Disposing removes it, whatever state it is in. */
export interface Sandbox extends AsyncDisposable {
  readonly name: string;
  /** Absolute path of the work tree inside. */
  readonly workdir: string;
  /** Runs one shell command. Never rejects for what the command does; rejects with `outside.sandbox` when the container is lost. */
  run(call: CommandCall): Promise<CommandResult>;
  /** Reads a file of the work tree (relative path) or an absolute path inside the container. */
  readFile(path: string, options?: { maxBytes?: number }): Promise<FileRead>;
  /** Writes a file of the work tree (or an absolute path), making its folders, as the container's own user. */
  writeFile(path: string, bytes: Uint8Array): Promise<FileWrite>;
  /** What differs from the image, read while paused; git never runs inside. Bounded by the limits given. */
  changes(limits: ChangeLimits): Promise<ContainerChange[]>;
  /** Hosts and commands that the egress wall refused so far. */
  blocked(): readonly BlockedAttempt[];
}

export interface CommandCall {
  command: string;
  /** Relative to the work tree, or absolute. Default: the work tree. */
  cwd?: string;
  timeoutMs: number;
  env?: Readonly<Record<string, string>>;
  /** Bytes of head and of tail kept per stream. Default 16 KiB each. */
  keepBytes?: number;
  /**
   * For verdicts: first kills every process that earlier calls left, runs the command in an exec of its own and takes the exit
   * code from the engine, not from the stream. Costs about 60 ms. What it starts in the background dies with it.
   */
  isolated?: boolean;
  signal?: AbortSignal;
}

/** How a command ended. `lost` is infrastructure, never a verdict. */
export type CommandEnd =
  | 'exited'
  | 'timed-out'
  | 'out-of-memory'
  | 'output-limit'
  | 'disk-limit'
  | 'cancelled'
  | 'lost';

export interface CommandResult {
  end: CommandEnd;
  /** Exit code as seen by the app; 137 and the like for signals; null when the command did not end by itself. */
  exitCode: number | null;
  stdout: Captured;
  stderr: Captured;
  durationMs: number;
}

export interface Captured {
  /** Head and tail joined by a line that says how many bytes were cut; invalid UTF-8 replaced. */
  text: string;
  totalBytes: number;
  truncated: boolean;
}

export type FileRead =
  | { kind: 'file'; bytes: Uint8Array; totalBytes: number; truncated: boolean }
  | { kind: 'missing' }
  | { kind: 'directory' }
  | { kind: 'other'; what: string };

export interface ChangeLimits {
  maxFiles: number;
  maxFileBytes: number;
  maxTotalBytes: number;
  /** Which of the changed paths to leave out (ignore rules of the base commit). They are neither read nor counted. */
  ignored?: (paths: readonly string[]) => Promise<ReadonlySet<string>>;
  /**
   * The files and links that the image's checkout holds. With them the changes are read from what the container wrote, whatever the size of
   * the image, where the engine allows that; without, always by a walk through the whole image. A socket in the place of one of them may
   * then count as no change.
   */
  base?: () => Promise<readonly string[]>;
}

/**
 * One path that differs from the image, as data, deletions first. A `deleted` path may have been a folder (all below it is gone)
 * and a folder that was replaced comes as `deleted` followed by what is in it now. A `file` or `symlink` may stand where a folder was.
 * The work tree's own `.git` is never listed. Names are bytes decoded as UTF-8; undecodable ones come as `odd`, as does whatever
 * passes the limits, a device, a socket or a pipe, and (with path `.`) a work tree that could not be listed.
 */
export type ContainerChange =
  | { kind: 'file'; path: string; bytes: Uint8Array; mode: number }
  | { kind: 'symlink'; path: string; target: string }
  | { kind: 'deleted'; path: string }
  | { kind: 'odd'; path: string; what: string };

export type FileWrite =
  | { kind: 'written' }
  /** `what`: why the container refused, such as a folder in its place, a full disk or a file that is not its user's. */
  | { kind: 'refused'; what: string };

export interface BlockedAttempt {
  host: string;
  port: number;
  reason: string;
  /** The command that was running, when known. */
  command?: string;
  count: number;
}
