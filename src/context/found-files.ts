import { isCode, isTestPath } from '../verification/test-paths.ts';
import type { Mentions } from './mentions.ts';
import { bestFirst, type Ranked, type Reason, rank, type Snapshot } from './ranking.ts';

const points = { path: 10, defines: 8, uses: 1.5, rareWord: 3, word: 1.5, inScope: 1 } as const;
/** More files that use a name mean that it is in wide use. */
const mostUsers = 15;
const rareFiles = 3;
const fewFiles = 15;

/** Files that goal and criteria seem to be about: named there, defining a name that stands there, or named with its words. */
export function foundFiles(
  snapshot: Snapshot,
  mentions: Mentions,
  may: { change: (path: string) => boolean; leastScore: number; most: number },
): Ranked[] {
  const named = new Set(mentions.paths);
  const byName = new Map(mentions.identifiers.map((name) => [name, namedIn(snapshot, name)]));
  const byWord = filesByWord(snapshot, mentions.words);
  const ranked = snapshot.files.flatMap(({ path, mode }) => {
    if (!mode.startsWith('100') || (isTestPath(path) && !named.has(path))) return [];
    const reasons: Reason[] = [];
    if (named.has(path)) reasons.push({ points: points.path, words: 'is named in the goal or a criterion' });
    for (const [name, found] of byName) reasons.push(...nameReasons(path, name, found));
    reasons.push(...(byWord.get(path) ?? []));
    if (reasons.length === 0) return [];
    if (may.change(path)) reasons.push({ points: points.inScope, words: 'may change' });
    return [rank(path, reasons)];
  });
  return bestFirst(
    ranked.filter(({ score }) => score >= may.leastScore),
    may.most,
  );
}

interface Named {
  defining: ReadonlySet<string>;
  using: ReadonlySet<string>;
}

function namedIn({ texts }: Snapshot, name: string): Named {
  const escaped = name.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
  const definition = new RegExp(
    `\\b(?:function\\*?|class|def|func|fn|fun|type|interface|enum|struct|trait|const|let|var|val)[ \\t]+(?:\\([^)\\n]{0,100}\\)[ \\t]*)?${escaped}(?![\\w$])`,
  );
  const defining = new Set<string>();
  const using = new Set<string>();
  for (const [path, text] of texts) {
    if (!text.includes(name)) continue;
    using.add(path);
    if (!isTestPath(path) && definition.test(text)) defining.add(path);
  }
  return { defining, using };
}

function nameReasons(path: string, name: string, { defining, using }: Named): Reason[] {
  if (defining.has(path) && defining.size <= mostUsers)
    return [{ points: points.defines / Math.max(1, defining.size / 2), words: `defines \`${name}\`` }];
  return using.has(path) && using.size <= mostUsers ? [{ points: points.uses, words: `uses \`${name}\`` }] : [];
}

/** Reasons by the words in a path, the rarer the better; words that many paths have tell nothing. */
function filesByWord({ files }: Snapshot, words: readonly string[]): Map<string, Reason[]> {
  const wanted = new Set(words);
  const pathsOf = new Map<string, string[]>();
  for (const { path } of files) {
    if (!isCode(path) || isTestPath(path)) continue;
    for (const word of wordsOf(path)) {
      const known = wanted.has(word) ? word : wanted.has(`${word}s`) ? `${word}s` : null;
      if (known !== null) pathsOf.set(known, [...(pathsOf.get(known) ?? []), path]);
    }
  }
  const reasons = new Map<string, Reason[]>();
  for (const [word, paths] of pathsOf) {
    if (paths.length > fewFiles) continue;
    const weight = paths.length <= rareFiles ? points.rareWord : points.word;
    for (const path of paths)
      reasons.set(path, [...(reasons.get(path) ?? []), { points: weight, words: `its path says “${word}”` }]);
  }
  return reasons;
}

/** `src/dateRange/parse-date.ts` → src, date, range, parse, date */
function wordsOf(path: string): Set<string> {
  const plain = path.replace(/\.[^./]+$/, '').replace(/([a-z\d])([A-Z])/g, '$1 $2');
  return new Set(plain.toLowerCase().split(/[^\p{L}\d]+/u));
}
