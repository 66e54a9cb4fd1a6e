import type { Octokit } from '@octokit/rest';
import type { BranchMove, CommitByHost, FileChange, RepositoryGitHub } from './github.ts';
import { orNull, statusOf } from './octokit-client.ts';

interface At {
  owner: string;
  repo: string;
}

type CommitVerbs = Pick<RepositoryGitHub, 'signedCommit' | 'moveBranch'>;

/** Files that no JSON text can carry go up one by one; GitHub slows down who writes more than about 80 things a minute. */
const mostBlobs = 40;
const mostBytes = 10 * 1024 ** 2;

/** Verbs on commits and branches. `signing` outlives a repository: whether a host signs is the same for all of them. */
export function bindCommits(client: Octokit, at: At, signing: { seen: 'signed' | 'unsigned' | null }): CommitVerbs {
  const tipOf = async (branch: string) =>
    (await orNull(client.git.getRef({ ...at, ref: `heads/${branch}` })))?.data.object.sha ?? null;
  return {
    async signedCommit(request) {
      if (signing.seen === 'unsigned') return null;
      const changes = await request.changes();
      if (!isSmall(changes)) return null;
      const made = await unlessRefused(make(client, at, request, changes));
      if (made !== null) signing.seen = made.verified ? 'signed' : 'unsigned';
      return made?.verified ? made.sha : null;
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

function isSmall(changes: readonly FileChange[]): boolean {
  const bytes = changes.reduce((sum, change) => sum + (change.bytes?.length ?? 0), 0);
  return bytes <= mostBytes && changes.filter(({ bytes }) => bytes && textOf(bytes) === null).length <= mostBlobs;
}

/** The commit, or null where the host made another tree of the files: then it is not what was verified. */
async function make(
  client: Octokit,
  at: At,
  { baseTree, tree, parents, message }: CommitByHost,
  changes: readonly FileChange[],
): Promise<{ sha: string; verified: boolean } | null> {
  const entries = [];
  for (const { path, mode, bytes } of changes) {
    const place = { path, mode, type: 'blob' as const };
    const content = bytes && textOf(bytes);
    if (bytes === null) entries.push({ ...place, sha: null });
    else if (content !== null) entries.push({ ...place, content });
    else {
      const blob = { content: Buffer.from(bytes).toString('base64'), encoding: 'base64' };
      entries.push({ ...place, sha: (await client.git.createBlob({ ...at, ...blob })).data.sha });
    }
  }
  const written = await client.git.createTree({ ...at, base_tree: baseTree, tree: entries });
  if (written.data.sha !== tree) return null;
  // Without author and committer: only what GitHub writes in the app's own name does it sign.
  const { data } = await client.git.createCommit({ ...at, message, tree, parents: [...parents] });
  return { sha: data.sha, verified: data.verification.verified };
}

/** The text, if it is one that comes through JSON byte for byte. */
function textOf(bytes: Uint8Array): string | null {
  const whole = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const text = whole.toString('utf8');
  return Buffer.from(text, 'utf8').equals(whole) ? text : null;
}

/** Null where GitHub will not have it; what may be tried again is raised. */
async function unlessRefused<T>(work: Promise<T>): Promise<T | null> {
  try {
    return await work;
  } catch (error) {
    const status = statusOf(error);
    const limited = (error as { retryAfterMs?: number }).retryAfterMs !== undefined;
    if (status === null || status >= 500 || status === 401 || status === 429 || limited) throw error;
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
