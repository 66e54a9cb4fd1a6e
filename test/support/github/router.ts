import type { Identity } from './auth.ts';
import {
  type Actor,
  atLeast,
  botLogin,
  findRepository,
  type Json,
  type Repository,
  type Role,
  roleOf,
  type State,
} from './state.ts';
import type { World } from './world.ts';

/** An error as GitHub's REST API words it. */
export class ApiError extends Error {
  readonly status: number;
  readonly errors: Json[] | undefined;

  constructor(status: number, message: string, errors?: Json[]) {
    super(message);
    this.status = status;
    this.errors = errors;
  }
}

export const notFound = (): ApiError => new ApiError(404, 'Not Found');
export const invalid = (errors: Json[]): ApiError => new ApiError(422, 'Validation Failed', errors);

export interface Reply {
  status: number;
  body?: unknown;
  /** Set instead of `body` for lists: the front cuts the page and adds the Link header. */
  items?: unknown[];
  /** For lists inside an object (`{total_count, check_runs}`): the name of the list. */
  itemsName?: string;
  headers?: Record<string, string>;
  raw?: Buffer;
}

export const ok = (body: unknown): Reply => ({ status: 200, body });
export const created = (body: unknown): Reply => ({ status: 201, body });
export const noContent: Reply = { status: 204 };
export const list = (items: unknown[], itemsName?: string): Reply =>
  itemsName === undefined ? { status: 200, items } : { status: 200, items, itemsName };

export interface Call {
  world: World;
  state: State;
  identity: Identity;
  params: Record<string, string>;
  query: URLSearchParams;
  body: Json;
  headers: Record<string, string>;
}

/** A call on a repository that the caller has been found to reach. */
export interface RepositoryCall extends Call {
  repository: Repository;
  actor: Actor;
}

/** What a caller needs: an installation one of the permissions, a person the role. `app`: the app's own JWT. */
export type Need = 'app' | 'anyone' | { app: string[]; user: Role };

export interface Route {
  method: string;
  pattern: RegExp;
  names: string[];
  need: Need;
  handle: (call: RepositoryCall) => Promise<Reply> | Reply;
}

export const READ: Need = { app: ['metadata:read'], user: 'read' };

/** `:name` matches one part of the path, `*name` the rest. */
export function route(method: string, path: string, need: Need, handle: Route['handle']): Route {
  const names: string[] = [];
  const source = path.replace(/\/:(\w+)|\/\*(\w+)/g, (_, single?: string, rest?: string) => {
    names.push(single ?? rest ?? '');
    return single ? '/([^/]+)' : '/(.+)';
  });
  return { method, pattern: new RegExp(`^${source}/?$`), names, need, handle };
}

export function findRoute(
  routes: readonly Route[],
  method: string,
  path: string,
): { route: Route; params: Record<string, string> } | null {
  for (const candidate of routes) {
    if (candidate.method !== method) continue;
    const match = candidate.pattern.exec(path);
    if (!match) continue;
    const params = Object.fromEntries(
      candidate.names.map((name, index) => [name, decodeURIComponent(match[index + 1] ?? '')]),
    );
    return { route: candidate, params };
  }
  return null;
}

const RANK: Record<string, number> = { read: 1, write: 2, admin: 3 };

export function granted(permissions: Record<string, string>, wanted: string): boolean {
  const [name = '', level = 'read'] = wanted.split(':');
  return (RANK[permissions[name] ?? ''] ?? 0) >= (RANK[level] ?? 9);
}

/** Finds the repository and refuses as GitHub does: unseen is 404, seen but not allowed is 403. */
export function authorise(call: Call, need: Need): RepositoryCall {
  const { identity, params, state } = call;
  if (need === 'app') {
    if (identity.kind !== 'app') throw new ApiError(401, 'A JSON web token could not be decoded');
    return { ...call, repository: undefined as unknown as Repository, actor: actorOf(state, identity) };
  }
  if (identity.kind === 'invalid') throw new ApiError(401, 'Bad credentials');
  const repository = params.owner && params.repo ? findRepository(state, `${params.owner}/${params.repo}`) : undefined;
  if (params.owner && params.repo && (!repository || !visible(state, identity, repository))) throw notFound();
  if (need !== 'anyone') check(state, identity, repository, need);
  return { ...call, repository: repository as Repository, actor: actorOf(state, identity) };
}

export function visible(state: State, identity: Identity, repository: Repository): boolean {
  if (identity.kind === 'app') return true;
  if (!repository.private) return true;
  if (identity.kind === 'installation') return identity.reaches(repository);
  return identity.kind === 'user' && atLeast(roleOf(state, repository, identity.login), 'read');
}

function check(
  state: State,
  identity: Identity,
  repository: Repository | undefined,
  need: { app: string[]; user: Role },
): void {
  if (identity.kind === 'app' || identity.kind === 'none') throw new ApiError(401, 'Requires authentication');
  if (identity.kind === 'installation') {
    const reading = need.app.every((wanted) => wanted.endsWith(':read'));
    const reaches = repository === undefined || identity.reaches(repository) || (reading && !repository.private);
    if (!reaches || !need.app.some((wanted) => granted(identity.permissions, wanted) || wanted === 'metadata:read')) {
      throw new ApiError(403, 'Resource not accessible by integration');
    }
  }
  const isOpen = need.user === 'read' && repository?.private === false;
  if (
    identity.kind === 'user' &&
    repository &&
    !isOpen &&
    !atLeast(roleOf(state, repository, identity.login), need.user)
  ) {
    throw new ApiError(403, 'Must have admin rights to Repository.');
  }
}

export function actorOf(state: State, identity: Identity): Actor {
  if (identity.kind === 'user') return { login: identity.login, viaApp: false };
  return { login: botLogin(state), viaApp: true };
}

/** Cuts the asked page out of a list and links to the others. */
export function paginate(reply: Reply, url: URL): Reply {
  if (!reply.items) return reply;
  const perPage = Math.min(100, Math.max(1, Number(url.searchParams.get('per_page') ?? 30) || 30));
  const page = Math.max(1, Number(url.searchParams.get('page') ?? 1) || 1);
  const last = Math.max(1, Math.ceil(reply.items.length / perPage));
  const link = (target: number, rel: string): string => {
    const next = new URL(url);
    next.searchParams.set('page', String(target));
    return `<${next.href}>; rel="${rel}"`;
  };
  const links: string[] = [];
  if (page > 1) links.push(link(page - 1, 'prev'), link(1, 'first'));
  if (page < last) links.push(link(page + 1, 'next'), link(last, 'last'));
  const slice = reply.items.slice((page - 1) * perPage, page * perPage);
  const body = reply.itemsName ? { total_count: reply.items.length, [reply.itemsName]: slice } : slice;
  const headers = { ...reply.headers, ...(links.length > 0 ? { link: links.join(', ') } : {}) };
  return { status: reply.status, body, headers };
}

/** A field of the body that must be a text. */
export function requireText(body: Json, field: string, resource: string): string {
  const value = body[field];
  if (typeof value === 'string' && value.trim() !== '') return value;
  throw invalid([{ resource, field, code: value === undefined ? 'missing_field' : 'invalid' }]);
}

export const text = (value: unknown): string | null => (typeof value === 'string' ? value : null);
export const texts = (value: unknown): string[] =>
  Array.isArray(value)
    ? value.map((item) => (typeof item === 'string' ? item : String((item as Json)?.name ?? ''))).filter(Boolean)
    : [];
