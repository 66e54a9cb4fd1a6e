import { isUtf8 } from 'node:buffer';
import type { Octokit } from '@octokit/rest';
import type { BranchMove, CommitByHost, FileChange, RepositoryGitHub } from './github.ts';
import { notImplemented, orNull, statusOf } from './octokit-client.ts';

interface At {
  owner: string;
  repo: string;
}

type CommitVerbs = Pick<RepositoryGitHub, 'signedCommit' | 'moveBranch'>;

/** Files that no JSON text can carry go up one by one; GitHub slows down who writes more than about 80 things a minute. */
const mostBlobs = 40;
const mostBytes = 10 * 1024 ** 2;

/** What was seen of a host, for all its repositories. */
export interface Signing {
  /** It made a commit without signing it: it is not asked again. */
  isOff: boolean;
}

/** Verbs on commits and branches. */
export function bindCommits(client: Octokit, at: At, signing: Signing): CommitVerbs {
  const tipOf = async (branch: string) =>
    (await orNull(client.git.getRef({ ...at, ref: `heads/${branch}` })))?.data.object.sha ?? null;
  return {
    async signedCommit(request) {
      if (signing.isOff) return null;
      const entries = (await request.changes()).map(entryOf);
      if (!isSmall(entries)) return null;
      const made = await unlessRefused(make(client, at, request, entries));
      if (made === null) return null;
      signing.isOff = !made.isSigned;
      return made.isSigned ? made.sha : null;
    },
    async moveBranch(branch, commit, expected) {
      try {
        if (expected === null) await client.git.createRef({ ...at, ref: `refs/heads/${branch}`, sha: commit });
        else await client.git.updateRef({ ...at, ref: `heads/${branch}`, sha: commit, force: false });
        return { ok: true };
      } catch (error) {
        const status = statusOf(error);
        if (status !== 422 && status !== 403 && status !== 409) throw error;
        return explain(error, await tipOf(branch), { commit, expected });
      }
    },
  };
}

/** A changed file as the API takes it: as text where that comes through JSON byte for byte, else by a blob of its own. */
type Entry = Pick<FileChange, 'path' | 'mode'> & ({ text: string | null } | { bytes: Buffer });

function entryOf({ path, mode, bytes }: FileChange): Entry {
  if (bytes === null) return { path, mode, text: null };
  const whole = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return isUtf8(whole) ? { path, mode, text: whole.toString('utf8') } : { path, mode, bytes: whole };
}

function isSmall(entries: readonly Entry[]): boolean {
  const sizes = entries.map((entry) => ('bytes' in entry ? entry.bytes.length : Buffer.byteLength(entry.text ?? '')));
  const blobs = entries.filter((entry) => 'bytes' in entry);
  return blobs.length <= mostBlobs && sizes.reduce((sum, size) => sum + size, 0) <= mostBytes;
}

/** The commit, or null where the host made another tree of the files: then it is not what was verified. */
async function make(
  client: Octokit,
  at: At,
  { baseTree, tree, parents, message }: CommitByHost,
  entries: readonly Entry[],
): Promise<{ sha: string; isSigned: boolean } | null> {
  const placed = [];
  for (const { path, mode, ...file } of entries) {
    const place = { path, mode, type: 'blob' as const };
    if ('bytes' in file) {
      const blob = { content: file.bytes.toString('base64'), encoding: 'base64' };
      placed.push({ ...place, sha: (await client.git.createBlob({ ...at, ...blob })).data.sha });
    } else placed.push({ ...place, ...(file.text === null ? { sha: null } : { content: file.text }) });
  }
  const written = await client.git.createTree({ ...at, base_tree: baseTree, tree: placed });
  if (written.data.sha !== tree) return null;
  // Without author and committer: only what GitHub writes in the app's own name does it sign.
  const { data } = await client.git.createCommit({ ...at, message, tree, parents: [...parents] });
  // Older hosts, and those that only look like GitHub, say nothing of signatures.
  return { sha: data.sha, isSigned: data.verification?.verified === true };
}

/** Null where GitHub will not have it; what may be tried again is raised. */
async function unlessRefused<T>(work: Promise<T>): Promise<T | null> {
  try {
    return await work;
  } catch (error) {
    const status = statusOf(error);
    const limited = (error as { retryAfterMs?: number }).retryAfterMs !== undefined;
    if (status === null || (status >= 500 && status !== notImplemented) || status === 401 || status === 429 || limited)
      throw error;
    return null;
  }
}

function explain(
  error: unknown,
  tip: string | null,
  { commit, expected }: { commit: string; expected: string | null },
): BranchMove {
  // Its answer was lost the first time.
  if (tip === commit) return { ok: true };
  if (tip !== expected) return { ok: false, reason: 'moved', actual: tip };
  const { message = '' } = ((error as { cause?: unknown }).cause ?? error) as { message?: string };
  return { ok: false, reason: 'refused', message: message.slice(0, longestRefusal) };
}

const longestRefusal = 1_000;
