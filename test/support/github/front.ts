import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { APP_ROUTES } from './app-routes.ts';
import { type Identity, identify } from './auth.ts';
import { CHECK_ROUTES } from './check-routes.ts';
import { COMMENT_ROUTES } from './comment-routes.ts';
import { CONTENT_ROUTES } from './content-routes.ts';
import { type Fault, type Faults, strikesAnswer, waitFor } from './faults.ts';
import { createGitFront, isGitPath } from './git-front.ts';
import { GIT_ROUTES } from './git-routes.ts';
import { answerGraphql } from './graphql.ts';
import { ISSUE_ROUTES } from './issue-routes.ts';
import type { OauthEmulator } from './oauth-emulator.ts';
import { PULL_ROUTES } from './pull-routes.ts';
import { ApiError, authorise, type Call, findRoute, notFound, paginate, type Reply, type Route } from './router.ts';
import { findRepository, type Json } from './state.ts';
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
const EMULATED = /^\/login\/oauth\/|^\/(meta|rate_limit|zen|versions|emojis|octocat)$/;

export interface RequestRecord {
  method: string;
  /** As the API knows it: without `/api/v3`, with the query. */
  path: string;
  token: Identity['kind'];
  status: number;
  body: Json;
  atMs: number;
  /** When the answer was out or its connection gone; null until then. */
  answeredAtMs: number | null;
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

/** One request on its way to an answer. */
interface Visit {
  request: IncomingMessage;
  response: ServerResponse;
  url: URL;
  /** Without `/api/v3`. */
  path: string;
  identity: Identity;
  record: RequestRecord;
}

/** The one HTTP server: REST, GraphQL, git and the sign-in pages. */
export function createFront(parts: Parts): Front {
  const log: RequestRecord[] = [];
  const unhandled: string[] = [];
  const git = createGitFront(parts.world, parts.projectRoot);

  /** `unheard`: the call takes effect and nobody hears of it. `held`: the answer waits for it. */
  const perform = async (visit: Visit, unheard: boolean, held = async () => {}): Promise<void> => {
    if (isGitPath(visit.url.pathname)) return git({ ...visit, unheard, held });
    const raw = await readBody(visit.request);
    if (EMULATED.test(visit.path)) return unheard ? undefined : parts.oauth.serve(visit.request, visit.response, raw);
    const reply = await reach(parts.world, visit, parseBody(raw), unhandled).catch(errorReply);
    await held();
    if (!unheard) send(visit.response, reply);
  };

  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const visit = receive(parts.world, request, response);
    log.push(visit.record);
    const fault = parts.faults.strike(visit.record.method, visit.record.path);
    if (!fault) return perform(visit, false);
    if (!strikesAnswer(fault) && fault.mode === 'after') return perform(visit, false, () => waitFor(fault));
    await waitFor(fault);
    if (!strikesAnswer(fault)) return perform(visit, false);
    if (fault.mode === 'after') await perform(visit, true);
    else request.resume();
    strike(fault, response);
  };

  const server = createServer((request, response) => {
    answer(request, response).catch((error: unknown) => {
      unhandled.push(`${request.method} ${request.url} threw ${error instanceof Error ? error.stack : String(error)}`);
      if (!response.headersSent) response.writeHead(500, { 'content-type': 'application/json' });
      if (!response.writableEnded) response.end(JSON.stringify({ message: 'Server Error' }));
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

function receive(world: World, request: IncomingMessage, response: ServerResponse): Visit {
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
    answeredAtMs: null,
  };
  response.on('close', () => {
    record.status = response.headersSent ? response.statusCode : 0;
    record.answeredAtMs = Date.now();
  });
  return { request, response, url, path, identity, record };
}

function strike(fault: Fault, response: ServerResponse): void {
  if (fault.drop) return void response.destroy();
  const body = JSON.stringify(fault.body ?? { message: `fault ${fault.status}` });
  response.writeHead(fault.status ?? 500, { 'content-type': 'application/json', ...fault.headers }).end(body);
}

/** Finds the route, checks the caller and answers; what is not known is remembered in `unhandled`. */
async function reach(world: World, visit: Visit, body: Json, unhandled: string[]): Promise<Reply> {
  const { url, path, identity, record } = visit;
  record.body = body;
  const common = { world, state: world.state, identity, query: url.searchParams, body };
  const call: Call = { ...common, params: {}, headers: flat(visit.request) };
  if (path === '/api/graphql' || path === '/graphql') {
    const answer = await answerGraphql(call);
    for (const field of answer.unknownFields) unhandled.push(`POST /api/graphql ${field}`);
    return { status: 200, body: answer.body };
  }
  const [, named = '', rest = ''] = /^\/repos\/([^/]+\/[^/]+)(.*)$/.exec(path) ?? [];
  const elsewhere = issueElsewhere(world, named, rest);
  if (elsewhere !== null) return redirected(world, record.method, `${elsewhere}${url.search}`);
  // As on GitHub: what reads is moved for good, what writes keeps its method; who takes the old name over ends that.
  const moved = findRepository(world.state, named) ? undefined : world.state.moved.get(named.toLowerCase());
  if (moved) return redirected(world, record.method, `/repositories/${moved.id}${rest}${url.search}`);
  const found = findRoute(ROUTES, record.method, byName(world, path));
  if (!found) {
    unhandled.push(`${record.method} ${record.path}`);
    throw notFound();
  }
  const allowed = authorise({ ...call, params: found.params }, found.route.need);
  if (record.method !== 'GET' && allowed.repository?.archived)
    throw new ApiError(403, 'Repository was archived so is read-only.');
  return paginate(await found.route.handle(allowed), url);
}

function redirected(world: World, method: string, place: string): Reply {
  return {
    status: method === 'GET' ? 301 : 307,
    body: { message: 'Moved Permanently' },
    headers: { location: `${world.state.origin}/api/v3${place}` },
  };
}

/** Where an issue is now that was transferred from a repository; null for any other. */
function issueElsewhere(world: World, fullName: string, rest: string): string | null {
  const [, number, more = ''] = /^\/issues\/(\d+)(.*)$/.exec(rest) ?? [];
  const there = findRepository(world.state, fullName)?.transferred.get(Number(number));
  return there ? `/repositories/${there.to.id}/issues/${there.number}${more}` : null;
}

/** `/repositories/ID` is another name of `/repos/OWNER/NAME`. */
function byName(world: World, path: string): string {
  const [, id, rest = ''] = /^\/repositories\/(\d+)(.*)$/.exec(path) ?? [];
  const repository = [...world.state.repositories.values()].find((candidate) => candidate.id === Number(id));
  return repository ? `/repos/${repository.fullName}${rest}` : path;
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
