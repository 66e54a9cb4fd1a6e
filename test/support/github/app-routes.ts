import { mintInstallationToken } from './auth.ts';
import { installationShape, permissionFlags, repositoryShape } from './repository-shapes.ts';
import {
  ApiError,
  type Call,
  created,
  granted,
  list,
  notFound,
  ok,
  READ,
  type Reply,
  type Route,
  route,
  texts,
} from './router.ts';
import { appShape, userShape } from './shapes.ts';
import {
  atLeast,
  findRepository,
  type Installation,
  installationOf,
  type Json,
  type Repository,
  roleOf,
  type State,
} from './state.ts';
import { type Delivery, deliveryItem } from './webhooks.ts';

/** Installation tokens live for an hour. */
const TOKEN_LIFETIME_MS = 3_600_000;

function installationById(call: Call): Installation {
  const installation = call.state.installations.get(Number(call.params.id));
  if (!installation) throw notFound();
  return installation;
}

export const reachable = (state: State, installation: Installation): Repository[] =>
  [...state.repositories.values()].filter((repository) => installationOf(state, repository)?.id === installation.id);

/** Narrows to `repositories`/`repository_ids` and `permissions`; more than the installation has is refused. */
function accessToken(call: Call): Reply {
  const { state, body } = call;
  const installation = installationById(call);
  if (installation.suspendedAt) throw new ApiError(403, 'This installation has been suspended');
  const known = reachable(state, installation);
  const names = texts(body.repositories);
  const ids = Array.isArray(body.repository_ids) ? body.repository_ids.map(Number) : [];
  const chosen = known.filter(
    (repository) =>
      names.some((name) => name.toLowerCase() === repository.name.toLowerCase()) || ids.includes(repository.id),
  );
  const narrowed = names.length + ids.length > 0;
  if (narrowed && chosen.length < new Set([...names.map((name) => name.toLowerCase()), ...ids]).size) {
    throw new ApiError(
      422,
      'There is at least one repository that does not exist or is not accessible to the parent installation.',
    );
  }
  const asked = body.permissions as Record<string, string> | undefined;
  if (asked && Object.entries(asked).some(([name, level]) => !granted(installation.permissions, `${name}:${level}`))) {
    throw new ApiError(422, 'The permissions requested are not granted to this installation.');
  }
  const permissions: Record<string, string> = { metadata: 'read', ...(asked ?? installation.permissions) };
  const repositories = narrowed ? chosen.map((repository) => repository.id) : null;
  const minted = mintInstallationToken(state, {
    installation: installation.id,
    repositories,
    permissions,
    lifetimeMs: TOKEN_LIFETIME_MS,
  });
  return created({
    token: minted.token,
    expires_at: new Date(minted.expiresAtMs).toISOString(),
    permissions,
    repository_selection: narrowed ? 'selected' : installation.selection,
    ...(narrowed ? { repositories: chosen.map((repository) => repositoryShape(state, repository)) } : {}),
  });
}

/** Newest first; the cursor is the id of the last one shown, as on GitHub. */
function deliveries(call: Call): Reply {
  const perPage = Math.min(100, Number(call.query.get('per_page') ?? 30) || 30);
  const cursor = Number(call.query.get('cursor') ?? Number.POSITIVE_INFINITY);
  const status = call.query.get('status');
  const wanted = (delivery: Delivery): boolean =>
    delivery.id < cursor && (status === null || (status === 'success') === delivery.statusCode < 400);
  const found = call.world.webhooks
    .deliveries()
    .sort((left, right) => right.id - left.id)
    .filter(wanted);
  const page = found.slice(0, perPage);
  const next = new URL(`${call.state.origin}/api/v3/app/hook/deliveries`);
  for (const [name, value] of call.query) next.searchParams.set(name, value);
  next.searchParams.set('cursor', String(page.at(-1)?.id));
  return {
    status: 200,
    body: page.map(deliveryItem),
    headers: found.length > perPage ? { link: `<${next.href}>; rel="next"` } : {},
  };
}

function delivery(call: Call): Delivery {
  const found = call.world.webhooks.deliveries().find((candidate) => candidate.id === Number(call.params.id));
  if (!found) throw notFound();
  return found;
}

function installationFor(call: Call, owner: string): Reply {
  const found = [...call.state.installations.values()].find(
    (installation) => installation.account.toLowerCase() === owner.toLowerCase(),
  );
  if (!found) throw notFound();
  return ok(installationShape(call.state, found));
}

/** The answer of the collaborator-permission API: an old word that knows four levels, a role, and the flags. */
function permission(call: Call & { repository: Repository }): Reply {
  const { state, repository } = call;
  const login = call.params.login ?? '';
  const known = state.accounts.get(login.toLowerCase());
  if (known?.type !== 'User') throw new ApiError(404, `${login} is not a user`);
  const role = roleOf(state, repository, login);
  const word = role === 'maintain' ? 'write' : role === 'triage' ? 'read' : role;
  return ok({
    permission: word,
    role_name: role,
    user: { ...userShape(state, login), permissions: permissionFlags(role), role_name: role },
  });
}

function userRepositories(call: Call): Repository[] {
  const { state, identity } = call;
  if (identity.kind !== 'user') throw new ApiError(403, 'Resource not accessible by integration');
  return [...state.repositories.values()].filter((repository) =>
    atLeast(roleOf(state, repository, identity.login), 'read'),
  );
}

