import type { Logger } from 'pino';
import type { Clock } from './clock.ts';
import type { PolicyLayer } from './contract/policy.ts';
import type { Database } from './engine/database.ts';
import type { Told } from './engine/repositories.ts';
import type { Git } from './git/git.ts';
import type { GitHub, InstalledRepository, RepositoryRef } from './github/github.ts';
import type { Mcp } from './mcp/mcp.ts';
import type { Model } from './model/model.ts';
import type { SandboxEngine } from './sandbox/sandbox.ts';
import type { Tally } from './tally.ts';

/** The doors that lead outside, and the facts of this installation. Only `wiring.ts` makes one. */
export interface Doors {
  db: Database;
  github: GitHub;
  git: Git;
  sandbox: SandboxEngine;
  model: Model;
  mcp: Mcp;
  clock: Clock;
  log: Logger;
  /** What `/metrics` counts. */
  tally: Tally;
  host: HostFacts;
}

/** What this installation is, the same for every run. */
export interface HostFacts {
  /** `github.com` or the Enterprise host: first part of repository keys. */
  githubHost: string;
  githubUrl: string;
  /** Folder of mirrors and, when embedded, of the store. */
  dataDir: string;
  /** Tells this installation's containers and images from another's on the same engine. */
  instance: string;
  /** Model when no policy names one. */
  modelName: string;
  /** Values that a contract may name, by name. */
  secrets: Readonly<Record<string, string>>;
  operatorPolicy: PolicyLayer | null;
  /** Public address, for links; null when none is set. */
  publicUrl: string | null;
  /** Runs that this process carries at once; 0 where others carry them. */
  workerConcurrency: number;
}

/** `host/owner/name` in lower case: the key of a repository in every table. */
export function repositoryKey(host: string, ref: Pick<RepositoryRef, 'owner' | 'name'>): string {
  return `${host}/${ref.owner}/${ref.name}`.toLowerCase();
}

/** Key of a repository in mirrors and caches. With GitHub's number: who takes a name over finds none of them. Without GitHub there is none (0). */
export function mirrorKey(repository: string, id: number): string {
  return id === 0 ? repository : `${repository}#${id}`;
}

/** A repository as the store knows it. */
export function toldOf(host: string, { owner, name, id, ownerId }: InstalledRepository): Told {
  return { key: repositoryKey(host, { owner, name }), owner, name, id, ownerId };
}
