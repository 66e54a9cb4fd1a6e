import { randomBytes } from 'node:crypto';
import type { LogEntry } from './git.ts';
import { looksDamaged, type Mirror } from './mirror.ts';
import { requireSha } from './tree.ts';

type Range = { from?: string; to: string; limit: number; paths?: readonly string[] };

/** Bounds of the call that tells files: what one commit changes is held in memory by git before any of it is written. */
const namesMemoryBytes = 512 * 1024 ** 2;
const namesBytes = 64 * 1024 ** 2;
const namesMs = 30_000;

/**
 * Commits reachable from `to` and not from `from`, newest first, with the files that each changed against its first parent. A commit of the
 * past may have come with trees that name more files than there is memory for, or have taken them away: from the one after it on no files are told.
 */
export async function logOf(mirror: Mirror, range: Range): Promise<LogEntry[]> {
  // Names in commits are anybody's text: a mark that nobody can guess tells where a record begins.
  const mark = randomBytes(12).toString('hex');
  const named = await namedEntries(mirror, range, mark);
  if (named.whole) return named.entries;
  const out = await mirror.git(argsOf(range, mark, ['--no-patch']));
  return readRecords(out, mark).map((entry, index) => ({ ...entry, files: named.entries[index]?.files ?? [] }));
}

/** `whole`: git came to its end. Else the entries that it got to. */
async function namedEntries(
  mirror: Mirror,
  range: Range,
  mark: string,
): Promise<{ entries: LogEntry[]; whole: boolean }> {
  const running = mirror.start(argsOf(range, mark, ['--name-only', '--diff-merges=first-parent']), {
    timeoutMs: namesMs,
    maxMemoryBytes: namesMemoryBytes,
  });
  const chunks: Buffer[] = [];
  let total = 0;
  running.stdout.on('data', (chunk: Buffer) => {
    total += chunk.length;
    if (total > namesBytes) running.kill();
    else chunks.push(chunk);
  });
  running.stdin.end();
  const [ended] = await Promise.allSettled([running.ended]);
  const result = ended.status === 'fulfilled' ? ended.value : null;
  const entries = readRecords(Buffer.concat(chunks), mark);
  if (result?.exitCode === 0) return { entries, whole: true };
  if (result && !/out of memory/i.test(result.stderr) && looksDamaged(result.stderr))
    throw await mirror.failed('git log', result);
  // The last one may lack some of its files.
  return { entries: entries.slice(0, -1), whole: false };
}

function argsOf(range: Range, mark: string, flags: readonly string[]): string[] {
  return [
    'log',
    `--max-count=${Math.max(0, Math.floor(range.limit))}`,
    `--format=${mark}%x00%H%x00%P%x00%an%x00%ae%x00%ct%x00%s%x00`,
    ...flags,
    '-z',
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
  ];
}

const readRecords = (out: Buffer, mark: string) => out.toString('utf8').split(`${mark}\0`).slice(1).map(readRecord);

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
