import { type ChildProcess, spawn } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import { MillwrightError } from '../errors.ts';

/** One call of the host's git. Arguments never pass through a shell and never hold a credential. */
export interface GitCall {
  args: readonly string[];
  /** Bare repository to work in. Without it git sees no repository at all. */
  gitDir?: string;
  env?: Readonly<Record<string, string>>;
  /** Default: the empty home. */
  cwd?: string;
  /** Settings for this call alone. They travel in the environment, so that none shows in a process list. */
  config?: readonly (readonly [key: string, value: string])[];
  stdin?: Uint8Array | string;
  signal?: AbortSignal;
  timeoutMs?: number;
  /** Largest standard output that is kept; more ends the call with `limit.repository`. */
  maxBytes?: number;
  /** Memory that git may take for itself, for calls that a hostile history could make take all there is. */
  maxMemoryBytes?: number;
}

export interface GitResult {
  exitCode: number;
  stdout: Buffer;
  /** Bounded tail of standard error, in the C locale; names the signal that ended git. */
  stderr: string;
}

export interface RunningGit {
  stdin: Writable;
  stdout: Readable;
  /** Settles when git and its pipes are gone. Rejects for an abort (with its reason), a time-out and a git that cannot start. */
  ended: Promise<Omit<GitResult, 'stdout'>>;
  kill(): void;
}

export interface GitCommand {
  start(call: GitCall): RunningGit;
  /** Collects the output; any exit code is a result. */
  run(call: GitCall): Promise<GitResult>;
}

export interface GitCommandOptions {
  /** Empty folder that stands for the home of git, so that nobody's settings are read. */
  home: string;
  /** Passed on: PATH, and the names that lead through a company's proxy and certificate authority. Anything else is dropped. */
  env?: Readonly<Record<string, string | undefined>>;
}

const emptyTree = '4b825dc642cb6eb9a060e54bf8d69288fbee4904';
const defaultTimeoutMs = 5 * 60_000;
const defaultMaxBytes = 512 * 1024 ** 2;
const keptStderrBytes = 32 * 1024;
const killAfterMs = 2_000;
const defaultPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

const passedOn = [
  'PATH',
  'TMPDIR',
  'GIT_SSL_CAINFO',
  'GIT_SSL_CAPATH',
  'SSL_CERT_FILE',
  'SSL_CERT_DIR',
  'HTTPS_PROXY',
  'HTTP_PROXY',
  'NO_PROXY',
  'https_proxy',
  'http_proxy',
  'no_proxy',
] as const;

/** Holds for every call and every process that git starts: nothing of a repository, a machine or a user can make git run code. */
const walls: readonly (readonly [string, string])[] = [
  ['core.hooksPath', '/dev/null'],
  ['core.fsmonitor', 'false'],
  ['core.protectHFS', 'true'],
  ['core.protectNTFS', 'true'],
  ['core.attributesFile', '/dev/null'],
  ['core.excludesFile', '/dev/null'],
  ['core.quotePath', 'false'],
  ['core.autocrlf', 'false'],
  ['core.askPass', ''],
  // From git 2.43 on a bare repository reads the attributes of HEAD's tree unless told another tree.
  ['attr.tree', emptyTree],
  ['credential.helper', ''],
  // Trees are named in the database before they are pushed, so they must outlive a power cut.
  ['core.fsync', 'committed,reference'],
  ['gc.auto', '0'],
  ['maintenance.auto', 'false'],
  // Fetched objects stay in packs: every loose object is one that we made (see salvage).
  ['fetch.unpackLimit', '1'],
  ['fetch.writeCommitGraph', 'false'],
  ['submodule.recurse', 'false'],
  ['push.gpgSign', 'false'],
  // A redirect is followed by remote-call.ts, on the same origin only.
  ['http.followRedirects', 'false'],
  ['http.lowSpeedLimit', '500'],
  ['http.lowSpeedTime', '60'],
];

/** A constant, given the limit in KiB and git's arguments as words. Files that are mapped, such as packs, do not count. */
const underLimit = 'ulimit -d "$1"; shift; exec git "$@"';

function programOf({ args, maxMemoryBytes }: GitCall): [program: string, args: string[]] {
  if (maxMemoryBytes === undefined) return ['git', [...args]];
  return ['/bin/sh', ['-c', underLimit, 'git', String(Math.floor(maxMemoryBytes / 1024)), ...args]];
}

