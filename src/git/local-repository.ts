import { existsSync, mkdirSync, realpathSync, statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { createGitCommand } from './git-command.ts';
import { brief, callRemote, localPrograms } from './remote-call.ts';

/** A repository on this machine that may be fetched from and pushed to as if it were a remote. */
export interface LocalRepository {
  /** Absolute, links resolved. */
  dir: string;
  /** Branch that is checked out. */
  branch: string;
  commit: string;
}

type Found = { ok: true; repository: LocalRepository } | { ok: false; reason: string };

const lookTimeoutMs = 30_000;

/** What a folder holds. Nothing of it is run or changed. `home`: an empty folder, made when missing. The reason says what to do. */
export async function readLocalRepository(
  given: string,
  options: { home: string; env?: Readonly<Record<string, string | undefined>> },
): Promise<Found> {
  const named = resolve(given);
  if (!existsSync(named) || !statSync(named).isDirectory()) return refuse(`${named} is no folder`);
  const dir = realpathSync(named);
  mkdirSync(options.home, { recursive: true });
  const command = createGitCommand(options);
  const remote = { repository: 'local', url: dir, token: null };
  const result = await callRemote(command, remote, {
    timeoutMs: lookTimeoutMs,
    args: ({ url }) => ['ls-remote', '--symref', localPrograms.uploadPack, url, 'HEAD'],
  });
  if (result.exitCode !== 0) return refuse(notOne(dir, result.stderr));
  const out = result.stdout.toString();
  const branch = /^ref: refs\/heads\/(.+)\tHEAD$/m.exec(out)?.[1];
  const commit = /^([0-9a-f]{40})\tHEAD$/m.exec(out)?.[1];
  if (commit === undefined) return refuse(`${dir} has no commit yet: commit what the run shall build on`);
  if (branch === undefined) return refuse(`${dir} is on no branch (detached HEAD): check a branch out`);
  if ([join(dir, '.git', 'shallow'), join(dir, 'shallow')].some((file) => existsSync(file)))
    return refuse(`${dir} is a shallow clone: run \`git fetch --unshallow\` in it first`);
  return { ok: true, repository: { dir, branch, commit } };
}

function notOne(dir: string, stderr: string): string {
  if (!/does not appear to be a git repository|not a git repository/.test(stderr))
    return `git cannot read ${dir}: ${brief(stderr)}`;
  const top = topAbove(dir);
  if (top !== null) return `${dir} is a folder within a git repository: name its top folder, ${top}`;
  return `${dir} is no git repository: name one, or run \`git init\` there and commit the files`;
}

function topAbove(dir: string): string | null {
  for (let at = dirname(dir); at !== dirname(at); at = dirname(at)) if (existsSync(join(at, '.git'))) return at;
  return null;
}

function refuse(reason: string): Found {
  return { ok: false, reason };
}
