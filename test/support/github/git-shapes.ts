import type { CommitData } from './bare-repository.ts';
import type { ChangedFile } from './changed-files.ts';
import { htmlUrl, repositoryApi, userShape } from './shapes.ts';
import { type Json, nodeId, type Repository, type State } from './state.ts';

const NOREPLY = /^(?:\d+\+)?(.+)@users\.noreply\./;

/** The account behind an address of the `ID+LOGIN@users.noreply…` form, or null. */
function accountShape(state: State, email: string): Json | null {
  const login = NOREPLY.exec(email)?.[1];
  const known = login === undefined ? undefined : state.accounts.get(login.toLowerCase());
  return known ? userShape(state, known.login) : null;
}

function verification(repository: Repository, sha: string): Json {
  const verified = repository.verified.has(sha);
  return { verified, reason: verified ? 'valid' : 'unsigned', signature: null, payload: null, verified_at: null };
}

/** A commit of the git data API (`/git/commits/SHA`). */
export function gitCommitShape(state: State, repository: Repository, data: CommitData): Json {
  const url = repositoryApi(state, repository);
  const html = htmlUrl(state, repository);
  return {
    sha: data.sha,
    node_id: nodeId('Commit', Number.parseInt(data.sha.slice(0, 8), 16)),
    url: `${url}/git/commits/${data.sha}`,
    html_url: `${html}/commit/${data.sha}`,
    author: data.author,
    committer: data.committer,
    message: data.message,
    tree: { sha: data.tree, url: `${url}/git/trees/${data.tree}` },
    parents: data.parents.map((sha) => ({ sha, url: `${url}/git/commits/${sha}`, html_url: `${html}/commit/${sha}` })),
    verification: verification(repository, data.sha),
  };
}

/** A commit of the commits API (`/commits/REF`), without its files. */
export async function commitShape(state: State, repository: Repository, sha: string): Promise<Json> {
  const data = await repository.git.readCommit(sha);
  const url = repositoryApi(state, repository);
  const html = htmlUrl(state, repository);
  return {
    sha,
    node_id: nodeId('Commit', Number.parseInt(sha.slice(0, 8), 16)),
    commit: {
      author: data.author,
      committer: data.committer,
      message: data.message,
      tree: { sha: data.tree, url: `${url}/git/trees/${data.tree}` },
      url: `${url}/git/commits/${sha}`,
      comment_count: 0,
      verification: verification(repository, sha),
    },
    url: `${url}/commits/${sha}`,
    html_url: `${html}/commit/${sha}`,
    comments_url: `${url}/commits/${sha}/comments`,
    author: accountShape(state, data.author.email),
    committer: accountShape(state, data.committer.email),
    parents: data.parents.map((parent) => ({
      sha: parent,
      url: `${url}/commits/${parent}`,
      html_url: `${html}/commit/${parent}`,
    })),
  };
}

export async function fileShapes(state: State, repository: Repository, base: string, head: string): Promise<Json[]> {
  const files = await repository.git.changedFiles(base, head);
  const shape = async (file: ChangedFile): Promise<Json> => {
    const patch = await repository.git.patchOf(base, head, file.path);
    const encoded = encodeURI(file.path);
    return {
      sha: file.sha,
      filename: file.path,
      status: file.status,
      additions: file.additions,
      deletions: file.deletions,
      changes: file.additions + file.deletions,
      blob_url: `${htmlUrl(state, repository)}/blob/${head}/${encoded}`,
      raw_url: `${htmlUrl(state, repository)}/raw/${head}/${encoded}`,
      contents_url: `${repositoryApi(state, repository)}/contents/${encoded}?ref=${head}`,
      ...(patch === undefined ? {} : { patch }),
      ...(file.previous === null ? {} : { previous_filename: file.previous }),
    };
  };
  return Promise.all(files.map(shape));
}

/** `GET /compare/BASE...HEAD`. */
export async function compareShape(state: State, repository: Repository, base: string, head: string): Promise<Json> {
  const { git } = repository;
  const from = (await git.mergeBase(base, head)) ?? base;
  const [ahead, behind] = await Promise.all([git.commitsBetween(base, head), git.commitsBetween(head, base)]);
  const status =
    ahead.length === 0 ? (behind.length === 0 ? 'identical' : 'behind') : behind.length === 0 ? 'ahead' : 'diverged';
  return {
    url: `${repositoryApi(state, repository)}/compare/${base}...${head}`,
    html_url: `${htmlUrl(state, repository)}/compare/${base}...${head}`,
    status,
    ahead_by: ahead.length,
    behind_by: behind.length,
    total_commits: ahead.length,
    base_commit: await commitShape(state, repository, base),
    merge_base_commit: await commitShape(state, repository, from),
    commits: await Promise.all(ahead.map((sha) => commitShape(state, repository, sha))),
    files: await fileShapes(state, repository, from, head),
  };
}
