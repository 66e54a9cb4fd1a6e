import type { RepositoryFiles } from './repository-files.ts';

/** A check that was found, with what it was found in. */
export interface FoundCheck {
  /** `format`, `lint`, `unit`, `types`, `build` or `smoke`. */
  kind: string;
  command: string;
  /** Path or glob of the JUnit XML that it writes. */
  report?: string;
  /** What says so, such as `package.json: scripts.test`. */
  from: string;
}

export interface FoundSetup {
  command: string;
  /** `host:port` */
  hosts: readonly string[];
  /** What the command reads, relative to the folder of the toolchain. */
  inputs: readonly string[];
  /** What a person should know about it. */
  note?: string;
}

/** What one language's tools in one folder need and check. */
export interface Toolchain {
  /** For people, such as `Node.js (pnpm)`. */
  name: string;
  /** Kebab-case, for the kinds of a second toolchain. */
  slug: string;
  setup: FoundSetup | null;
  checks: readonly FoundCheck[];
  /** Lock files that are there. */
  lockFiles: readonly string[];
  /** Whether the default sandbox image lacks what the commands need, and what. */
  lacks: string | null;
}

/** Looks at one folder; null when the language is not used there. */
export type Detector = (files: RepositoryFiles) => Promise<Toolchain | null>;

/** The first command for each kind that has one. */
export function firstOfEachKind(candidates: readonly (FoundCheck | false | null | undefined)[]): FoundCheck[] {
  const byKind = new Map<string, FoundCheck>();
  for (const candidate of candidates)
    if (candidate && !byKind.has(candidate.kind)) byKind.set(candidate.kind, candidate);
  return [...byKind.values()];
}

/** Whether a manifest names a package: as a whole word, not as a part of another name. */
export function names(text: string, name: string): boolean {
  const literal = name.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&');
  return new RegExp(`(?:^|[\\s"'\\[,(])${literal}(?![\\w./-])`, 'm').test(text);
}
