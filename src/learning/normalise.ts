/**
 * Output of a failing command without what differs from run to run: places outside the repository, lines, times, seeds, addresses,
 * durations, temporary names, the order in which things were told. What is left stands for the failure itself.
 */

/** Where a checkout lies in a container: paths below it are the repository's own. */
const insideFolders = ['/workspace/'];
const mostLines = 20;
const longestLine = 300;
/** What is looked through at most; runners say last what matters most. */
const longestOutput = 200_000;

const rewrites: readonly [RegExp, string | ((match: string, ...groups: string[]) => string)][] = [
  // biome-ignore lint/suspicious/noControlCharactersInRegex: colours of terminals
  [/\u001b\[[0-9;?]*[ -/]*[@-~]/g, ''],
  [/\b\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d)?(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?)?/g, '<time>'],
  [/\b\d{1,2}:\d\d:\d\d(?:[.,]\d+)?\b/g, '<time>'],
  [/\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b/gi, '<id>'],
  [/\b0x[0-9a-f]+\b/gi, '<address>'],
  [/\b(?:localhost|\d{1,3}(?:\.\d{1,3}){3})(?::\d+)?\b/g, '<host>'],
  [/(?<![\w.~/-])(?:file:\/\/)?(?:[A-Za-z]:)?(?:\/[\w.@+~-]+)+\/?/g, pathOf],
  [/\b(?:tmp|temp)[._-][\w.-]+/gi, '<temp>'],
  [/(\.[A-Za-z]\w{0,5}):\d+(?::\d+)?/g, '$1'],
  [/\(\d+[,:]\d+\)/g, ''],
  [/\b(line|column|col|row)s? \d+/gi, '$1 <n>'],
  [/(seed\w*["']?\s{0,3}[:=]?\s{0,3})["']?-?\w+/gi, '$1<seed>'],
  [/\b\d+(?:\.\d+)?\s?(?:ms|µs|us|ns|s|secs?|seconds?|min|minutes?)\b/g, '<duration>'],
  [/\b(pid|process|thread|worker)(\W{0,2})\d+/gi, '$1$2<n>'],
  [/\b(?=[0-9a-f]*\d)(?=[0-9a-f]*[a-f])[0-9a-f]{7,}\b/gi, '<hash>'],
  [/\bnot ok \d+/g, 'not ok'],
  [/^\s*\d+\)\s/, ''],
  [/\b\d{3,}(?:\.\d+)?\b/g, '<n>'],
  [/\s+/g, ' '],
];

function pathOf(path: string): string {
  const plain = path.replace(/^file:\/\//, '');
  const inside = insideFolders.find((folder) => plain.startsWith(folder));
  return inside === undefined ? '<path>' : plain.slice(inside.length);
}

const telling =
  /error|fail|assert|expect|cannot|can't|could not|not found|no such|undefined|exception|panic|traceback|missing|denied|refused|not ok|invalid|unexpected|✗|×|✕|●/i;
/** Sums and stack frames differ with everything else that ran, or say nothing of their own. */
const idle =
  /^\s*(?:#|at\s|Tests?:?\s+(?:Files\s+)?\d|Test Files\b|Test Suites:|Tests?:|Snapshots:|Duration\b|Time:|Ran \d|Start at\b|npm (?:error|ERR!)|make(?:\[\d+\])?:|=+ |-+$|[\d ]+(?:passed|failed|failing|passing))/i;

/** One line, made comparable. */
export function normaliseLine(line: string): string {
  let text = line.slice(0, longestLine * 4);
  for (const [pattern, put] of rewrites) text = text.replace(pattern, put as string);
  return text.trim().slice(0, longestLine);
}

/** The lines that tell of the failure, made comparable, each once, in one order; of an output that tells of none, its last ones. */
export function failureLines(output: string): string[] {
  const lines = output.slice(-longestOutput).split(/\r?\n/);
  const kept = lines.filter((line) => telling.test(line) && !idle.test(line)).map(normaliseLine);
  const last = lines.filter((line) => line.trim() !== '' && !idle.test(line)).slice(-5);
  const chosen = kept.some((line) => line !== '') ? kept : last.map(normaliseLine);
  return [...new Set(chosen.filter((line) => line !== ''))].toSorted().slice(0, mostLines);
}

/** Words of a person or a model, made comparable: case, punctuation and spaces do not matter. */
export function normaliseWords(text: string): string {
  return text
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\s]+/gu, ' ')
    .replace(/\s+/g, ' ')
    .trim();
}