const appRoutes: Route[] = [
  route('GET', '/app', 'app', ({ state }) => ok({ ...appShape(state), installations_count: state.installations.size })),
  route('GET', '/app/installations', 'app', ({ state }) =>
    list([...state.installations.values()].map((installation) => installationShape(state, installation))),
  ),
  route('GET', '/app/installations/:id', 'app', (call) => ok(installationShape(call.state, installationById(call)))),
  route('POST', '/app/installations/:id/access_tokens', 'app', accessToken),
  route('GET', '/repos/:owner/:repo/installation', 'app', (call) => {
    const repository = findRepository(call.state, `${call.params.owner}/${call.params.repo}`);
    const installation = repository && installationOf(call.state, repository);
    if (!installation) throw notFound();
    return ok(installationShape(call.state, installation));
  }),
  route('GET', '/orgs/:org/installation', 'app', (call) => installationFor(call, call.params.org ?? '')),
  route('GET', '/users/:login/installation', 'app', (call) => installationFor(call, call.params.login ?? '')),
  route('GET', '/app/hook/config', 'app', ({ world }) =>
    ok({ content_type: 'json', insecure_ssl: '0', secret: '********', url: world.webhooks.url() ?? '' }),
  ),
  route('GET', '/app/hook/deliveries', 'app', deliveries),
  route('GET', '/app/hook/deliveries/:id', 'app', (call) => {
    const found = delivery(call);
    return ok({
      ...deliveryItem(found),
      url: '',
      request: { headers: found.requestHeaders, payload: found.payload },
      response: { headers: {}, payload: found.responseBody },
    });
  }),
  route('POST', '/app/hook/deliveries/:id/attempts', 'app', (call) => {
    void call.world.webhooks.redeliver(delivery(call).id);
    return { status: 202, body: {} };
  }),
];

const peopleRoutes: Route[] = [
  route('GET', '/installation/repositories', READ, ({ state, identity }) => {
    if (identity.kind !== 'installation')
      throw new ApiError(
        403,
        'You must authenticate with an installation access token in order to list repositories for an installation.',
      );
    const found = [...state.repositories.values()].filter((repository) => identity.reaches(repository));
    return list(
      found.map((repository) => repositoryShape(state, repository)),
      'repositories',
    );
  }),
  route('GET', '/user', 'anyone', ({ state, identity }) => {
    if (identity.kind === 'user') return ok({ ...userShape(state, identity.login), name: identity.login, email: null });
    if (identity.kind === 'none') throw new ApiError(401, 'Requires authentication');
    throw new ApiError(403, 'Resource not accessible by integration');
  }),
  route('GET', '/user/repos', READ, (call) =>
    list(
      userRepositories(call).map((repository) =>
        repositoryShape(call.state, repository, (call.identity as { login: string }).login),
      ),
    ),
  ),
  route('GET', '/user/installations', READ, (call) => {
    const mine = new Set(userRepositories(call).map((repository) => installationOf(call.state, repository)));
    return list(
      [...mine]
        .filter((installation) => installation !== undefined)
        .map((installation) => installationShape(call.state, installation)),
      'installations',
    );
  }),
  route('GET', '/user/installations/:id/repositories', READ, (call) => {
    const installation = installationById(call);
    const mine = userRepositories(call).filter((repository) => installationOf(call.state, repository) === installation);
    return list(
      mine.map((repository) => repositoryShape(call.state, repository)),
      'repositories',
    );
  }),
  route('GET', '/users/:login', 'anyone', ({ state, params }) => {
    const known = state.accounts.get((params.login ?? '').toLowerCase());
    if (!known) throw notFound();
    return ok({ ...userShape(state, known.login), name: known.login, email: null, company: null, bio: null });
  }),
  route('GET', '/orgs/:org', 'anyone', ({ state, params }) => {
    const known = state.accounts.get((params.org ?? '').toLowerCase());
    if (known?.type !== 'Organization') throw notFound();
    return ok(userShape(state, known.login));
  }),
];

const repositoryRoutes: Route[] = [
  route('GET', '/repos/:owner/:repo', READ, ({ state, repository, identity }) =>
    ok(repositoryShape(state, repository, identity.kind === 'user' ? identity.login : undefined)),
  ),
  route('GET', '/repos/:owner/:repo/collaborators', READ, ({ state, repository }) => {
    const logins = new Set([...repository.roles.keys(), ...state.defaultRoles.keys()]);
    const people = [...logins].filter((login) => atLeast(roleOf(state, repository, login), 'read'));
    return list(
      people.map(
        (login): Json => ({
          ...userShape(state, login),
          role_name: roleOf(state, repository, login),
          permissions: permissionFlags(roleOf(state, repository, login)),
        }),
      ),
    );
  }),
  route('GET', '/repos/:owner/:repo/collaborators/:login/permission', READ, permission),
  route('GET', '/repos/:owner/:repo/collaborators/:login', READ, ({ state, repository, params }) => {
    if (!atLeast(roleOf(state, repository, params.login ?? ''), 'read')) throw notFound();
    return { status: 204 };
  }),
];

export const APP_ROUTES: Route[] = [...appRoutes, ...peopleRoutes, ...repositoryRoutes];
