import { isTestCode, stem } from '../verification/test-paths.ts';
import type { CoChange } from './co-change.ts';
import { folderOf } from './paths.ts';
import { bestFirst, type Ranked, type Reason, rank, type Snapshot } from './ranking.ts';

const points = { imports: 6, reaches: 3, named: 4, package: 2, changes: 3, mentions: 1, further: 1 } as const;
/** Below this a test has only one weak sign for it. */
const leastScore = 1.5;
/** A name such as `index` or `main` says nothing. */
const emptyStems = new Set([
  'index',
  'main',
  'mod',
  'init',
  '__init__',
  'conftest',
  'setup',
  'helpers',
  'utils',
  'types',
]);

/** Tests that seem to exercise the subjects, by what they import, how they are named and what they changed together with. */
export function exercisingTests(
  snapshot: Snapshot,
  subjects: readonly string[],
  signs: { changes: ReadonlyMap<string, CoChange>; identifiers: readonly string[] },
  most: number,
): Ranked[] {
  const byStem = Map.groupBy(
    subjects.filter((path) => !emptyStems.has(stem(path))),
    stem,
  );
  const wanted = new Set(subjects);
  const tests = snapshot.files.filter(({ path }) => isTestCode(path) && !wanted.has(path));
  const ranked = tests.map(({ path }) => {
    const reasons = [...importReasons(path, snapshot, wanted), ...packageReasons(path, subjects)];
    const alike = byStem.get(stem(path));
    if (alike) reasons.push({ points: points.named, words: `is named like ${nearest(path, alike)}` });
    const change = signs.changes.get(path);
    if (change) reasons.push(changeReason(change, points.changes));
    // A mention alone is no sign: any test may use a name that is in wide use.
    if (reasons.length > 0) reasons.push(...mentionReasons(snapshot.texts.get(path) ?? '', signs.identifiers));
    return rank(path, reasons);
  });
  return bestFirst(
    ranked.filter(({ score }) => score >= leastScore),
    most,
  );
}

export function changeReason({ subject, together, of }: CoChange, most: number): Reason {
  return { points: (most * together) / of, words: `changed with ${subject} in ${together} of ${of} commits` };
}

function importReasons(test: string, { imports }: Snapshot, subjects: ReadonlySet<string>): Reason[] {
  const own = [...(imports.get(test) ?? [])];
  const direct = own.filter((path) => subjects.has(path));
  if (direct[0] !== undefined) {
    const more = direct.length - 1;
    const words = more === 0 ? `imports ${direct[0]}` : `imports ${direct[0]} and ${more} more of these files`;
    return [{ points: points.imports + Math.min(more, 3) * points.further, words }];
  }
  for (const through of own) {
    const subject = [...(imports.get(through) ?? [])].find((path) => subjects.has(path));
    if (subject !== undefined) return [{ points: points.reaches, words: `reaches ${subject} through ${through}` }];
  }
  return [];
}

/** Tests of a Go package stand in its folder and import nothing of it. */
function packageReasons(test: string, subjects: readonly string[]): Reason[] {
  if (!test.endsWith('_test.go')) return [];
  const subject = subjects.find((path) => path.endsWith('.go') && folderOf(path) === folderOf(test));
  return subject === undefined ? [] : [{ points: points.package, words: `is in the package of ${subject}` }];
}

function mentionReasons(text: string, identifiers: readonly string[]): Reason[] {
  const named = identifiers.filter((name) => text.includes(name)).slice(0, 2);
  return named.length === 0
    ? []
    : [
        {
          points: named.length * points.mentions,
          words: `mentions ${named.map((name) => `\`${name}\``).join(' and ')}`,
        },
      ];
}

/** Of several files with the name, the one with the longest common beginning of its path. */
function nearest(test: string, subjects: readonly string[]): string {
  const common = (path: string) => {
    let at = 0;
    while (at < path.length && path[at] === test[at]) at++;
    return at;
  };
  return subjects.reduce((best, path) => (common(path) > common(best) ? path : best));
}
