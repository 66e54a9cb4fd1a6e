import type { LogEntry, TreeEntry } from '../git/git.ts';

/** What is known of a repository at the base commit, for ranking: plain data. */
export interface Snapshot {
  /** Files and links, sorted by path; no submodules. */
  files: readonly TreeEntry[];
  /** Text of the code files that were read. */
  texts: ReadonlyMap<string, string>;
  /** The repository's own files that each of them imports. */
  imports: ReadonlyMap<string, ReadonlySet<string>>;
  /** Newest first. */
  log: readonly LogEntry[];
}

/** One reason for a file, with its weight. */
export interface Reason {
  points: number;
  words: string;
}

/** A file with the sum of its reasons, in words. */
export interface Ranked {
  path: string;
  score: number;
  /** `imports src/a.ts (+6); is named like it (+4)` */
  why: string;
}

export function rank(path: string, reasons: readonly Reason[]): Ranked {
  const score = round(reasons.reduce((sum, { points }) => sum + points, 0));
  const told = reasons
    .toSorted((a, b) => b.points - a.points)
    .map(({ points, words }) => `${words} (+${round(points)})`);
  return { path, score, why: told.join('; ') };
}

/** The highest score first, then by path, so that the same repository always gives the same order. */
export function bestFirst(ranked: readonly Ranked[], most: number): Ranked[] {
  return ranked.toSorted((a, b) => b.score - a.score || (a.path < b.path ? -1 : 1)).slice(0, most);
}

const round = (points: number) => Math.round(points * 10) / 10;
