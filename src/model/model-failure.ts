import { APIConnectionError, APIError } from 'openai';
import type { ServerRefusal } from './server-traits.ts';

/** Raised inside this room when an answer breaks off, stalls or cannot be read: worth another try. */
export class BrokenAnswer extends Error {
  /** The stream ended without saying why: the server may not finish streams properly. */
  readonly withoutFinish: boolean;
  /** Asked again it would only cost the same again. */
  readonly final: boolean;

  constructor(message: string, options: { withoutFinish?: boolean; final?: boolean; cause?: unknown } = {}) {
    super(message, { cause: options.cause });
    this.name = 'BrokenAnswer';
    this.withoutFinish = options.withoutFinish ?? false;
    this.final = options.final ?? false;
  }
}

/** What a failed call means for the next one. */
export type ModelFailure =
  | { kind: 'refused-key' }
  | { kind: 'too-long' }
  | { kind: 'content-filter' }
  | { kind: 'rejected'; refusal: ServerRefusal }
  | { kind: 'transient'; retryAfterMs: number | null };

const quotaCodes = new Set([
  'insufficient_quota',
  'billing_hard_limit_reached',
  'billing_not_active',
  'insufficient_balance',
  'account_deactivated',
  'quota_exceeded_permanently',
]);

/** Sorts whatever a call threw. Anything that is not an answer of the server counts as transient: the network. */
export function classifyFailure(error: unknown, nowMs: number): ModelFailure {
  if (!(error instanceof APIError) || error instanceof APIConnectionError) {
    return { kind: 'transient', retryAfterMs: null };
  }
  const code = error.code ?? null;
  const words = `${code ?? ''} ${error.type ?? ''} ${error.message}`.toLowerCase();
  if (quotaCodes.has(code ?? '') || quotaCodes.has(error.type ?? '')) return { kind: 'refused-key' };
  const status: number | undefined = error.status;
  if (status === 401 || status === 402 || status === 403) return { kind: 'refused-key' };
  if (status === 413 || isTooLong(code, words)) return { kind: 'too-long' };
  if (status === 400 && /content_filter|content_policy|content management policy/.test(words)) {
    return { kind: 'content-filter' };
  }
  // 501: "not implemented" names a feature, not a fault that passes.
  const passes = status === undefined || [408, 409, 425, 429].includes(status) || (status >= 500 && status !== 501);
  if (passes) return { kind: 'transient', retryAfterMs: retryAfterMs(error.headers, nowMs) };
  return { kind: 'rejected', refusal: { message: error.message, param: error.param ?? null, code } };
}

function isTooLong(code: string | null, words: string): boolean {
  // Where the message is about the output limit, a smaller one helps (`server-traits.ts`), not a shorter prompt.
  if (/max_(completion_)?tokens.{0,40}too large|in the completion/.test(words)) return false;
  if (code === 'context_length_exceeded' || code === 'string_above_max_length') return true;
  return /context (length|window)|prompt is too long|input is too long|too many (input )?tokens|maximum context/.test(
    words,
  );
}

/** `Retry-After` in seconds or as a date, or the millisecond form. Null when absent or unreadable. */
export function retryAfterMs(headers: Headers | undefined, nowMs: number): number | null {
  const precise = Number(headers?.get('retry-after-ms') ?? Number.NaN);
  if (Number.isFinite(precise) && precise >= 0) return precise;
  const text = headers?.get('retry-after') ?? null;
  if (text === null) return null;
  const seconds = Number(text);
  if (Number.isFinite(seconds)) return Math.max(0, seconds * 1000);
  const date = Date.parse(text);
  return Number.isNaN(date) ? null : Math.max(0, date - nowMs);
}