/** The only way to start git here. */
export function createGitCommand(options: GitCommandOptions): GitCommand {
  const base = baseEnvironment(options);

  function start(call: GitCall): RunningGit {
    call.signal?.throwIfAborted();
    const child = spawn(...programOf(call), {
      cwd: call.cwd ?? options.home,
      env: { ...base, ...repositoryEnvironment(call.gitDir), ...configEnvironment(call.config ?? []), ...call.env },
      stdio: ['pipe', 'pipe', 'pipe'],
      // A group of its own, so that an abort reaches git-remote-https and index-pack too.
      detached: true,
    });
    const ended = ending(child, call);
    // A stream that is dropped early must not turn into an unhandled rejection; whoever awaits `ended` still sees it.
    ended.catch(() => undefined);
    // git may end before it has read its input (EPIPE); its exit code tells the story.
    child.stdin.on('error', () => undefined);
    return { stdin: child.stdin, stdout: child.stdout, ended, kill: () => killGroup(child) };
  }

  async function run(call: GitCall): Promise<GitResult> {
    const running = start(call);
    const maxBytes = call.maxBytes ?? defaultMaxBytes;
    const chunks: Buffer[] = [];
    let total = 0;
    running.stdout.on('data', (chunk: Buffer) => {
      total += chunk.length;
      if (total > maxBytes) running.kill();
      else chunks.push(chunk);
    });
    running.stdin.end(call.stdin ?? '');
    const { exitCode, stderr } = await running.ended;
    if (total > maxBytes) {
      const message = `git ${call.args[0]} gave more than ${maxBytes} bytes`;
      throw new MillwrightError('limit.repository', { message, detail: message });
    }
    return { exitCode, stderr, stdout: Buffer.concat(chunks) };
  }

  return { start, run };
}

function ending(child: ChildProcess, call: GitCall): Promise<Omit<GitResult, 'stdout'>> {
  const timeoutMs = call.timeoutMs ?? defaultTimeoutMs;
  const { promise, resolve, reject } = Promise.withResolvers<Omit<GitResult, 'stdout'>>();
  let stderr = '';
  let timedOut = false;
  const onAbort = () => killGroup(child);
  const timer = setTimeout(() => {
    timedOut = true;
    killGroup(child);
  }, timeoutMs);
  call.signal?.addEventListener('abort', onAbort, { once: true });
  child.stderr?.on('data', (chunk: Buffer) => {
    stderr = (stderr + chunk.toString('utf8')).slice(-keptStderrBytes);
  });
  const settle = () => {
    clearTimeout(timer);
    call.signal?.removeEventListener('abort', onAbort);
  };
  child.once('error', (cause) => {
    settle();
    reject(new MillwrightError('outside.git', { message: `git cannot be started: ${cause.message}`, cause }));
  });
  child.once('close', (code, killedBy) => {
    settle();
    if (killedBy) stderr += `\nended by ${killedBy}`;
    if (call.signal?.aborted) reject(call.signal.reason);
    else if (timedOut)
      reject(new MillwrightError('outside.git', { message: `git ${call.args[0]} took longer than ${timeoutMs} ms` }));
    else resolve({ exitCode: code ?? 128, stderr });
  });
  return promise;
}

function killGroup(child: ChildProcess): void {
  signalGroup(child, 'SIGTERM');
  setTimeout(() => signalGroup(child, 'SIGKILL'), killAfterMs).unref();
}

function signalGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, signal);
  } catch (error) {
    // ESRCH: the whole group is gone already, which is what was wanted.
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

function baseEnvironment(options: GitCommandOptions): Record<string, string> {
  const env: Record<string, string> = { PATH: defaultPath };
  for (const name of passedOn) {
    const value = options.env?.[name];
    if (value) env[name] = value;
  }
  // Debian's git is linked with GnuTLS, which does not read SSL_CERT_FILE.
  if (env.SSL_CERT_FILE && !env.GIT_SSL_CAINFO) env.GIT_SSL_CAINFO = env.SSL_CERT_FILE;
  return {
    ...env,
    HOME: options.home,
    XDG_CONFIG_HOME: options.home,
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_CONFIG_GLOBAL: '/dev/null',
    GIT_ATTR_NOSYSTEM: '1',
    GIT_TERMINAL_PROMPT: '0',
    GIT_LITERAL_PATHSPECS: '1',
    GIT_OPTIONAL_LOCKS: '0',
    GIT_NO_REPLACE_OBJECTS: '1',
    GIT_NO_LAZY_FETCH: '1',
    // No transport unless a call names the one of its address.
    GIT_ALLOW_PROTOCOL: 'none',
    LC_ALL: 'C',
    TZ: 'UTC',
  };
}

/** Without a repository git would look for one in the folders above, where a stranger's settings may lie. */
function repositoryEnvironment(gitDir: string | undefined): Record<string, string> {
  return { GIT_DIR: gitDir ?? '/dev/null' };
}

function configEnvironment(config: readonly (readonly [string, string])[]): Record<string, string> {
  const all = [...walls, ...config];
  const env: Record<string, string> = { GIT_CONFIG_COUNT: String(all.length) };
  for (const [index, [key, value]] of all.entries()) {
    env[`GIT_CONFIG_KEY_${index}`] = key;
    env[`GIT_CONFIG_VALUE_${index}`] = value;
  }
  return env;
}
