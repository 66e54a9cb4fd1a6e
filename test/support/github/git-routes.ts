import path from 'node:path';
import type { Person } from './bare-repository.ts';
import { commitShape, compareShape, fileShapes, gitCommitShape } from './git-shapes.ts';
import { refsChanged } from './refs.ts';
import {
  ApiError,
  created,
  granted,
  list,
  type Need,
  noContent,
  notFound,
  ok,
  type Reply,
  type RepositoryCall,
  type Route,
  requireText,
  route,
  text,
} from './router.ts';
import { repositoryApi } from './shapes.ts';
import { type Json, nodeId, personOf, type Repository, type State } from './state.ts';

const SEE: Need = { app: ['contents:read'], user: 'read' };
const WRITE: Need = { app: ['contents:write'], user: 'write' };
const at = (rest: string): string => `/repos/:owner/:repo${rest}`;

/** A branch, tag or commit named in a path or query. */
export async function revision(repository: Repository, name: string): Promise<string> {
  const { git } = repository;
  const found =
    (await git.resolve(`refs/heads/${name.replace(/^(refs\/)?heads\//, '')}`)) ??
    (await git.resolve(`refs/tags/${name.replace(/^(refs\/)?tags\//, '')}`)) ??
    (/^[0-9a-f]{4,40}$/.test(name) ? await git.resolve(name) : null) ??
    (name === 'HEAD' ? await git.resolve('HEAD') : null);
  if (!found) throw new ApiError(404, `No commit found for SHA: ${name}`);
  return found;
}

const refShape = (state: State, repository: Repository, ref: string, sha: string): Json => {
  const base = repositoryApi(state, repository);
  return {
    ref,
    node_id: nodeId('Ref', 1),
    url: `${base}/git/${ref}`,
    object: { sha, type: 'commit', url: `${base}/git/commits/${sha}` },
  };
};

async function branchShape(state: State, repository: Repository, name: string, sha: string): Promise<Json> {
  return {
    name,
    commit: await commitShape(state, repository, sha),
    protected: false,
    protection_url: `${repositoryApi(state, repository)}/branches/${name}/protection`,
  };
}

/** Moves a ref for the API, refusing workflow changes without the permission as a push would. */
export async function moveRef(
  call: RepositoryCall,
  ref: string,
  before: string | null,
  after: string | null,
): Promise<void> {
  const { repository, identity } = call;
  if (path.matchesGlob(ref, repository.protectedRefs)) throw new ApiError(422, 'Protected branch update failed');
  if (after !== null && identity.kind === 'installation' && !granted(identity.permissions, 'workflows:write')) {
    const touched = await repository.git.text([
      'log',
      '--name-only',
      '--pretty=format:',
      after,
      '--not',
      '--all',
      '--',
      '.github/workflows',
    ]);
    if (touched !== '') throw new ApiError(403, 'Resource not accessible by integration');
  }
  await repository.git.setRef(ref, after);
  await refsChanged(call.world, repository, call.actor, [{ ref, before, after }]);
}

async function createRef(call: RepositoryCall): Promise<Reply> {
  const ref = requireText(call.body, 'ref', 'Reference');
  const sha = await call.repository.git.resolve(requireText(call.body, 'sha', 'Reference'));
  if (!/^refs\/[^/]+\/./.test(ref))
    throw new ApiError(422, "Reference name must start with 'refs/' and contain at least two slashes.");
  if (sha === null) throw new ApiError(422, 'Object does not exist');
  if (await call.repository.git.ref(ref)) throw new ApiError(422, 'Reference already exists');
  await moveRef(call, ref, null, sha);
  return created(refShape(call.state, call.repository, ref, sha));
}

async function updateRef(call: RepositoryCall): Promise<Reply> {
  const ref = `refs/${call.params.ref}`;
  const before = await call.repository.git.ref(ref);
  const sha = await call.repository.git.resolve(requireText(call.body, 'sha', 'Reference'));
  if (before === null) throw new ApiError(422, 'Reference does not exist');
  if (sha === null) throw new ApiError(422, 'Object does not exist');
  if (call.body.force !== true && !(await call.repository.git.isAncestor(before, sha)))
    throw new ApiError(422, 'Update is not a fast forward');
  if (before !== sha) await moveRef(call, ref, before, sha);
  return ok(refShape(call.state, call.repository, ref, sha));
}

