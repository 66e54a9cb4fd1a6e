import { asMillwrightError } from '../errors.ts';

/** What one check found. `failed` keeps the service from its work; a `warning` does not, yet. */
export interface Finding {
  /** What was looked at, in a few words; stable. */
  name: string;
  state: 'ok' | 'warning' | 'failed' | 'skipped';
  /** What was found. Never holds a secret. */
  found: string;
  /** What to do about it; null when nothing is to be done. */
  fix: string | null;
}

export const ok = (name: string, found: string): Finding => ({ name, state: 'ok', found, fix: null });
export const failed = (name: string, found: string, fix: string): Finding => ({ name, state: 'failed', found, fix });
export const warning = (name: string, found: string, fix: string): Finding => ({ name, state: 'warning', found, fix });
export const skipped = (name: string, found: string): Finding => ({ name, state: 'skipped', found, fix: null });

/** A check that cannot be made, or that takes too long, is a finding as well. */
export async function guarded(
  name: string,
  fix: string,
  withinMs: number,
  check: () => Promise<Finding[]>,
): Promise<Finding[]> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<Finding[]>((resolve) => {
    timer = setTimeout(() => resolve([failed(name, `no result within ${withinMs / 1000} s`, fix)]), withinMs);
  });
  const done = check().catch((error) => [failed(name, asMillwrightError(error).message, fix)]);
  try {
    return await Promise.race([done, late]);
  } finally {
    clearTimeout(timer);
  }
}
