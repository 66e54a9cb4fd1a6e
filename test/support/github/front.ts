import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { APP_ROUTES } from './app-routes.ts';
import { type Identity, identify } from './auth.ts';
import { CHECK_ROUTES } from './check-routes.ts';
import { COMMENT_ROUTES } from './comment-routes.ts';
import { CONTENT_ROUTES } from './content-routes.ts';
import { type Faults, strikesAnswer, waitFor } from './faults.ts';
import { serveGit } from './git-http.ts';
import { GIT_ROUTES } from './git-routes.ts';
import { answerGraphql } from './graphql.ts';
import { ISSUE_ROUTES } from './issue-routes.ts';
import type { OauthEmulator } from './oauth-emulator.ts';
import { PULL_ROUTES } from './pull-routes.ts';
import { differences, refsChanged } from './refs.ts';
import {
  ApiError,
  actorOf,
  authorise,
  type Call,
  findRoute,
  granted,
  paginate,
  type Reply,
  type Route,
  visible,
} from './router.ts';
import { atLeast, findRepository, type Json, type Repository, roleOf } from './state.ts';
import type { World } from './world.ts';

const ROUTES: Route[] = [
  ...APP_ROUTES,
  ...COMMENT_ROUTES,
  ...ISSUE_ROUTES,
  ...PULL_ROUTES,
  ...CHECK_ROUTES,
  ...CONTENT_ROUTES,
  ...GIT_ROUTES,
];
/** What the emulator answers alone. */
const EMULATED = /^\/login\/oauth\/|^(\/api\/v3)?\/(meta|rate_limit|zen|versions|emojis|octocat)$/;
const GIT_PATH = /^\/([^/]+)\/([^/]+?)(?:\.git)?\/(info\/refs|git-upload-pack|git-receive-pack)$/;

export interface RequestRecord {
  method: string;
  /** As the API knows it: without `/api/v3`, with the query. */
  path: string;
  token: Identity['kind'];
  status: number;
  body: Json;
  atMs: number;
}

export interface Front {
  server: Server;
  requests: () => RequestRecord[];
  unhandled: () => string[];
  clearRequests: () => void;
}

interface Parts {
  world: World;
  faults: Faults;
  oauth: OauthEmulator;
  projectRoot: string;
}

/** The one HTTP server: REST, GraphQL, git and the sign-in pages. */
export function createFront(parts: Parts): Front {
  const { world, faults } = parts;
  const log: RequestRecord[] = [];
  const unhandled: string[] = [];
  const pushes = new Map<Repository, Promise<unknown>>();

  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const url = new URL(request.url ?? '/', world.state.origin);
    const path = url.pathname.replace(/^\/api\/v3(?=\/|$)/, '') || '/';
    const identity = identify(world.state, request.headers.authorization);
    const record: RequestRecord = {
      method: request.method ?? 'GET',
      path: `${path}${url.search}`,
      token: identity.kind,
      status: 0,
      body: {},
      atMs: Date.now(),
    };
    log.push(record);
    response.on('close', () => {
      record.status = response.headersSent ? response.statusCode : 0;
    });
    const fault = faults.strike(record.method, record.path);
    if (fault) {
      await waitFor(fault);
      if (strikesAnswer(fault)) {
        if (fault.mode === 'after') {
          await perform(request, null, url, path, identity, record);
        } else request.resume();
        if (fault.drop) return void response.destroy();
        const body = JSON.stringify(fault.body ?? { message: `fault ${fault.status}` });
        return void response
          .writeHead(fault.status ?? 500, { 'content-type': 'application/json', ...fault.headers })
          .end(body);
      }
    }
    await perform(request, response, url, path, identity, record);
  };

  /** `response` null: the call takes effect and nobody hears of it. */
  const perform = async (
    request: IncomingMessage,
    response: ServerResponse | null,
    url: URL,
    path: string,
    identity: Identity,
    record: RequestRecord,
  ): Promise<void> => {
    const git = GIT_PATH.exec(url.pathname);
    if (git && response) return gitAnswer(request, response, url, git, identity);
    const raw = await readBody(request);
    if (EMULATED.test(url.pathname) && response) return parts.oauth.serve(request, response, raw);
    const body = parseBody(raw);
    record.body = body;
    const call: Call = {
      world,
      state: world.state,
      identity,
      params: {},
      query: url.searchParams,
      body,
      headers: flat(request),
    };
    const reply = await reach(call, record, path, url).catch(errorReply);
    if (response) send(response, reply);
  };

  const reach = async (call: Call, record: RequestRecord, path: string, url: URL): Promise<Reply> => {
    if (path === '/api/graphql' || path === '/graphql') {
      const { body, unknownFields } = await answerGraphql(call);
      for (const field of unknownFields) unhandled.push(`POST /api/graphql ${field}`);
      return { status: 200, body };
    }
    const found = findRoute(ROUTES, record.method, path);
    if (!found) {
      unhandled.push(`${record.method} ${record.path}`);
      return {
        status: 404,
        body: { message: 'Not Found', documentation_url: 'https://docs.github.com/rest', status: '404' },
      };
    }
    const allowed = authorise({ ...call, params: found.params }, found.route.need);
    return paginate(await found.route.handle(allowed), url);
  };

  const gitAnswer = async (
    request: IncomingMessage,
    response: ServerResponse,
    url: URL,
    match: RegExpExecArray,
    identity: Identity,
  ): Promise<void> => {
    const [, owner = '', name = '', service = ''] = match;
    const repository = findRepository(world.state, `${owner}/${name}`);
    const writing = service === 'git-receive-pack' || url.searchParams.get('service') === 'git-receive-pack';
    const refusal = refuseGit(world, repository, identity, writing);
    if (refusal || !repository) {
      request.resume();
      const [status, message] = refusal ?? [404, 'Repository not found.'];
      const challenge: Record<string, string> = status === 401 ? { 'www-authenticate': 'Basic realm="GitHub"' } : {};
      return void response.writeHead(status, { 'content-type': 'text/plain', ...challenge }).end(`${message}\n`);
    }
    const actor = actorOf(world.state, identity);
    const serve = async (before: Map<string, string> | null): Promise<void> =>
      serveGit(request, response, {
        projectRoot: parts.projectRoot,
        pathInfo: `/${repository.fullName}.git/${service}`,
        query: url.search.slice(1),
        user: actor.login,
        workflows: identity.kind !== 'installation' || granted(identity.permissions, 'workflows:write'),
        finished: async () => {
          if (before) await refsChanged(world, repository, actor, differences(before, await repository.git.refs()));
        },
      });
    if (service !== 'git-receive-pack') return serve(null);
    // One push after the other: each compares the refs before with those after.
    const turn = (pushes.get(repository) ?? Promise.resolve()).then(async () => serve(await repository.git.refs()));
    pushes.set(
      repository,
      turn.catch(() => undefined),
    );
    return turn;
  };

  const server = createServer((request, response) => {
    answer(request, response).catch((error: unknown) => {
      unhandled.push(`${request.method} ${request.url} threw ${error instanceof Error ? error.stack : String(error)}`);
      if (!response.headersSent) response.writeHead(500, { 'content-type': 'application/json' });
      response.end(JSON.stringify({ message: 'Server Error' }));
    });
  });
  return {
    server,
    requests: () => [...log],
    unhandled: () => [...unhandled],
    clearRequests: () => {
      log.length = 0;
    },
  };
}

