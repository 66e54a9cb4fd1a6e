import type { Files, TreeEntry } from './bare-repository.ts';
import { moveRef, revision } from './git-routes.ts';
import { gitCommitShape } from './git-shapes.ts';
import {
  ApiError,
  type Need,
  notFound,
  ok,
  type Reply,
  type RepositoryCall,
  type Route,
  requireText,
  route,
  text,
} from './router.ts';
import { htmlUrl, repositoryApi } from './shapes.ts';
import { type Json, personOf } from './state.ts';

const SEE: Need = { app: ['contents:read'], user: 'read' };
const WRITE: Need = { app: ['contents:write'], user: 'write' };

function entryShape(call: RepositoryCall, entry: TreeEntry, ref: string): Json {
  const base = repositoryApi(call.state, call.repository);
  const path = encodeURI(entry.path);
  const kind = entry.type === 'tree' ? 'tree' : 'blob';
  return {
    name: entry.path.split('/').pop(),
    path: entry.path,
    sha: entry.sha,
    size: entry.size ?? 0,
    type:
      entry.mode === '120000'
        ? 'symlink'
        : entry.type === 'tree'
          ? 'dir'
          : entry.type === 'commit'
            ? 'submodule'
            : 'file',
    url: `${base}/contents/${path}?ref=${ref}`,
    html_url: `${htmlUrl(call.state, call.repository)}/${kind}/${ref}/${path}`,
    git_url: `${base}/git/${kind}s/${entry.sha}`,
    download_url: kind === 'blob' ? `${htmlUrl(call.state, call.repository)}/raw/${ref}/${path}` : null,
    _links: {
      self: `${base}/contents/${path}?ref=${ref}`,
      git: `${base}/git/${kind}s/${entry.sha}`,
      html: `${htmlUrl(call.state, call.repository)}/${kind}/${ref}/${path}`,
    },
  };
}

/** Folder by folder: a listing of all folders may be endless, and most of these were listed before. */
async function findEntry(call: RepositoryCall, commit: string, path: string): Promise<TreeEntry | undefined> {
  let entry: TreeEntry | undefined;
  for (const name of path.split('/')) {
    if (entry && entry.type !== 'tree') return undefined;
    const listed = await call.repository.git.readTree(entry?.sha ?? commit, false);
    entry = listed.find((each) => each.path === name);
    if (!entry) return undefined;
  }
  return entry && { ...entry, path };
}

async function readContents(call: RepositoryCall): Promise<Reply> {
  const { git } = call.repository;
  const path = (call.params.path ?? '').replace(/\/+$/, '');
  const ref = call.query.get('ref') ?? call.repository.defaultBranch;
  const commit = await revision(call.repository, ref);
  const entry = path === '' ? undefined : await findEntry(call, commit, path);
  if (path !== '' && !entry) throw notFound();
  if (path === '' || entry?.type === 'tree') {
    const prefix = path === '' ? '' : `${path}/`;
    const children = await git.readTree(`${commit}:${path}`, false);
    return ok(children.map((child) => entryShape(call, { ...child, path: `${prefix}${child.path}` }, ref)));
  }
  if (!entry) throw notFound();
  const content = await git.readObject(entry.sha, 'blob');
  if (call.headers.accept?.includes('raw')) return { status: 200, raw: content };
  // GitHub breaks the base64 text into lines.
  const encoded = content.toString('base64').replace(/.{60}/g, '$&\n');
  return ok({ ...entryShape(call, entry, ref), encoding: 'base64', content: `${encoded}\n` });
}

/** One commit on a branch that sets or removes one file; the caller's `sha` guards against overwriting. */
async function writeContents(call: RepositoryCall, content: Buffer | null): Promise<Reply> {
  const { git } = call.repository;
  const { body, state, repository } = call;
  const path = call.params.path ?? '';
  const branch = text(body.branch) ?? repository.defaultBranch;
  const tip = await git.ref(`refs/heads/${branch}`);
  if (tip === null) throw new ApiError(404, `Branch ${branch} not found`);
  const known = await findEntry(call, tip, path);
  if (known && typeof body.sha !== 'string') throw new ApiError(422, 'Invalid request.\n\n"sha" wasn\'t supplied.');
  if (known && body.sha !== known.sha) throw new ApiError(409, `${path} does not match ${String(body.sha)}`);
  if (!known && content === null) throw notFound();
  const files: Files = { [path]: content };
  const person = personOf(state, call.actor.login);
  const sha = await git.writeCommit({
    tree: await git.writeTree(tip, files),
    parents: [tip],
    message: requireText(body, 'message', 'Commit'),
    author: person,
  });
  const asApp = call.actor.viaApp && body.author === undefined && body.committer === undefined;
  if (state.signsCommits && asApp) repository.verified.add(sha);
  await moveRef(call, `refs/heads/${branch}`, tip, sha);
  const entry = content === null ? undefined : await findEntry(call, sha, path);
  const commit = gitCommitShape(state, repository, await git.readCommit(sha));
  return { status: known ? 200 : 201, body: { content: entry ? entryShape(call, entry, branch) : null, commit } };
}

export const CONTENT_ROUTES: Route[] = [
  route('GET', '/repos/:owner/:repo/contents', SEE, readContents),
  route('GET', '/repos/:owner/:repo/contents/*path', SEE, readContents),
  route('PUT', '/repos/:owner/:repo/contents/*path', WRITE, (call) =>
    writeContents(call, Buffer.from(String(call.body.content ?? ''), 'base64')),
  ),
  route('DELETE', '/repos/:owner/:repo/contents/*path', WRITE, (call) => writeContents(call, null)),
];
