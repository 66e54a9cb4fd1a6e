import { createAppAuth } from '@octokit/auth-app';
import { Octokit } from '@octokit/rest';
import type { Clock } from '../clock.ts';
import { MillwrightError } from '../errors.ts';

export interface GitHubConnection {
  appId: number;
  privateKey: string;
  /** `https://api.github.com` or `https://HOST/api/v3`. */
  apiUrl: string;
  clock: Clock;
  log: { warn(facts: object, message: string): void };
}

const mostTries = 4;
/** Longer waits are left to the caller, whose own back-off holds no lease meanwhile. */
const longestWaitMs = 10_000;
const requestTimeoutMs = 30_000;

/** A client that acts as the app (`installationId` null) or as one installation, under our own retry policy. */
export function createClient(connection: GitHubConnection, installationId: number | null): Octokit {
  const octokit = new Octokit({
    authStrategy: createAppAuth,
    auth: {
      appId: connection.appId,
      privateKey: connection.privateKey,
      ...(installationId === null ? {} : { installationId }),
    },
    baseUrl: connection.apiUrl,
    userAgent: 'millwright',
    log: { debug() {}, info() {}, warn() {}, error() {} },
  });
  addRetryPolicy(octokit, connection, installationId !== null);
  return octokit;
}

/** Calls that may be made twice: reads, changes to a named thing, and additions that GitHub keeps one of. */
const additions = /\/(access_tokens|labels|reactions|assignees|requested_reviewers|attempts)$/;
const mayRepeat = ({ method, url }: { method: string; url: string }) =>
  method !== 'POST' || url.endsWith('/graphql') || additions.test(url);

/**
 * What may be repeated is tried again; a write that creates only when GitHub said that it did nothing (429, secondary
 * limit): otherwise it may have taken effect, and the verb that made it looks before it makes it again. Once GitHub
 * names a time to wait, no call of this client goes out before it. A token that was revoked is replaced once.
 */
function addRetryPolicy(octokit: Octokit, { clock, log }: GitHubConnection, asInstallation: boolean): void {
  let quietUntilMs = 0;
  octokit.hook.wrap('request', async (request, options) => {
    let renewed = false;
    for (let tries = 1; ; tries++) {
      await waitForQuiet(quietUntilMs, clock, options.url);
      try {
        return await request({
          ...options,
          request: { ...options.request, signal: AbortSignal.timeout(requestTimeoutMs) },
        });
      } catch (error) {
        const failure = readFailure(error, clock);
        if (failure.status === 401 && asInstallation && !renewed && !options.url.startsWith('/app')) {
          renewed = true;
          await octokit.auth({ type: 'installation', refresh: true });
          continue;
        }
        if (failure.retryAfterMs !== undefined)
          quietUntilMs = Math.max(quietUntilMs, clock.nowMs() + failure.retryAfterMs);
        const mayRetry = failure.nothingHappened || (failure.transient && mayRepeat(options));
        const waitMs = failure.retryAfterMs ?? 250 * 2 ** tries;
        if (!mayRetry || tries >= mostTries || waitMs > longestWaitMs) throw asDoorError(error, failure, options.url);
        log.warn(
          { status: failure.status, method: options.method, url: options.url, waitMs },
          'GitHub call is tried again',
        );
        await clock.sleep(waitMs);
      }
    }
  });
}

async function waitForQuiet(untilMs: number, clock: Clock, url: string): Promise<void> {
  const waitMs = untilMs - clock.nowMs();
  if (waitMs <= 0) return;
  if (waitMs <= longestWaitMs) return clock.sleep(waitMs);
  throw new MillwrightError('outside.github', {
    message: `GitHub asked to wait before the next call; ${url} was not made.`,
    retryAfterMs: waitMs,
  });
}

interface Failure {
  status: number | null;
  /** GitHub refused before doing anything: a rate limit. */
  nothingHappened: boolean;
  transient: boolean;
  retryAfterMs: number | undefined;
}

function readFailure(error: unknown, clock: Clock): Failure {
  const status = statusOf(error);
  const headers = (error as { response?: { headers?: Record<string, string | undefined> } }).response?.headers ?? {};
  const limited =
    status === 429 ||
    (status === 403 &&
      (headers['x-ratelimit-remaining'] === '0' || headers['retry-after'] !== undefined || isSecondaryLimit(error)));
  return {
    status,
    nothingHappened: limited,
    transient: status === null || status >= 500 || limited,
    retryAfterMs: limited ? retryAfterMs(headers, clock) : undefined,
  };
}

function isSecondaryLimit(error: unknown): boolean {
  return error instanceof Error && /secondary rate limit|abuse detection/i.test(error.message);
}

/** GitHub asks to wait at least a minute after a secondary limit without further word (its REST best practices). */
function retryAfterMs(headers: Record<string, string | undefined>, clock: Clock): number {
  const after = Number(headers['retry-after']);
  if (headers['retry-after'] !== undefined && Number.isFinite(after)) return after * 1000;
  const reset = Number(headers['x-ratelimit-reset']);
  if (headers['x-ratelimit-remaining'] === '0' && Number.isFinite(reset))
    return Math.max(1000, reset * 1000 - clock.nowMs());
  return 60_000;
}

/** HTTP status of an Octokit error; null when no answer came. */
export function statusOf(error: unknown): number | null {
  if (error instanceof MillwrightError) return statusOf(error.cause);
  const status = (error as { status?: unknown } | null)?.status;
  const answered = (error as { response?: unknown } | null)?.response !== undefined;
  return typeof status === 'number' && answered ? status : null;
}

function asDoorError(error: unknown, failure: Failure, url: string): MillwrightError {
  if (failure.nothingHappened || failure.transient) {
    return new MillwrightError('outside.github', {
      message: `GitHub did not answer ${url} as expected (${failure.status ?? 'no answer'}).`,
      ...(failure.retryAfterMs === undefined ? {} : { retryAfterMs: failure.retryAfterMs }),
      cause: error,
    });
  }
  const code = failure.status === 401 || failure.status === 403 ? 'outside.github-refused' : 'outside.github';
  const permanent = failure.status === 404 || failure.status === 410 || failure.status === 451;
  return new MillwrightError(permanent ? 'outside.repository-gone' : code, {
    message: `GitHub answered ${failure.status} to ${url}.`,
    cause: error,
  });
}

/** The value, or null where GitHub says that the thing does not exist. */
export async function orNull<T>(work: Promise<T>): Promise<T | null> {
  try {
    return await work;
  } catch (error) {
    if (statusOf(error) === 404) return null;
    throw error;
  }
}