async function createTree(call: RepositoryCall): Promise<Reply> {
  const { git } = call.repository;
  const entries = Array.isArray(call.body.tree) ? (call.body.tree as Json[]) : [];
  const files: Parameters<typeof git.writeTree>[1] = {};
  for (const entry of entries) {
    const content =
      typeof entry.content === 'string'
        ? entry.content
        : typeof entry.sha === 'string'
          ? await git.readObject(entry.sha, 'blob').catch(() => null)
          : null;
    if (content === null && entry.sha !== null) throw new ApiError(422, 'tree.sha is not a valid blob');
    files[String(entry.path)] = content === null ? null : { content, mode: String(entry.mode ?? '100644') as '100644' };
  }
  const base = text(call.body.base_tree);
  const sha = await git.writeTree(base === null ? null : await git.resolve(base, 'tree'), files);
  return created(await treeShape(call, sha, false));
}

async function treeShape({ state, repository }: RepositoryCall, sha: string, recursive: boolean): Promise<Json> {
  const url = repositoryApi(state, repository);
  const entries = await repository.git.readTree(sha, recursive);
  const tree = entries.map(({ size, ...entry }) => ({
    ...entry,
    ...(size === null ? {} : { size }),
    url: `${url}/git/${entry.type}s/${entry.sha}`,
  }));
  return { sha, url: `${url}/git/trees/${sha}`, tree, truncated: false };
}

const identityOf = (value: unknown): Person | null => {
  const given = value as Json | undefined;
  return given && typeof given.name === 'string'
    ? {
        name: given.name,
        email: String(given.email ?? ''),
        ...(typeof given.date === 'string' ? { date: given.date } : {}),
      }
    : null;
};

async function createCommit(call: RepositoryCall): Promise<Reply> {
  const { body, repository, state } = call;
  const author = identityOf(body.author);
  const committer = identityOf(body.committer);
  const sha = await repository.git.writeCommit({
    tree: requireText(body, 'tree', 'Commit'),
    parents: Array.isArray(body.parents) ? body.parents.map(String) : [],
    message: requireText(body, 'message', 'Commit'),
    author: author ?? personOf(state, call.actor.login),
    committer: committer ?? author ?? personOf(state, call.actor.login),
  });
  if (state.signsCommits && call.actor.viaApp && !author && !committer) repository.verified.add(sha);
  return created(gitCommitShape(state, repository, await repository.git.readCommit(sha)));
}

const branchRoutes: Route[] = [
  route('GET', at('/branches'), SEE, async ({ state, repository }) => {
    const heads = await repository.git.refs('refs/heads/');
    const base = repositoryApi(state, repository);
    return list(
      [...heads].map(([ref, sha]) => ({
        name: ref.slice('refs/heads/'.length),
        commit: { sha, url: `${base}/commits/${sha}` },
        protected: false,
      })),
    );
  }),
  route('GET', at('/branches/*branch'), SEE, async ({ state, repository, params }) => {
    const sha = await repository.git.ref(`refs/heads/${params.branch}`);
    if (sha === null) throw new ApiError(404, 'Branch not found');
    return ok(await branchShape(state, repository, params.branch ?? '', sha));
  }),
  route('GET', at('/tags'), SEE, async ({ state, repository }) => {
    const tags = await repository.git.refs('refs/tags/');
    const base = repositoryApi(state, repository);
    return list(
      [...tags].map(([ref, sha]) => ({
        name: ref.slice('refs/tags/'.length),
        commit: { sha, url: `${base}/commits/${sha}` },
      })),
    );
  }),
];

