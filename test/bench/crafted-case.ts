import type { Finding } from '../../src/verification/verdict.ts';

/** Which checks a crafted patch is judged by. */
export type Suite = 'js' | 'lint' | 'red' | 'flaky' | 'py' | 'make' | 'smoke' | 'types' | 'endless' | 'coverage';

/** A patch made to deceive verification, or one that only looks like it. */
export interface CraftedCase {
  name: string;
  /** Path → new content; null deletes; a link points elsewhere. */
  patch: Readonly<Record<string, string | null | { link: string }>>;
  /** Default `js`. */
  suite?: Suite;
  /** Tests that the contract names as in scope. */
  testsInScope?: readonly string[];
  allowedFiles?: readonly string[];
  /** Judged from the patch alone: the gate that must catch it runs nothing. */
  readOnly?: boolean;
  /** Runs in containers that nothing ran in before, as a real run does; others share one that is emptied in between. */
  freshContainers?: boolean;
  /** Gate that must object; null for an honest patch, which must be let through. */
  caughtBy: Finding['gate'] | null;
}

/** A file of base with one piece replaced; a piece that is not there is a mistake in the case. */
export function edited(text: string | undefined, from: string, to: string): string {
  if (text === undefined || !text.includes(from)) throw new Error(`nothing to replace: ${from}`);
  return text.replace(from, () => to);
}
