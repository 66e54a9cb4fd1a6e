/** Code point ranges that a reader cannot see but a parser would: controls, soft hyphen, fillers, zero-width spaces, direction marks, tags. */
const invisibleRanges = [
  '\\u0000-\\u0008\\u000e-\\u001f\\u007f-\\u0084\\u0086-\\u009f',
  '\\u00ad\\u034f\\u061c\\u115f\\u1160\\u17b4\\u17b5\\u180b-\\u180f',
  '\\u200b\\u200e\\u200f\\u202a-\\u202e\\u2060-\\u206f\\u3164\\ufeff\\uffa0\\ufff9-\\ufffb',
  '\\u{e0000}-\\u{e0fff}',
].join('');
const invisible = new RegExp(`[${invisibleRanges}]`, 'gu');
/** Emoji and several scripts need these in prose; a path, name or command does not. */
const joiners = /\u200c|\u200d|[\ufe00-\ufe0f]/gu;
/** Line and page separators and odd spaces: Markdown treats none of them as a line end, so they are spaces here too. */
const oddSpaces = /[\v\f\u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]/gu;

const plainText = /^[\t -~]*$/u;

export interface CleanBody {
  lines: string[];
  /** 1-based lines that held characters nobody can see. They are removed. */
  tainted: ReadonlySet<number>;
}

/** The lines of a body, any line end, without characters nobody can see. Never throws, linear. */
export function cleanBody(body: string): CleanBody {
  const tainted = new Set<number>();
  const lines = body
    .toWellFormed()
    .replace(/^\ufeff/u, '')
    .split(/\r\n|\r|\n/u)
    .map((line, index) => {
      if (plainText.test(line)) return line;
      const visible = line.replace(oddSpaces, ' ').replace(invisible, '');
      if (visible.length !== line.length) tainted.add(index + 1);
      return visible;
    });
  return { lines, tainted };
}

/** Joiners have no business in a path, name or command: whether one is there, and the text without them. */
export function withoutJoiners(text: string): { text: string; changed: boolean } {
  if (plainText.test(text)) return { text, changed: false };
  const plain = text.replace(joiners, '');
  return { text: plain, changed: plain.length !== text.length };
}

/** Cyrillic, Greek and Latin letters that look like an ASCII letter; each pair is look-alike, letter. */
const lookAlikes = new Map(
  'аaбbвbеeзzиuкkмmнhоoрpсcтtуyхxіiїiјjѕsԁdԛqԝwӏlгrпnαaβbεeηnιiκkνvοoρpτtυuχxγyωwſsıiɡgոnօoսu'
    .match(/../gu)
    ?.map((pair) => [pair[0] ?? '', pair[1] ?? '']) as [string, string][],
);

/** Longer than any label: a bound on the expressions below, which backtrack. */
const maxLabelChars = 200;

/** A picture before a label, with what gives it its look. */
const picture = /^(\s*(?:\d{1,3}[.)]\s+)?)(?:\p{Extended_Pictographic}[\u200d\ufe0f\u{1f3fb}-\u{1f3ff}]*)+\s*/u;

/** A label without pictures before it: people decorate headings. */
export function withoutPicture(text: string): string {
  return plainText.test(text) ? text : text.replace(picture, '$1');
}

const fewWords = /^\p{L}+(?: \p{L}+)*$/u;

/** A label as compared: case, spaces, dashes, emphasis, numbering and trailing colons do not matter. */
export function plainLabel(text: string): string {
  // Most labels are a few words, and a body may be all labels.
  if (text.length <= maxLabelChars && fewWords.test(text)) return text.toLowerCase();
  return withoutJoiners(text.slice(0, maxLabelChars))
    .text.replace(/[`*_]{1,3}(?=\S)|(?<=\S)[`*_]{1,3}/gu, '')
    .replace(/^\s*(?:[-*+]\s+|\d{1,3}[.)]\s+)+/u, '')
    .replace(/[\u2010-\u2015\u2212]/gu, '-')
    .replace(/\s*\((?:optional|required)\)\s*(?=:*\s*$)/iu, '')
    .replace(/[\s:：#]+$/u, '')
    .replace(/\s+/gu, ' ')
    .replace(/\s*&\s*/gu, ' and ')
    .trim()
    .toLowerCase();
}

/** A plain label with look-alike letters replaced by the letters they look like. */
export function foldLookAlikes(label: string): string {
  return plainText.test(label) ? label : Array.from(label, foldedLetter).join('');
}

/** Whether a label may be one of ours, or imitate it: in ASCII, or in letters that look like it. Asked first, since a body may be all labels. */
export function mayBeAscii(text: string): boolean {
  if (plainText.test(text)) return true;
  for (const letter of text.slice(0, maxLabelChars))
    if (!plainText.test(foldedLetter(letter)) && !dropped.test(letter)) return false;
  return true;
}

/** What `plainLabel` takes out or writes otherwise, though it is not ASCII. */
const dropped = /\s|\u200c|\u200d|[\ufe00-\ufe0f]|[\u2010-\u2015\u2212：]/u;

/** Letters folded before; a text has few different ones. */
const foldedLetters = new Map<string, string>();
const mostLetters = 4096;

function foldedLetter(letter: string): string {
  const known = foldedLetters.get(letter);
  if (known !== undefined) return known;
  const plain = letter.normalize('NFKD').replace(/\p{M}/gu, '').toLowerCase();
  const folded = Array.from(plain, (each) => lookAlikes.get(each) ?? each).join('');
  if (foldedLetters.size >= mostLetters) foldedLetters.clear();
  foldedLetters.set(letter, folded);
  return folded;
}

/** Runs of spaces inside a text as one space; what indents it stays. */
export function singleSpaced(text: string): string {
  return text.includes('  ') || text.includes('\t') ? text.replace(/(?<=\S)[ \t]+/gu, ' ') : text;
}

/** Without what stands at its end and is in `tail`. By hand: an expression looks at a long run anew from each of its characters. */
export function withoutTail(text: string, tail: RegExp): string {
  let end = text.length;
  while (end > 0 && tail.test(text[end - 1] ?? '')) end--;
  return text.slice(0, end);
}

/** Free text as kept: no space at line ends, no runs of spaces or empty lines, except inside code fences. */
export function tidyProse(lines: readonly { text: string; verbatim: boolean }[]): string {
  const kept: string[] = [];
  let blankBefore = true;
  for (const { text, verbatim } of lines) {
    const tidy = verbatim ? text : singleSpaced(text).trimEnd();
    if (!verbatim && tidy === '') {
      if (!blankBefore) kept.push('');
      blankBefore = true;
      continue;
    }
    kept.push(tidy);
    blankBefore = false;
  }
  while (kept.at(-1) === '') kept.pop();
  return kept.join('\n');
}

/** At most `maxChars` characters of a text, on one line, for a message. */
export function excerpt(text: string, maxChars = 200): string {
  const oneLine = text.replace(/\s+/gu, ' ').trim();
  const chars = Array.from(oneLine.slice(0, maxChars * 2 + 2));
  return chars.length > maxChars ? `${chars.slice(0, maxChars - 1).join('')}…` : oneLine;
}
