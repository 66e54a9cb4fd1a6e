import type { Octokit } from '@octokit/rest';
import { MillwrightError } from '../errors.ts';
import { bindChecks } from './checks.ts';
import { bindCommits, type Signing } from './commits.ts';
import type {
  AppIdentity,
  FileText,
  GitHub,
  InstalledRepository,
  RepositoryGitHub,
  RepositoryRef,
  Role,
} from './github.ts';
import { bindIssues } from './issues.ts';
import { createClient, type GitHubConnection, orNull, statusOf } from './octokit-client.ts';
import { bindPullRequests } from './pull-requests.ts';
import { roleFrom } from './roles.ts';
import { createSignIn } from './sign-in.ts';
import { forEveryone, whileWanted } from './wanted.ts';

/** GitHub over @octokit/rest, on github.com or on the host that the connection names; no other address is called. */
export function createGitHub(connection: GitHubConnection): GitHub {
  const app = createClient(connection, null);
  const installations = new Map<number, Octokit>();
  const bound = new Map<string, RepositoryGitHub>();
  const askedAgain = new Map<string, number>();
  const signing: Signing = { isOff: false };
  let identity: Promise<AppIdentity> | null = null;

  const clientOf = (installationId: number) => {
    const known = installations.get(installationId) ?? createClient(connection, installationId);
    installations.set(installationId, known);
    return known;
  };
  const anyClient = async () => {
    const [known] = installations.values();
    if (known) return known;
    const installed = (await app.apps.listInstallations()).data.find(({ suspended_at }) => !suspended_at);
    return installed ? clientOf(installed.id) : null;
  };
  const whoAmI = () => {
    identity ??= forEveryone(() => readIdentity(app, connection.apiUrl, anyClient)).catch((error) => {
      identity = null;
      throw error;
    });
    return identity;
  };

  return {
    repository(ref) {
      const key = `${ref.installationId}/${ref.owner}/${ref.name}`.toLowerCase();
      const known =
        bound.get(key) ?? bindRepository(connection, app, clientOf(ref.installationId), ref, whoAmI, signing);
      bound.set(key, known);
      return known;
    },
    whileWanted,
    async installedRepositories() {
      const found: InstalledRepository[] = [];
      for (const installation of await app.paginate(app.apps.listInstallations, { per_page: 100 })) {
        if (installation.suspended_at) continue;
        const client = clientOf(installation.id);
        try {
          const all = await client.paginate(client.apps.listReposAccessibleToInstallation, { per_page: 100 });
          for (const { id, owner, name } of all)
            found.push({ installationId: installation.id, owner: owner.login, name, id, ownerId: owner.id });
        } catch (error) {
          // One that was suspended or removed this moment keeps none of the others from being found.
          connection.log.warn({ err: error, installation: installation.id }, 'an installation could not be listed');
        }
      }
      return found;
    },
    redeliverFailed: (sinceMs) => redeliverFailed(app, sinceMs, askedAgain),
    identity: whoAmI,
    signIn: connection.oauth ? createSignIn(connection.oauth, connection.apiUrl) : null,
  };
}

/** GitHub links a commit to the bot by the number of its account, which is not the app's and which the app itself may not ask for. */
async function readIdentity(
  app: Octokit,
  apiUrl: string,
  anyClient: () => Promise<Octokit | null>,
): Promise<AppIdentity> {
  const { data } = await app.apps.getAuthenticated();
  const slug = data?.slug ?? 'millwright';
  const login = `${slug}[bot]`;
  const id = (await accountId(login, anyClient)) ?? data?.id ?? 0;
  const host = new URL(apiUrl).hostname;
  const mailHost = host === 'api.github.com' ? 'users.noreply.github.com' : `users.noreply.${host}`;
  return { login, name: login, email: `${id}+${login}@${mailHost}`, url: data?.html_url ?? '' };
}

/** Null where it is not to be had: who the app is hangs on its login, the number only makes its commits link to it. */
async function accountId(login: string, anyClient: () => Promise<Octokit | null>): Promise<number | null> {
  try {
    const client = await anyClient();
    return client && (await client.users.getByUsername({ username: login })).data.id;
  } catch (error) {
    if (error instanceof MillwrightError && error.retry) throw error;
    return null;
  }
}

/** How often a delivery that keeps failing is asked for again in the life of a process. */
const mostRedeliveries = 5;

/** GitHub never delivers again by itself: the last failed attempt of each delivery is asked for once more. */
async function redeliverFailed(app: Octokit, sinceMs: number, asked: Map<string, number>): Promise<number> {
  const succeeded = new Set<string>();
  const failed = new Map<string, number>();
  pages: for await (const page of app.paginate.iterator(app.apps.listWebhookDeliveries, { per_page: 100 })) {
    for (const delivery of page.data) {
      if (Date.parse(delivery.delivered_at) < sinceMs) break pages;
      if (delivery.status_code >= 200 && delivery.status_code < 300) succeeded.add(delivery.guid);
      else if (!failed.has(delivery.guid)) failed.set(delivery.guid, delivery.id);
    }
  }
  const wanted = [...failed].filter(([guid]) => !succeeded.has(guid) && (asked.get(guid) ?? 0) < mostRedeliveries);
  for (const [guid, id] of wanted) {
    if (asked.size > 10_000) asked.clear();
    asked.set(guid, (asked.get(guid) ?? 0) + 1);
    await orNull(app.apps.redeliverWebhookDelivery({ delivery_id: id }));
  }
  return wanted.length;
}

