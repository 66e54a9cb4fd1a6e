import { expect, it } from 'vitest';
import { coChanges, lastTouched, recentHistory } from '../../src/context/co-change.ts';
import type { LogEntry } from '../../src/git/git.ts';

let commits = 0;
function entry(files: string[], change: Partial<LogEntry> = {}): LogEntry {
  commits += 1;
  const commit = String(commits).padStart(40, '0');
  return {
    commit,
    parents: ['p'],
    author: 'Ada',
    email: 'ada@example.org',
    committedAtS: 1_700_000_000,
    subject: `change ${commits}`,
    files,
    ...change,
  };
}

it('counts how often files changed together, and not by chance, in merges or in bulk commits', () => {
  const bulk = Array.from({ length: 50 }, (_, index) => `bulk/${index}`);
  const log = [
    entry(['src/a.ts', 'test/a.test.ts', 'once.ts']),
    entry(['src/a.ts', 'test/a.test.ts']),
    entry(['src/a.ts']),
    entry(['src/a.ts', 'once.ts', 'merged.ts'], { parents: ['p', 'q'] }),
    entry(['src/a.ts', ...bulk]),
    entry(['src/a.ts', ...bulk]),
  ];

  const changes = coChanges(log, new Set(['src/a.ts']));

  expect([...changes]).toEqual([['test/a.test.ts', { subject: 'src/a.ts', together: 2, of: 3 }]]);
});

it('keeps for each file the subject that it goes with most closely', () => {
  const log = [
    entry(['a.ts', 'b.ts', 'shared.ts']),
    entry(['a.ts', 'b.ts', 'shared.ts']),
    entry(['a.ts']),
    entry(['a.ts']),
  ];

  const changes = coChanges(log, new Set(['a.ts', 'b.ts']));

  expect(changes.get('shared.ts')).toEqual({ subject: 'b.ts', together: 2, of: 2 });
});

it('tells the last commits of the files, newest first, without merges', () => {
  const log = [
    entry(['src/a.ts'], { parents: ['p', 'q'], subject: 'merge' }),
    entry(['src/a.ts', 'x.ts'], { subject: 'second' }),
    entry(['x.ts'], { subject: 'other' }),
    entry(['src/a.ts'], { subject: 'first', committedAtS: 1e18 }),
    entry(['src/a.ts'], { subject: 'too far back' }),
  ];

  const lines = recentHistory(log, new Set(['src/a.ts']), 2);

  expect(lines).toEqual([
    expect.stringMatching(/^0{8}\d\d 2023-11-14 second \(src\/a\.ts\)$/),
    expect.stringMatching(/^0{8}\d\d undated first \(src\/a\.ts\)$/),
  ]);
  expect(lastTouched(log, 'x.ts')).toMatch(/second$/);
  expect(lastTouched(log, 'never.ts')).toBeNull();
});
