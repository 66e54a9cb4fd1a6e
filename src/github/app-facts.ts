import { MillwrightError } from '../errors.ts';
import { createClient, type GitHubConnection, orNull } from './octokit-client.ts';

/** What GitHub says of the app itself, for `doctor`. */
export interface AppFacts {
  slug: string;
  /** By name of the permission: `read`, `write` or `admin`. */
  permissions: Readonly<Record<string, string>>;
  events: readonly string[];
  installations: readonly InstallationFacts[];
  /** Null where the host does not tell. */
  webhook: WebhookFacts | null;
}

export interface InstallationFacts {
  account: string;
  suspended: boolean;
  permissions: Readonly<Record<string, string>>;
  events: readonly string[];
}

export interface WebhookFacts {
  url: string;
  /** The newest deliveries, newest first; empty where the host does not tell. */
  deliveries: readonly { status: number; atMs: number; event: string }[];
}

const deliveriesLookedAt = 20;
const clockTimeoutMs = 10_000;

/** Errors: `outside.github-refused` for a key that is refused, `outside.github`. */
export async function readAppFacts(connection: GitHubConnection): Promise<AppFacts> {
  const client = createClient(connection, null);
  const { data: app } = await client.apps.getAuthenticated();
  const installations = await client.paginate(client.apps.listInstallations, { per_page: 100 });
  const hook = await orNull(client.apps.getWebhookConfigForApp());
  const deliveries = await orNull(client.apps.listWebhookDeliveries({ per_page: deliveriesLookedAt }));
  return {
    slug: app?.slug ?? '',
    permissions: definedOf(app?.permissions),
    events: app?.events ?? [],
    installations: installations.map(({ account, suspended_at, permissions, events }) => ({
      account: accountName(account),
      suspended: suspended_at !== null,
      permissions: definedOf(permissions),
      events,
    })),
    webhook: hook && {
      url: hook.data.url ?? '',
      deliveries: (deliveries?.data ?? []).map(({ status_code, delivered_at, event }) => ({
        status: status_code,
        atMs: Date.parse(delivered_at),
        event,
      })),
    },
  };
}

/**
 * How far this machine's clock is ahead of GitHub's, in milliseconds, to the second; null where the host tells no time.
 * Errors: `outside.github` when nobody answers there.
 */
export async function clockAheadMs(apiUrl: string): Promise<number | null> {
  const askedAtMs = Date.now();
  const response = await reach(apiUrl);
  const answeredAtMs = Date.now();
  await response.body?.cancel();
  const theirsMs = Date.parse(response.headers.get('date') ?? '');
  return Number.isNaN(theirsMs) ? null : Math.round((askedAtMs + answeredAtMs) / 2 - theirsMs);
}

async function reach(url: string): Promise<Response> {
  try {
    return await fetch(url, { signal: AbortSignal.timeout(clockTimeoutMs), redirect: 'manual' });
  } catch (error) {
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
    const message = `${url} does not answer: ${cause instanceof Error ? cause.message : String(cause)}`;
    throw new MillwrightError('outside.github', { message, cause: error });
  }
}

function definedOf(permissions: object | undefined): Record<string, string> {
  return Object.fromEntries(Object.entries(permissions ?? {}).filter(([, value]) => typeof value === 'string'));
}

function accountName(account: unknown): string {
  const named = account as { login?: string; slug?: string } | null;
  return named?.login ?? named?.slug ?? '?';
}