/** 401 asks git for credentials; whoever may not see the repository learns nothing of it. */
function refuseGit(
  world: World,
  repository: Repository | undefined,
  identity: Identity,
  writing: boolean,
): [number, string] | null {
  if (identity.kind === 'none' && (writing || !repository || repository.private))
    return [401, 'Authentication required'];
  if (identity.kind === 'invalid' || identity.kind === 'app') return [401, 'Invalid username or token.'];
  if (!repository || !visible(world.state, identity, repository)) return [404, 'Repository not found.'];
  const denied: [number, string] = [403, `Write access to repository not granted.`];
  if (identity.kind === 'installation') {
    const reaches = identity.reaches(repository);
    if (!reaches && (repository.private || writing))
      return [writing && !repository.private ? 403 : 404, 'Repository not found.'];
    if (reaches && repository.private && !granted(identity.permissions, 'contents:read')) return denied;
    if (writing && !granted(identity.permissions, 'contents:write')) return denied;
  }
  if (identity.kind === 'user' && writing && !atLeast(roleOf(world.state, repository, identity.login), 'write'))
    return denied;
  if (writing && repository.archived) return [403, 'This repository was archived so it is read-only.'];
  return null;
}

function errorReply(error: unknown): Reply {
  if (!(error instanceof ApiError)) throw error;
  const body = {
    message: error.message,
    ...(error.errors ? { errors: error.errors } : {}),
    documentation_url: 'https://docs.github.com/rest',
    status: String(error.status),
  };
  return { status: error.status, body };
}

function send(response: ServerResponse, reply: Reply): void {
  const body = reply.raw ?? (reply.body === undefined ? null : JSON.stringify(reply.body));
  const type = reply.raw ? 'application/octet-stream' : 'application/json; charset=utf-8';
  response.writeHead(reply.status, {
    'x-github-media-type': 'github.v3; format=json',
    ...(body === null ? {} : { 'content-type': type }),
    ...reply.headers,
  });
  response.end(body ?? undefined);
}

async function readBody(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

function parseBody(raw: Buffer): Json {
  if (raw.length === 0) return {};
  try {
    const parsed: unknown = JSON.parse(raw.toString('utf8'));
    return Array.isArray(parsed) ? { list: parsed } : (parsed as Json);
  } catch {
    return {};
  }
}

const flat = (request: IncomingMessage): Record<string, string> =>
  Object.fromEntries(Object.entries(request.headers).map(([name, value]) => [name, String(value)]));
