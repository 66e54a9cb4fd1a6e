/** Windows compared at most: bounds the time for huge files. */
const maxComparisons = 400_000;

interface ClosestMatch {
  /** 1-based. */
  startLine: number;
  lines: string[];
  /** How it differs from what was looked for, when that can be said in a phrase. */
  difference: string | null;
}

/** The place of a text that resembles the wanted lines most, or null when nothing does. Linear in both, bounded. */
export function closestMatch(text: string, wanted: string): ClosestMatch | null {
  const lines = text.split('\n');
  const sought = trimmedEnds(wanted.split('\n'));
  if (sought.length === 0 || lines.length * sought.length > maxComparisons) return null;
  const plainLines = lines.map(plain);
  const plainSought = sought.map(plain);
  let best = { score: 0, at: -1 };
  for (let at = 0; at < lines.length; at += 1) {
    let score = 0;
    for (let offset = 0; offset < sought.length; offset += 1) {
      score += likeness(plainLines[at + offset], plainSought[offset] ?? '');
    }
    if (score > best.score) best = { score, at };
  }
  if (best.at < 0 || best.score / sought.length < 0.35) return null;
  const found = lines.slice(best.at, best.at + sought.length);
  return { startLine: best.at + 1, lines: found, difference: difference(found, sought) };
}

/** Blank lines at the ends match anywhere and would only blur the place. */
function trimmedEnds(lines: string[]): string[] {
  const first = lines.findIndex((line) => line.trim() !== '');
  if (first < 0) return [];
  const last = lines.findLastIndex((line) => line.trim() !== '');
  return lines.slice(first, last + 1);
}

const plain = (line: string) => line.trim().replace(/\s+/g, ' ');

/** 1 for the same line but for white space, else the share of words in common, a little less. */
function likeness(line: string | undefined, wanted: string): number {
  if (line === undefined) return 0;
  if (line === wanted) return 1;
  if (line === '' || wanted === '') return 0;
  const words = new Set(line.match(/\w+/g));
  const wantedWords = new Set(wanted.match(/\w+/g));
  if (words.size === 0 || wantedWords.size === 0) return 0;
  let common = 0;
  for (const word of wantedWords) if (words.has(word)) common += 1;
  return (0.9 * 2 * common) / (words.size + wantedWords.size);
}

function difference(found: readonly string[], sought: readonly string[]): string | null {
  const pairs = sought.map((line, index) => [found[index] ?? '', line] as const);
  if (pairs.every(([left, right]) => left.trimEnd() === right.trimEnd()))
    return 'only white space at line ends differs';
  if (pairs.every(([left, right]) => left.trim() === right.trim())) return 'only the indentation differs';
  if (pairs.every(([left, right]) => plain(left) === plain(right))) return 'only white space differs';
  const changed = pairs.findIndex(([left, right]) => left.trimEnd() !== right.trimEnd());
  return changed < 0 ? null : `the first line that differs is line ${changed + 1} of old_text`;
}
