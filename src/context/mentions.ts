import type { Contract } from '../contract/contract.ts';
import { baseName } from './paths.ts';

/** What the contract's prose names without saying where it is. */
export interface Mentions {
  /** Files by path, or by a name that few files bear. */
  paths: readonly string[];
  /** Names that look like code. */
  identifiers: readonly string[];
  /** Other words, in lower case, for the names of files and folders. */
  words: readonly string[];
}

const mostIdentifiers = 12;
const mostWords = 40;
/** More files of one name mean that none of them was meant. */
const fewFiles = 3;

const usualWords = new Set(
  [
    'given when then with that this these those they them from into onto than also only must shall should would could will',
    'have been does done each every some when where what which while because make made makes using used uses return returns',
    'test tests file files code change changes result results value values line lines pass passes fail fails still same other',
    'between without within under over after before about there here their its not never always more most less least',
  ].flatMap((line) => line.split(' ')),
);

/** Reads goal, criteria and stop condition. */
export function mentionsIn(contract: Contract, paths: readonly string[]): Mentions {
  const text = [contract.goal, ...contract.criteria.map((criterion) => criterion.text), contract.stop.text].join('\n');
  const written = new Set(text.split(/[^\w@./-]+/).map((word) => word.replace(/^\.\/|\.+$/g, '')));
  const named = paths.filter((path) => written.has(path));
  const byName = Map.groupBy(paths, baseName);
  for (const word of written) {
    const found = byName.get(word) ?? [];
    if (found.length <= fewFiles) named.push(...found);
  }
  const words = text.toLowerCase().match(/[\p{L}\d]{4,}/gu) ?? [];
  return {
    paths: [...new Set(named)],
    identifiers: identifiersIn(text).slice(0, mostIdentifiers),
    words: [...new Set(words)].filter((word) => !usualWords.has(word)).slice(0, mostWords),
  };
}

/** Single words in backticks, and words that only code writes: `parseDate`, `parse_date`, `ParseDate`. */
function identifiersIn(text: string): string[] {
  const quoted = [...text.matchAll(/`([^`\n]{1,200})`/g)].flatMap(([, inside = '']) => partsOf(inside));
  const bare = text.match(
    /\b(?:[a-z][a-z\d]*[A-Z][A-Za-z\d]*|[A-Z][a-z\d]+[A-Z][A-Za-z\d]*|[A-Za-z\d]+_[A-Za-z\d]\w*)\b/g,
  );
  return [...new Set([...quoted, ...(bare ?? [])])].filter((name) => name.length >= 3 && name.length <= 80);
}

/** `parseDate(text)` → `parseDate`; `Dates.parse` → both; commands and texts with blanks are no names. */
function partsOf(inside: string): string[] {
  const name = /^\.?([A-Za-z_$][\w$]*(?:\.[A-Za-z_$][\w$]*)*)(?:\(.*\))?$/.exec(inside.trim())?.[1];
  return name === undefined || /\.(?:[cm]?[jt]sx?|py|go|md|json|ya?ml|toml)$/.test(name) ? [] : name.split('.');
}
