import { createAppAuth } from '@octokit/auth-app';
import { Octokit } from '@octokit/rest';
import type { Clock } from '../clock.ts';
import { type ErrorCode, MillwrightError } from '../errors.ts';
import { unlessAborted, wantedSignal } from './wanted.ts';

export interface GitHubConnection {
  appId: number;
  privateKey: string;
  /** `https://api.github.com` or `https://HOST/api/v3`. */
  apiUrl: string;
  /** For the web sign-in; absent where nobody signs in. */
  oauth?: { clientId: string; clientSecret: string; githubUrl: string };
  /** Whether branches may hold changed workflows, which the app needs a permission of its own for. */
  pushesWorkflows?: boolean;
  clock: Clock;
  /** How long an answer is waited for, in milliseconds; 30 s when absent. */
  timeoutMs?: number;
  log: { warn(facts: object, message: string): void };
  /** Hears of every answer, and of every call that got none. */
  onAnswer?: (answer: GitHubAnswer) => void;
}

export interface GitHubAnswer {
  /** HTTP status; null when no answer came. */
  status: number | null;
  /** Id of the installation that called, or `app`. */
  installation: string;
  /** What the answer said of the calls left; null when it said nothing. */
  rate: { resource: string; remaining: number; limit: number } | null;
}

const mostTries = 4;
/** Longer waits are left to the caller, whose own back-off holds no lease meanwhile. */
const longestWaitMs = 10_000;
const usualTimeoutMs = 30_000;

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
    request: {
      // Once more at the last moment: another call may have been told to wait while this one got its token.
      fetch: async (url: string, init: RequestInit) => {
        await waitForQuiet(quietOf(connection, installationId), connection.clock, url);
        return await fetch(url, init);
      },
    },
  });
  addRetryPolicy(octokit, connection, installationId);
  return octokit;
}

/** Calls that may be made twice: reads, changes to a named thing, additions that GitHub keeps one of, and what nothing points at. */
const additions =
  /\/(access_tokens|labels|reactions|assignees|requested_reviewers|attempts|git\/(blobs|trees|commits|refs))$/;
const mayRepeat = ({ method, url }: { method: string; url: string }) =>
  method !== 'POST' || url.endsWith('/graphql') || additions.test(url);

/**
 * What may be repeated is tried again; a write that creates is not, because it may have taken effect: see `createOnce`. Once GitHub
 * names a time to wait, no call of this installation goes out before it. A token that was revoked is replaced once.
 */
function addRetryPolicy(octokit: Octokit, connection: GitHubConnection, installationId: number | null): void {
  const { clock, log, timeoutMs } = connection;
  const quiet = quietOf(connection, installationId);
  const heard = (status: number | null, headers: AnswerHeaders) =>
    connection.onAnswer?.({ status, installation: `${installationId ?? 'app'}`, rate: rateOf(headers) });
  octokit.hook.wrap('request', async (request, options) => {
    const wanted = wantedSignal();
    let renewed = false;
    for (let tries = 1; ; tries++) {
      wanted?.throwIfAborted();
      await unlessAborted(waitForQuiet(quiet, clock, options.url), wanted);
      try {
        const late = AbortSignal.timeout(timeoutMs ?? usualTimeoutMs);
        const signal = wanted ? AbortSignal.any([late, wanted]) : late;
        const answer = await unlessAborted(
          Promise.resolve(request({ ...options, request: { ...options.request, signal } })),
          wanted,
        );
        heard(answer.status, answer.headers as AnswerHeaders);
        return answer;
      } catch (error) {
        wanted?.throwIfAborted();
        const failure = readFailure(error, clock);
        heard(failure.status, headersOf(error));
        if (failure.status === 401 && installationId !== null && !renewed && !options.url.startsWith('/app')) {
          renewed = true;
          await octokit.auth({ type: 'installation', refresh: true });
          continue;
        }
        if (failure.retryAfterMs !== undefined)
          quiet.begin(clock.elapsedMs() + failure.retryAfterMs, isForToken(error));
        const mayRetry = failure.transient && mayRepeat(options);
        const waitMs = failure.retryAfterMs ?? 250 * 2 ** tries;
        if (!mayRetry || tries >= mostTries || waitMs > longestWaitMs) throw asDoorError(error, failure, options.url);
        log.warn(
          { status: failure.status, method: options.method, url: options.url, waitMs },
          'GitHub call is tried again',
        );
        await unlessAborted(clock.sleep(waitMs), wanted);
      }
    }
  });
}

/** Until when (`elapsedMs` of the clock) GitHub asked to wait, by installation; that of the app itself, by `null`, holds for all: tokens come from it. */
const quietTimes = new WeakMap<GitHubConnection, Map<number | null, number>>();