const objectRoutes: Route[] = [
  route('GET', at('/git/ref/*ref'), SEE, async ({ state, repository, params }) => {
    const sha = await repository.git.ref(`refs/${params.ref}`);
    if (sha === null) throw notFound();
    return ok(refShape(state, repository, `refs/${params.ref}`, sha));
  }),
  route('GET', at('/git/matching-refs/*ref'), SEE, async ({ state, repository, params }) => {
    const refs = [...(await repository.git.refs())].filter(([ref]) => ref.startsWith(`refs/${params.ref}`));
    return list(refs.map(([ref, sha]) => refShape(state, repository, ref, sha)));
  }),
  route('POST', at('/git/refs'), WRITE, createRef),
  route('PATCH', at('/git/refs/*ref'), WRITE, updateRef),
  route('DELETE', at('/git/refs/*ref'), WRITE, async (call) => {
    const ref = `refs/${call.params.ref}`;
    const before = await call.repository.git.ref(ref);
    if (before === null) throw new ApiError(422, 'Reference does not exist');
    await moveRef(call, ref, before, null);
    return noContent;
  }),
  route('GET', at('/git/commits/:sha'), SEE, async ({ state, repository, params }) => {
    const sha = await repository.git.resolve(params.sha ?? '');
    if (sha === null) throw notFound();
    return ok(gitCommitShape(state, repository, await repository.git.readCommit(sha)));
  }),
  route('POST', at('/git/commits'), WRITE, createCommit),
  route('GET', at('/git/trees/*tree'), SEE, async (call) => {
    const name = call.params.tree ?? '';
    const sha =
      (await call.repository.git.resolve(name, 'tree')) ??
      (await call.repository.git.resolve(`refs/heads/${name}`, 'tree'));
    if (sha === null) throw notFound();
    return ok(await treeShape(call, sha, call.query.has('recursive')));
  }),
  route('POST', at('/git/trees'), WRITE, createTree),
  route('GET', at('/git/blobs/:sha'), SEE, async ({ state, repository, params }) => {
    const content = await repository.git.readObject(params.sha ?? '', 'blob').catch(() => null);
    if (content === null) throw notFound();
    return ok({
      sha: params.sha,
      node_id: nodeId('Blob', 1),
      size: content.length,
      encoding: 'base64',
      content: content.toString('base64'),
      url: `${repositoryApi(state, repository)}/git/blobs/${params.sha}`,
    });
  }),
  route('POST', at('/git/blobs'), WRITE, async ({ state, repository, body }) => {
    const content = Buffer.from(String(body.content ?? ''), body.encoding === 'base64' ? 'base64' : 'utf8');
    const sha = await repository.git.writeBlob(content);
    return created({ sha, url: `${repositoryApi(state, repository)}/git/blobs/${sha}` });
  }),
];

const commitRoutes: Route[] = [
  route('GET', at('/commits'), SEE, async ({ state, repository, query }) => {
    const start = await revision(repository, query.get('sha') ?? repository.defaultBranch);
    const paths = query.get('path') ? ['--', query.get('path') ?? ''] : [];
    const shas = (await repository.git.text(['rev-list', start, ...paths])).split('\n').filter(Boolean);
    return list(await Promise.all(shas.map((sha) => commitShape(state, repository, sha))));
  }),
  route('GET', at('/compare/*basehead'), SEE, async ({ state, repository, params }) => {
    const [base = '', head = ''] = (params.basehead ?? '')
      .split('...')
      .map((name) => name.replace(`${repository.owner}:`, ''));
    return ok(
      await compareShape(state, repository, await revision(repository, base), await revision(repository, head)),
    );
  }),
  route('GET', at('/commits/*ref'), SEE, async ({ state, repository, params, headers }) => {
    const sha = await revision(repository, params.ref ?? '');
    if (headers.accept?.includes('sha')) return { status: 200, raw: Buffer.from(sha) };
    const { parents } = await repository.git.readCommit(sha);
    const base = parents[0] ?? (await repository.git.writeTree(null, {}));
    const files = await fileShapes(state, repository, base, sha);
    const sum = (key: 'additions' | 'deletions'): number => files.reduce((total, file) => total + Number(file[key]), 0);
    return ok({
      ...(await commitShape(state, repository, sha)),
      stats: { additions: sum('additions'), deletions: sum('deletions'), total: sum('additions') + sum('deletions') },
      files,
    });
  }),
];

export const GIT_ROUTES: Route[] = [...branchRoutes, ...objectRoutes, ...commitRoutes];