function bindRepository(
  connection: GitHubConnection,
  app: Octokit,
  client: Octokit,
  ref: RepositoryRef,
  identity: () => Promise<AppIdentity>,
  signing: Signing,
): RepositoryGitHub {
  const at = { owner: ref.owner, repo: ref.name };
  // By its number: the name may change in mid-run, and be another's some day.
  let id: number | null = null;
  return {
    async facts() {
      const { data } = await client.repos.get(at);
      id = data.id;
      return {
        id: data.id,
        fullName: data.full_name,
        defaultBranch: data.default_branch,
        cloneUrl: cloneUrl(connection.apiUrl, ref, data.clone_url),
        private: data.private,
        archived: data.archived,
      };
    },
    gitToken: createGitTokens(connection, app, ref, async () => {
      id ??= (await client.repos.get(at)).data.id;
      return id;
    }),
    roleOf: createRoles(connection, client, at),
    async readFile(path, branch) {
      const answer = await orNull(
        client.repos.getContent({ ...at, path, ...(branch === undefined ? {} : { ref: branch }) }),
      );
      return answer === null ? null : fileText(answer.data);
    },
    ...bindIssues(client, at, identity),
    ...bindPullRequests(client, at),
    ...bindChecks(client, at, connection.appId),
    ...bindCommits(client, at, signing),
  };
}

/** GitHub follows a link to a file of the repository itself, and leaves out what is larger than 1 MB: that is not an empty file. */
function fileText(found: object): FileText {
  if (Array.isArray(found)) return { problem: 'is a folder' };
  const { type, encoding, content } = found as { type?: string; encoding?: string; content?: string };
  if (type !== 'file')
    return { problem: type === 'symlink' ? 'is a link to no file of this repository' : `is a ${type}` };
  if (encoding !== 'base64' || content === undefined) return { problem: 'is too large to be read' };
  return { text: Buffer.from(content, 'base64').toString('utf8') };
}

/** The address that GitHub names, as long as it is on the configured host; else the host's usual one. */
function cloneUrl(apiUrl: string, ref: RepositoryRef, named: string): string {
  const api = new URL(apiUrl);
  const host = api.hostname === 'api.github.com' ? 'github.com' : api.host;
  const usual = `${api.protocol}//${host}/${ref.owner}/${ref.name}.git`;
  if (!URL.canParse(named)) return usual;
  const url = new URL(named);
  return url.host === host && url.protocol === api.protocol ? named : usual;
}

/**
 * Tokens for git: this repository and `contents: write` only, and `workflows: write` where the operator gives those files free and the
 * app has it. Kept for moments, so that the next try has a new one when one was revoked.
 */
function createGitTokens(
  { clock, pushesWorkflows = false }: GitHubConnection,
  app: Octokit,
  { installationId }: RepositoryRef,
  repositoryId: () => Promise<number>,
): RepositoryGitHub['gitToken'] {
  const keptForMs = 30_000;
  let kept: { token: string; id: number; untilMs: number } | null = null;
  const ask = (id: number, more: { workflows?: 'write' }) =>
    app.apps.createInstallationAccessToken({
      installation_id: installationId,
      repository_ids: [id],
      permissions: { contents: 'write', ...more },
    });
  const askForAll = (id: number) =>
    ask(id, { workflows: 'write' }).catch((cause) => {
      if (statusOf(cause) === 422) return ask(id, {});
      throw cause;
    });
  return async (renew = false) => {
    const id = await repositoryId();
    if (kept && kept.id === id && !renew && kept.untilMs > clock.elapsedMs()) return kept.token;
    try {
      const { data } = await (pushesWorkflows ? askForAll(id) : ask(id, {}));
      kept = { token: data.token, id, untilMs: clock.elapsedMs() + keptForMs };
      return kept.token;
    } catch (cause) {
      // The installation is there, and does not reach the repository.
      if (statusOf(cause) === 422) throw new MillwrightError('outside.repository-gone', { cause });
      throw cause;
    }
  };
}

/** Roles from `user.permissions` of the collaborator-permission API, kept for seconds so that one event asks once. */
function createRoles({ clock }: GitHubConnection, client: Octokit, at: { owner: string; repo: string }) {
  const keptForMs = 5_000;
  const kept = new Map<string, { role: Role; untilMs: number }>();
  return async (login: string): Promise<Role> => {
    const known = kept.get(login.toLowerCase());
    if (known && known.untilMs > clock.elapsedMs()) return known.role;
    const answer = await orNull(client.repos.getCollaboratorPermissionLevel({ ...at, username: login }));
    const role = answer === null ? 'none' : roleFrom(answer.data);
    kept.set(login.toLowerCase(), { role, untilMs: clock.elapsedMs() + keptForMs });
    return role;
  };
}