function quietOf(connection: GitHubConnection, installationId: number | null) {
  const times = quietTimes.get(connection) ?? new Map<number | null, number>();
  quietTimes.set(connection, times);
  const untilMs = (who: number | null) => times.get(who) ?? 0;
  return {
    untilMs: () => Math.max(untilMs(null), untilMs(installationId)),
    begin(endMs: number, asApp: boolean) {
      const who = asApp ? null : installationId;
      times.set(who, Math.max(untilMs(who), endMs));
    },
  };
}

/** Whether it was the call for a token that failed, made by the app itself on the way to another call. */
const isForToken = (error: unknown) =>
  /\/access_tokens$/.test((error as { request?: { url?: string } }).request?.url ?? '');

async function waitForQuiet({ untilMs }: ReturnType<typeof quietOf>, clock: Clock, url: string): Promise<void> {
  // Asked again after each wait: another call may have been told to wait longer.
  for (let waitMs = untilMs() - clock.elapsedMs(); waitMs > 0; waitMs = untilMs() - clock.elapsedMs()) {
    if (waitMs > longestWaitMs)
      throw new MillwrightError('outside.github', {
        message: `GitHub asked to wait before the next call; ${url} was not made.`,
        retryAfterMs: waitMs,
      });
    await clock.sleep(waitMs);
  }
}

/** 501: what the host has not built does not come by asking again. */
export const notImplemented = 501;

interface Failure {
  status: number | null;
  /** GitHub refused before doing anything: a rate limit. */
  nothingHappened: boolean;
  transient: boolean;
  retryAfterMs: number | undefined;
}

function readFailure(error: unknown, clock: Clock): Failure {
  const status = statusOf(error);
  const headers = headersOf(error);
  const limited =
    status === 429 ||
    (status === 403 &&
      (headers['x-ratelimit-remaining'] === '0' || headers['retry-after'] !== undefined || isSecondaryLimit(error)));
  return {
    status,
    nothingHappened: limited,
    transient: status === null || (status >= 500 && status !== notImplemented) || limited,
    retryAfterMs: limited ? retryAfterMs(headers, clock) : undefined,
  };
}

type AnswerHeaders = Readonly<Record<string, string | undefined>>;

function headersOf(error: unknown): AnswerHeaders {
  return (error as { response?: { headers?: AnswerHeaders } }).response?.headers ?? {};
}

function rateOf(headers: AnswerHeaders): GitHubAnswer['rate'] {
  const remaining = Number.parseInt(headers['x-ratelimit-remaining'] ?? '', 10);
  const limit = Number.parseInt(headers['x-ratelimit-limit'] ?? '', 10);
  if (Number.isNaN(remaining) || Number.isNaN(limit)) return null;
  return { resource: headers['x-ratelimit-resource'] ?? 'core', remaining, limit };
}

function isSecondaryLimit(error: unknown): boolean {
  return error instanceof Error && /secondary rate limit|abuse detection/i.test(error.message);
}

/** GitHub asks to wait at least a minute after a secondary limit without further word (its REST best practices). */
function retryAfterMs(headers: AnswerHeaders, clock: Clock): number {
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

/**
 * Makes something that would be there twice if it were made twice. When its answer is lost, or GitHub asks to wait a
 * little, `look` says whether it was made all the same; only then it is made again, once.
 */
export async function createOnce<T>(look: () => Promise<T | null>, make: () => Promise<T>): Promise<T> {
  try {
    return await make();
  } catch (error) {
    if (!(error instanceof MillwrightError) || !error.retry || (error.retryAfterMs ?? 0) > longestWaitMs) throw error;
    return (await look()) ?? (await make());
  }
}

function asDoorError(error: unknown, failure: Failure, url: string): MillwrightError {
  if (failure.nothingHappened || failure.transient) {
    return new MillwrightError('outside.github', {
      message: `GitHub did not answer ${url} as expected (${failure.status ?? 'no answer'}).`,
      ...(failure.retryAfterMs === undefined ? {} : { retryAfterMs: failure.retryAfterMs }),
      cause: error,
    });
  }
  return new MillwrightError(lastingFailure(error, failure.status), {
    message: `GitHub answered ${failure.status} to ${url}.`,
    cause: error,
  });
}

function lastingFailure(error: unknown, status: number | null): ErrorCode {
  const { message = '' } = error as { message?: string };
  switch (status) {
    case 401:
      return 'outside.github-refused';
    case 403:
      if (/suspended/i.test(message)) return 'outside.app-suspended';
      return /archived/i.test(message) ? 'outside.repository-archived' : 'outside.github-refused';
    case 404:
      // The installation itself is not there: the call was for a token, on the way to another call.
      return isForToken(error) ? 'outside.app-uninstalled' : 'outside.repository-gone';
    case 410:
    case 451:
      return 'outside.repository-gone';
    default:
      return 'outside.github';
  }
}

/** Where GitHub refuses what it will not take or has already (422), nothing is amiss. */
export async function ignoring422(work: Promise<unknown>): Promise<void> {
  try {
    await work;
  } catch (error) {
    if (statusOf(error) !== 422) throw error;
  }
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
