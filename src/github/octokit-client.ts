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

const readTries = 4;
const longestWaitMs = 60_000;
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
  addRetryPolicy(octokit, connection);
  return octokit;
}

/**
 * Reads are tried again; writes only when GitHub said that it did nothing (429, secondary limit). A write that failed
 * otherwise may have taken effect: the verb that made it looks before it makes it again.
 */
function addRetryPolicy(octokit: Octokit, { clock, log }: GitHubConnection): void {
  octokit.hook.wrap('request', async (request, options) => {
    const isRead = options.method === 'GET' || options.url === '/graphql';
    for (let tries = 1; ; tries++) {
      try {
        return await request({
          ...options,
          request: { ...options.request, signal: AbortSignal.timeout(requestTimeoutMs) },
        });
      } catch (error) {
        const failure = readFailure(error, clock);
        const mayRetry = failure.nothingHappened || (isRead && failure.transient);
        const waitMs = failure.retryAfterMs ?? 250 * 2 ** tries;
        if (!mayRetry || tries >= readTries || waitMs > longestWaitMs) throw asDoorError(error, failure, options.url);
        log.warn(
          { status: failure.status, method: options.method, url: options.url, waitMs },
          'GitHub call is tried again',
        );
        await clock.sleep(waitMs);
      }
    }
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
