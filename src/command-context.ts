import type { CommandName } from './command-text.ts';
import type { Walls } from './contract/walls.ts';
import type { Doors } from './doors.ts';
import { beginAttempt, type RequestChange } from './engine/runs.ts';
import type { ReactionTarget, RepositoryGitHub, RepositoryRef } from './github/github.ts';
import type { ReplyInput } from './report/facts.ts';
import type { AttemptStart, Run } from './run.ts';
import { showStatus } from './status.ts';

/** A new comment or review body, from whichever way it reached the app. */
export interface CommandSource {
  ref: RepositoryRef;
  /** Number of the issue or pull request. */
  number: number;
  onPullRequest: boolean;
  author: string;
  authorIsBot: boolean;
  body: string;
  reactTo: ReactionTarget | null;
  /** Such as `comment:ID` or `review:ID`: each command in it takes effect once, however often it is found. */
  key: string;
  writtenAtMs: number;
}

/** What a command came to: done, refused (with the answer to give), or answered. */
export type Result =
  | { kind: 'done' }
  | { kind: 'refused'; reply: ReplyInput }
  | { kind: 'answered'; reply: ReplyInput };

export const done: Result = { kind: 'done' };

/** What a command is applied with. */
export interface Context {
  source: CommandSource;
  /** Which command of which comment: an attempt that it began already is not begun again. */
  cause: string;
  walls: Walls;
  /** What is wrong with a policy file, untrusted; null when all can be read. */
  unreadable: string | null;
  github: RepositoryGitHub;
  doors: Doors;
}

export function refuse(name: CommandName, reason: string): Result {
  return { kind: 'refused', reply: { kind: 'impossible', command: `/${name}`, reason } };
}

export const merged = 'The pull request is merged: open a new issue for further work.';
export const goingOn = 'A run is going on: stop it first (/stop).';
export const beingStopped = 'The run is being stopped: ask again once its label is `agent:stopped`.';

/** Begins the attempt that a command asks for, or refuses because one is going on. */
export async function begin(
  run: Run,
  start: AttemptStart,
  change: RequestChange,
  doors: Doors,
  name: CommandName,
): Promise<Result> {
  const begun = await beginAttempt(doors.db, run.id, start, change);
  if (!begun) return refuse(name, goingOn);
  await showStatus(begun, doors);
  return done;
}
