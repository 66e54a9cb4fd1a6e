import { createHash } from 'node:crypto';
import { access, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { MillwrightError } from '../errors.ts';
import type { GitCall, GitCommand, GitResult, RunningGit } from './git-command.ts';
import { brief } from './remote-call.ts';

/** The bare mirror of one repository, as the verbs see it. */
export interface Mirror {
  readonly gitDir: string;
  /** Output of a call that must succeed. Errors: `outside.git`. */
  git(args: readonly string[], options?: MirrorCall): Promise<Buffer>;
  /** Any exit code is a result. */
  result(args: readonly string[], options?: MirrorCall): Promise<GitResult>;
  start(args: readonly string[], options?: MirrorCall): RunningGit;
  /** The error for a call that failed; a mirror that looks damaged is marked, so that the next fetch mends it. */
  failed(what: string, result: Pick<GitResult, 'exitCode' | 'stderr'>): Promise<MillwrightError>;
}

export type MirrorCall = Omit<GitCall, 'args' | 'gitDir'>;

const longestSlug = 80;

// What git says when its own objects, packs or settings cannot be read. Lines of the other side (`remote:`) do not count.
const damage = new RegExp(
  [
    'object file .* is empty',
    'loose object .* is corrupt',
    'corrupt (?:loose|patch|delta)',
    'packfile .* (?:cannot be accessed|is not a GIT|does not match|claims|is far too short|index unavailable|is truncated)',
    'index file .* (?:is too small|corrupt)',
    'wrong index v\\d',
    'bad object refs/',
    'bad config',
    'not a git repository',
    'unable to (?:read|unpack|find) (?:tree|blob|sha1|object|[0-9a-f]{40})',
    'missing (?:blob|tree|commit|object)',
    'inflate: data stream error',
    'unresolved deltas',
    'did not send all necessary objects',
    'could not fetch [0-9a-f]{40} from promisor remote',
    'failed to traverse',
    'could not (?:read|parse) (?:object )?[0-9a-f]{40}',
    'does not point to a valid object',
    'unable to normalize alternate',
  ].join('|'),
  'i',
);

/** Whether the failure lies in the mirror itself and not on the other side. */
export function looksDamaged(stderr: string): boolean {
  return stderr.split('\n').some((line) => !line.startsWith('remote:') && damage.test(line));
}

/** Folder of a repository's mirror: readable, and unlike any other repository's on every file system. */
export function mirrorPath(mirrorsDir: string, repository: string): string {
  const slug = repository
    .replaceAll('/', '__')
    .replace(/[^A-Za-z0-9._-]/g, '-')
    .slice(0, longestSlug);
  const key = createHash('sha256').update(repository).digest('hex').slice(0, 16);
  return join(mirrorsDir, `m-${slug}-${key}.git`);
}

/** Marks the mirror as one that the next fetch has to remake. */
const suspectMark = 'millwright-suspect';

export async function isSuspect(gitDir: string): Promise<boolean> {
  return await exists(join(gitDir, suspectMark));
}

export async function exists(path: string): Promise<boolean> {
  return await access(path).then(
    () => true,
    () => false,
  );
}

export function openMirror(mirrorsDir: string, repository: string, command: GitCommand): Mirror {
  const gitDir = mirrorPath(mirrorsDir, repository);

  async function failed(what: string, result: Pick<GitResult, 'exitCode' | 'stderr'>): Promise<MillwrightError> {
    if (looksDamaged(result.stderr) && (await exists(gitDir))) await writeFile(join(gitDir, suspectMark), '');
    return new MillwrightError('outside.git', {
      message: `${what} failed (${result.exitCode}): ${brief(result.stderr)}`,
    });
  }

  const result = (args: readonly string[], options: MirrorCall = {}) => command.run({ ...options, args, gitDir });

  return {
    gitDir,
    failed,
    result,
    start: (args, options = {}) => command.start({ ...options, args, gitDir }),
    git: async (args, options = {}) => {
      const done = await result(args, options);
      if (done.exitCode !== 0) throw await failed(`git ${args[0]}`, done);
      return done.stdout;
    },
  };
}
