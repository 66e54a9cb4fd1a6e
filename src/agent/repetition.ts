import { createHash } from 'node:crypto';

/** Identical calls with identical results after which an attempt makes no headway (SPEC §8). */
const limit = 5;

/** Counts identical calls with identical results. A change to the files makes earlier calls worth repeating. */
export interface Repetition {
  /** Notes one call and its outcome; true when it was the fifth of its kind. */
  note(call: { name: string; argumentsText: string }, outcome: string, changed: boolean): boolean;
}

export function createRepetition(): Repetition {
  let seen = new Map<string, { outcome: string; count: number }>();
  return {
    note(call, outcome, changed) {
      const key = hash(`${call.name}\0${canonical(call.argumentsText)}`);
      const result = hash(outcome);
      const before = seen.get(key);
      const count = before?.outcome === result ? before.count + 1 : 1;
      if (changed) seen = new Map();
      seen.set(key, { outcome: result, count });
      return count >= limit;
    },
  };
}

/** The same arguments in another order or spacing are the same call. */
function canonical(argumentsText: string): string {
  try {
    const value: unknown = JSON.parse(argumentsText);
    if (value === null || typeof value !== 'object' || Array.isArray(value)) return JSON.stringify(value);
    return JSON.stringify(Object.fromEntries(Object.entries(value).sort(([left], [right]) => (left < right ? -1 : 1))));
  } catch {
    return argumentsText;
  }
}

function hash(text: string): string {
  return createHash('sha256').update(text).digest('base64');
}
