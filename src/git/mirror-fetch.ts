import { createHash } from 'node:crypto';
import type { MillwrightError } from '../errors.ts';
import type { Remote } from './git.ts';
import type { GitCall, GitCommand, GitResult } from './git-command.ts';
import { isSuspect, looksDamaged, type Mirror } from './mirror.ts';
import { lackingObjects, objectFetch, remoteName } from './mirror-blobs.ts';
import { withMirrorLock } from './mirror-lock.ts';
import { noteUse } from './mirror-prune.ts';
import { ensureMirror, remakeMirror, removeStaleLocks, tidyMirror } from './mirror-repair.ts';
import { branchRef, isSha, readAddress } from './remote-address.ts';
import { callRemote, localPrograms, remoteFailure } from './remote-call.ts';
import { boundedListing } from './tree-bounds.ts';

/** What the room tells the operator's log. pino fits. */
export interface GitLog {
  info(facts: object, message: string): void;
  warn(facts: object, message: string): void;
}

const fetchTimeoutMs = 20 * 60_000;
const fetchFlags = [
  '--no-tags',
  '--force',
  '--no-write-fetch-head',
  '--no-auto-maintenance',
  '--no-recurse-submodules',
  '--quiet',
];

const refusesObject = /not our ref|unadvertised object/;

type Fetched = { commit: string } | { damaged: string } | { failed: MillwrightError };

interface FetchCall {
  mirror: Mirror;
  command: GitCommand;
  remote: Remote;
  want: string;
  log: GitLog;
  signal?: AbortSignal;
}

/**
 * Brings `want` into the mirror, with every blob of its tree, and holds it there by a ref of ours; the mirror is made or mended on the way.
 * Of a remote that is asked over a network older commits come without their blobs: whoever needs those fetches that commit.
 */
export async function fetchIntoMirror(call: FetchCall): Promise<string> {
  const { mirror, command, log, signal } = call;
  await noteUse(mirror.gitDir);
  const kept = isSha(call.want) ? await keptCommit(mirror, call.want) : undefined;
  if (kept) return kept;

  return await withMirrorLock(`${mirror.gitDir}.lock`, signal, async () => {
    const partial = readAddress(call.remote.url).kind === 'http';
    const state = await ensureMirror(mirror, command, partial);
    if (state === 'remade') log.warn({ repository: call.remote.repository }, 'a damaged mirror was remade');
    let fetched = await fetchOnce(call);
    if ('damaged' in fetched) {
      log.warn({ repository: call.remote.repository, reason: fetched.damaged }, 'the mirror is damaged and is remade');
      await remakeMirror(mirror.gitDir, command);
      fetched = await fetchOnce(call);
    }
    if ('failed' in fetched) throw fetched.failed;
    if ('damaged' in fetched) throw await mirror.failed('git fetch', { exitCode: 128, stderr: fetched.damaged });
    if (await tidyMirror(mirror)) log.info({ repository: call.remote.repository }, 'the packs of a mirror were joined');
    return fetched.commit;
  });
}

async function keptCommit(mirror: Mirror, sha: string): Promise<string | undefined> {
  if (await isSuspect(mirror.gitDir)) return undefined;
  const found = await mirror.result(['rev-parse', '--verify', '--quiet', `${keepRef(sha)}^{commit}`]);
  return found.exitCode === 0 ? found.stdout.toString().trim() : undefined;
}

async function fetchOnce(call: FetchCall): Promise<Fetched> {
  const { mirror, want } = call;
  const to = fetchedRef(isSha(want) ? 'a commit' : want);
  const from = isSha(want) || want === 'HEAD' ? want : fullRef(want);
  let result = await fetchFrom(call, { refspec: `+${from}:${to}` });
  if (
    result.exitCode !== 0 &&
    /\.lock': File exists/.test(result.stderr) &&
    (await removeStaleLocks(mirror.gitDir)) > 0
  ) {
    result = await fetchFrom(call, { refspec: `+${from}:${to}` });
  }
  if (result.exitCode !== 0 && isSha(want) && refusesObject.test(result.stderr)) {
    return await fetchThroughBranches(call, want);
  }
  if (result.exitCode !== 0) return failure(result);
  return await keepCommit(call, to);
}

/** For servers that hand out only what a branch points at or leads to. */
async function fetchThroughBranches(call: FetchCall, sha: string): Promise<Fetched> {
  const result = await fetchFrom(call, { refspec: '+refs/heads/*:refs/millwright/all/*', flags: ['--prune'] });
  if (result.exitCode !== 0) return failure(result);
  const found = await call.mirror.result(['cat-file', '-e', `${sha}^{commit}`]);
  if (found.exitCode !== 0)
    return { failed: remoteFailure(`fetching ${sha}`, { ...found, stderr: 'the remote does not have this commit' }) };
  return await keepCommit(call, sha);
}

interface Asked {
  /** Absent: the objects that `stdin` names. */
  refspec?: string;
  flags?: readonly string[];
  stdin?: string;
  config?: GitCall['config'];
}

function fetchFrom(call: FetchCall, { refspec, flags = [], stdin, config }: Asked): Promise<GitResult> {
  return callRemote(call.command, call.remote, {
    gitDir: call.mirror.gitDir,
    timeoutMs: fetchTimeoutMs,
    ...(call.signal ? { signal: call.signal } : {}),
    ...(stdin ? { stdin } : {}),
    ...(config ? { config } : {}),
    args: (address) => [
      '-c',
      `remote.${remoteName}.url=${address.url}`,
      'fetch',
      ...fetchFlags,
      ...flags,
      ...(address.kind === 'local' ? [localPrograms.uploadPack] : []),
      remoteName,
      ...(refspec ? [refspec] : []),
    ],
  });
}

function failure(result: GitResult): Fetched {
  return looksDamaged(result.stderr) ? { damaged: result.stderr } : { failed: remoteFailure('git fetch', result) };
}

/** Branches are forced and deleted over there; a ref per commit keeps what a run is built on. It stands only when nothing is missing. */
async function keepCommit(call: FetchCall, name: string): Promise<Fetched> {
  const { mirror } = call;
  const found = await mirror.result(['rev-parse', '--verify', `${name}^{commit}`]);
  if (found.exitCode !== 0) return { damaged: found.stderr };
  const commit = found.stdout.toString().trim();
  if (await keptCommit(mirror, commit)) return { commit };
  // Nobody but this listing walks the tree of a commit that was not found to be within the bounds.
  await boundedListing(mirror, commit, { sizes: false });
  const lacking = await lackingObjects(mirror, commit);
  if (lacking) {
    const brought = await fetchFrom(call, { ...objectFetch, stdin: lacking });
    // The mirror that takes the place of a damaged one is whole.
    if (brought.exitCode !== 0 && refusesObject.test(brought.stderr)) return { damaged: brought.stderr };
    if (brought.exitCode !== 0) return failure(brought);
  }
  await mirror.git(['update-ref', keepRef(commit), commit]);
  return { commit };
}

function keepRef(sha: string): string {
  return `refs/millwright/keep/${sha}`;
}

/** Hashed, because `a` and `a/b` cannot both be refs, and over there one may follow the other. */
function fetchedRef(want: string): string {
  return `refs/millwright/fetched/${createHash('sha256').update(want).digest('hex').slice(0, 24)}`;
}

function fullRef(want: string): string {
  return want.startsWith('refs/') ? branchRef(want).slice('refs/heads/'.length) : branchRef(want);
}
