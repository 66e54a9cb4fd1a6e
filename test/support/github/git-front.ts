import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Identity } from './auth.ts';
import { serveGit } from './git-http.ts';
import { differences, refsChanged } from './refs.ts';
import { actorOf, granted, visible } from './router.ts';
import { atLeast, findRepository, type Repository, roleOf } from './state.ts';
import type { World } from './world.ts';

const GIT_PATH = /^\/([^/]+)\/([^/]+?)(?:\.git)?\/(info\/refs|git-upload-pack|git-receive-pack)$/;

export interface GitCall {
  request: IncomingMessage;
  response: ServerResponse;
  url: URL;
  identity: Identity;
  /** Whether the answer is kept back: the call takes effect and the client hears nothing of it. */
  unheard: boolean;
  /** The last of the answer waits for it. */
  held: () => Promise<void>;
}

export const isGitPath = (path: string): boolean => GIT_PATH.test(path);

/** Answers clones, fetches and pushes: who may, and what follows from a push. */
export function createGitFront(world: World, projectRoot: string): (call: GitCall) => Promise<void> {
  const pushes = new Map<Repository, Promise<unknown>>();
  return async (call) => {
    const { request, response, url, identity } = call;
    const [, owner = '', name = '', service = ''] = GIT_PATH.exec(url.pathname) ?? [];
    const repository = findRepository(world.state, `${owner}/${name}`);
    const moved = repository ? undefined : world.state.moved.get(`${owner}/${name}`.toLowerCase());
    if (moved && identity.kind !== 'none') return redirect(call, moved, service);
    const writing = service === 'git-receive-pack' || url.searchParams.get('service') === 'git-receive-pack';
    const refusal = refuseGit(world, repository, identity, writing);
    if (refusal || !repository) {
      request.resume();
      return call.unheard ? undefined : refuse(response, refusal ?? NOT_FOUND);
    }
    const actor = actorOf(world.state, identity);
    const serve = (before: Map<string, string> | null): Promise<void> =>
      serveGit(request, response, {
        projectRoot,
        pathInfo: `/${repository.fullName}.git/${service}`,
        query: url.search.slice(1),
        user: actor.login,
        workflows: identity.kind !== 'installation' || granted(identity.permissions, 'workflows:write'),
        finished: async () => {
          if (before) await refsChanged(world, repository, actor, differences(before, await repository.git.refs()));
          await call.held();
        },
        unheard: call.unheard,
        protectedRefs: repository.protectedRefs,
      });
    if (service !== 'git-receive-pack') return serve(null);
    // One push after the other: each compares the refs before with those after.
    const turn = (pushes.get(repository) ?? Promise.resolve()).then(async () => serve(await repository.git.refs()));
    const settled = turn.catch(() => undefined);
    pushes.set(repository, settled);
    return turn;
  };
}

function redirect({ request, response, url }: GitCall, { fullName }: Repository, service: string): void {
  request.resume();
  response.writeHead(301, { location: `/${fullName}.git/${service}${url.search}` }).end();
}

type Refusal = [status: number, message: string];
const NOT_FOUND: Refusal = [404, 'Repository not found.'];
const DENIED: Refusal = [403, 'Write access to repository not granted.'];

function refuse(response: ServerResponse, [status, message]: Refusal): void {
  const challenge: Record<string, string> = status === 401 ? { 'www-authenticate': 'Basic realm="GitHub"' } : {};
  response.writeHead(status, { 'content-type': 'text/plain', ...challenge }).end(`${message}\n`);
}

/** 401 asks git for credentials; whoever may not see the repository learns nothing of it. */
function refuseGit(
  world: World,
  repository: Repository | undefined,
  identity: Identity,
  writing: boolean,
): Refusal | null {
  if (identity.kind === 'none') {
    return writing || !repository || repository.private ? [401, 'Authentication required'] : null;
  }
  if (identity.kind === 'invalid' || identity.kind === 'app') return [401, 'Invalid username or token.'];
  if (!repository || !visible(world.state, identity, repository)) return NOT_FOUND;
  if (identity.kind === 'installation') {
    const reaches = identity.reaches(repository);
    if (!reaches) return writing ? DENIED : null;
    if (repository.private && !granted(identity.permissions, 'contents:read')) return DENIED;
    if (writing && !granted(identity.permissions, 'contents:write')) return DENIED;
  } else if (writing && !atLeast(roleOf(world.state, repository, identity.login), 'write')) return DENIED;
  return writing && repository.archived ? [403, 'This repository was archived so it is read-only.'] : null;
}
