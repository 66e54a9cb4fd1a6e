/** The smallest durable fix for something that repeats: one file, changed by code. */
export interface Proposal {
  path: string;
  /** The whole new file. */
  text: string;
  /** What kind of fix it is, in the app's own words. */
  what: string;
  /** The lesson in one line of finished Markdown. */
  rule: string;
}

/** Files of the base branch; null for what is missing or no plain file. */
export type ReadFile = (path: string) => Promise<string | null>;
