import { appendFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Mirror } from './mirror.ts';

/**
 * The remote of every mirror by name; its address comes with each call. In a partial mirror git takes it for a promise: blobs that are not
 * there are its to give. Commands of ours that find one missing fail, for no call but a fetch may reach it.
 */
export const remoteName = 'millwright';

const promise = `[remote "${remoteName}"]\n\tpromisor = true\n\tpartialclonefilter = blob:none\n`;

/** Makes a fresh mirror partial: fetches bring commits and trees alone, where the server knows how, and everything where it does not. */
export async function makePartial(gitDir: string): Promise<void> {
  await appendFile(join(gitDir, 'config'), promise);
}

async function isPartial(mirror: Mirror): Promise<boolean> {
  const setting = await mirror.result(['config', '--bool', `remote.${remoteName}.promisor`]);
  return setting.stdout.toString().trim() === 'true';
}

/** Objects of a commit's tree, or of a tree, that a partial mirror does not hold yet, one a line; null in a whole one. Errors: `outside.git`. */
export async function lackingObjects(mirror: Mirror, treeish: string): Promise<string | null> {
  if (!(await isPartial(mirror))) return null;
  const listed = await mirror.git([
    'rev-list',
    '--objects',
    '--missing=print',
    '--no-object-names',
    `${treeish}^{tree}`,
  ]);
  return listed
    .toString('latin1')
    .split('\n')
    .flatMap((line) => (line.startsWith('?') ? [`${line.slice(1)}\n`] : []))
    .join('');
}

/** What `git fetch` needs to bring exactly the objects that its input names: all in one request, nothing negotiated. */
export const objectFetch = {
  flags: ['--stdin', '--filter=blob:none'],
  config: [['fetch.negotiationAlgorithm', 'noop']],
} as const;
