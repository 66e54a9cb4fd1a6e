import { isTestPath } from '../verification/test-paths.ts';
import type { CoChange } from './co-change.ts';
import { changeReason } from './exercising-tests.ts';
import { bestFirst, type Ranked, type Reason, rank, type Snapshot } from './ranking.ts';

const points = { imported: 4, again: 1, importing: 2, changes: 2 } as const;
/** Whom everybody imports tells little about this task. */
const mostImporters = 60;
const leastScore = 1.5;

/** What the subjects import, who imports them, and what changed together with them: shown in outline. */
export function neighboursOf(
  snapshot: Snapshot,
  subjects: readonly string[],
  changes: ReadonlyMap<string, CoChange>,
  most: number,
): Ranked[] {
  const wanted = new Set(subjects);
  const reasons = new Map<string, Reason[]>();
  const add = (path: string, reason: Reason) => reasons.set(path, [...(reasons.get(path) ?? []), reason]);
  const importers = countImporters(snapshot);

  for (const [path, by] of importedBy(snapshot, subjects)) {
    const weight = (points.imported + Math.min(by.length - 1, 2) * points.again) * rarity(importers.get(path) ?? 0);
    add(path, { points: weight, words: `is imported by ${by[0]}${by.length > 1 ? ` and ${by.length - 1} more` : ''}` });
  }
  for (const [path, targets] of snapshot.imports) {
    const subject = [...targets].find((target) => wanted.has(target));
    if (subject === undefined) continue;
    add(path, { points: points.importing * rarity(importers.get(subject) ?? 0), words: `imports ${subject}` });
  }
  for (const [path, change] of changes) add(path, changeReason(change, points.changes));

  const present = new Set(snapshot.files.filter(({ mode }) => mode.startsWith('100')).map(({ path }) => path));
  const ranked = [...reasons]
    .filter(([path]) => present.has(path) && !wanted.has(path) && !isTestPath(path))
    .map(([path, why]) => rank(path, why))
    .filter(({ score }) => score >= leastScore);
  return bestFirst(ranked, most);
}

const rarity = (importers: number) => Math.max(0.25, 1 - importers / mostImporters);

function countImporters({ imports }: Snapshot): Map<string, number> {
  const counts = new Map<string, number>();
  for (const targets of imports.values())
    for (const target of targets) counts.set(target, (counts.get(target) ?? 0) + 1);
  return counts;
}

function importedBy({ imports }: Snapshot, subjects: readonly string[]): Map<string, string[]> {
  const by = new Map<string, string[]>();
  for (const subject of subjects)
    for (const target of imports.get(subject) ?? []) by.set(target, [...(by.get(target) ?? []), subject]);
  return by;
}
