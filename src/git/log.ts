import { randomBytes } from 'node:crypto';
import type { LogEntry } from './git.ts';
import type { Mirror } from './mirror.ts';
import { requireSha } from './tree.ts';

/** Commits reachable from `to` and not from `from`, newest first, with the files that each changed against its first parent. */
export async function logOf(
  mirror: Mirror,
  range: { from?: string; to: string; limit: number; paths?: readonly string[] },
): Promise<LogEntry[]> {
  // Names in commits are anybody's text: a mark that nobody can guess tells where a record begins.
  const mark = randomBytes(12).toString('hex');
  const out = await mirror.git([
    'log',
    `--max-count=${Math.max(0, Math.floor(range.limit))}`,
    `--format=${mark}%x00%H%x00%P%x00%an%x00%ae%x00%ct%x00%s%x00`,
    '--name-only',
    '-z',
    '--diff-merges=first-parent',
    '--no-ext-diff',
    '--no-textconv',
    '--no-renames',
    '--no-show-signature',
    '--no-mailmap',
    '--encoding=UTF-8',
    requireSha(range.to),
    ...(range.from === undefined ? [] : [`^${requireSha(range.from)}`]),
    '--',
    ...(range.paths ?? []),
  ]);
  return out.toString('utf8').split(`${mark}\0`).slice(1).map(readRecord);
}

function readRecord(record: string): LogEntry {
  const [commit = '', parents = '', author = '', email = '', time = '', subject = '', ...files] = record.split('\0');
  return {
    commit,
    parents: parents.split(' ').filter((parent) => parent !== ''),
    author,
    email,
    committedAtS: Number(time),
    subject,
    // A line feed parts the message from the first name.
    files: files.filter((file) => file !== '').map((file, index) => (index === 0 ? file.replace(/^\n/, '') : file)),
  };
}
