import { cutEnd, cutMiddle, visibleStart, visibleText } from './visible-text.ts';

/** Where inline text will stand: in running text, or in a table's cell, where a pipe ends the cell even inside code. */
export type Place = 'text' | 'cell';

/** Longest untrusted inline text, when the caller names no bound. */
const inlineLimit = 600;

/**
 * What GitHub turns into something by itself after Markdown is done, so that no backslash helps: mentions, references to issues and
 * commits (closing keywords need one), addresses, emoji that are images. Shown as code, where GitHub leaves them alone.
 */
const liveToken =
  /@|#\d|(?:^|[^a-z])gh-\d|:\/\/|(?:^|[^a-z0-9])www\.|mailto:|xmpp:|:[a-z0-9_+-]+:|(?:^|[^0-9a-z])(?=[0-9a-f]*\d)[0-9a-f]{7,64}(?:$|[^0-9a-z])/i;

/** Punctuation that may begin Markdown anywhere in a line. `_` inside a word begins nothing and stays readable. */
const inlineSpecial = /[\\`*[\]<|~$]|(?<![\p{L}\p{N}])_|_(?![\p{L}\p{N}])|&(?=#|[a-z0-9]+;)/giu;

/** Punctuation that begins a block when it is the first of a line. */
const lineStart = /^(?:([#>=:+-])|(\d{1,9})([.)]))/;

/**
 * Untrusted text as one line of inert Markdown: only words and code spans come out of it. It cannot become a heading, list, quote, table,
 * HTML, comment, link, image, mention, reference, footnote, formula or emphasis. Simple code spans of the author are kept.
 */
export function inert(text: string, options: { maxChars?: number; place?: Place } = {}): string {
  const place = options.place ?? 'text';
  const maxChars = options.maxChars ?? inlineLimit;
  const line = cutEnd(visibleStart(text, maxChars).replace(/\s+/g, ' ').trim(), maxChars);
  const rendered = codeParts(line)
    .map((part) => (part.code ? code(part.text, place) : words(part.text, place)))
    .reduce(joinSpans, '');
  return rendered.replace(lineStart, (_, mark: string | undefined, digits: string, end: string) =>
    mark ? `\\${mark}` : `${digits}\\${end}`,
  );
}

/** The same for a table's cell. An empty text is a dash, so that the cell is seen to be empty. */
export function cell(text: string, maxChars = 200): string {
  return inert(text, { maxChars, place: 'cell' }) || '–';
}

/** Untrusted text of several lines as a quotation of inert lines. */
export function quote(text: string, maxChars = 2000): string {
  const lines = cutEnd(visibleStart(text, maxChars).trim(), maxChars).split('\n');
  return lines
    .map((line) => inert(line, { maxChars }))
    .map((line, index) => (line === '' ? '>' : `> ${line}${index < lines.length - 1 ? '\\' : ''}`))
    .join('\n')
    .replace(/\\\n>(?=\n|$)/g, '\n>');
}

/** Untrusted text as a code span of one line, longer fence than any run of backticks inside. */
export function code(text: string, place: Place = 'text', maxChars = 400): string {
  const visible = cutEnd(visibleStart(text, maxChars).replace(/\s+/g, ' ').trim(), maxChars);
  if (visible === '') return '';
  const content = place === 'cell' ? visible.replace(/\\+(?=\|)/g, '$& ').replaceAll('|', '\\|') : visible;
  const fence = '`'.repeat(longestRun(content, '`') + 1);
  const pad = content.startsWith('`') || content.endsWith('`') || content.endsWith('\\') ? ' ' : '';
  return `${fence}${pad}${content}${pad}${fence}`;
}

/** Untrusted text as a fenced block, cut in the middle, with a fence longer than any run of backticks inside. */
export function fenced(text: string, maxChars = 4000): string {
  const near = text.length > maxChars * 8 ? `${text.slice(0, maxChars * 2)}${text.slice(-maxChars * 6)}` : text;
  const content = cutMiddle(visibleText(near).replace(/^\n+|\s+$/g, ''), maxChars);
  const fence = '`'.repeat(Math.max(3, longestRun(content, '`') + 1));
  return `${fence}text\n${content}\n${fence}`;
}

/**
 * Untrusted text as one plain line for places without Markdown (titles, commit messages), where no escape exists: a space takes the life
 * out of mentions, references, closing keywords, addresses and the marks by which CI is told to skip a commit.
 */
export function plain(text: string, maxChars = 200): string {
  const line = visibleStart(text, maxChars)
    .replace(/\s+/g, ' ')
    .replace(/@(?=\S)/g, '@ ')
    .replace(/#(?=\d)/g, '# ')
    .replace(/:\/\//g, ': //')
    .replace(/\bgh-(?=\d)/gi, 'GH ')
    .replace(/\[((?:skip|no)[ -]\w+|\w+[ -]skip)\]/gi, '($1)')
    .trim();
  return cutEnd(line, maxChars);
}

/** A folded part. `summary` is the app's own words and plain inert text; `body` is finished Markdown. */
export function folded(summary: string, body: string): string {
  return `<details>\n<summary>${htmlText(summary)}</summary>\n\n${body}\n\n</details>`;
}

/** A link of the app's own making; anything but an absolute http(s) address becomes code. */
export function link(label: string, url: string): string {
  const safe = /^https?:\/\/[A-Za-z0-9.:[\]-]+(?:\/[A-Za-z0-9._~/?#@!$&'*+,;=:%-]*)?$/.test(url);
  return safe ? `[${inert(label)}](<${url}>)` : code(url);
}

/** Text inside an HTML element that Markdown leaves alone: references and mentions are broken by an element, since no code span works there. */
function htmlText(text: string): string {
  return visibleText(text)
    .replace(/\s+/g, ' ')
    .replace(/[&<>"'`*_[\]\\~|$@#]|:(?! )/g, (character) => `&#${character.charCodeAt(0)};`)
    .replace(/&#(64|35);(?=[\p{L}\p{N}])/gu, '&#$1;<wbr>');
}

interface Part {
  text: string;
  code: boolean;
}

/** Parts between single pairs of backticks become code, the rest words. An unpaired backtick is a word's. */
function codeParts(line: string): Part[] {
  const parts: Part[] = [];
  let from = 0;
  for (const match of line.matchAll(/(?<![`\\])`([^`]+)`(?!`)/g)) {
    parts.push({ text: line.slice(from, match.index), code: false }, { text: match[1] ?? '', code: true });
    from = match.index + match[0].length;
  }
  parts.push({ text: line.slice(from), code: false });
  return parts.filter((part) => part.text !== '');
}

function words(text: string, place: Place): string {
  return text
    .split(/( )/)
    .map((word) => (liveToken.test(word) ? code(word, place) : word.replace(inlineSpecial, '\\$&')))
    .join('');
}

/** Two code spans side by side would read as one longer fence. */
function joinSpans(left: string, right: string): string {
  return left.endsWith('`') && right.startsWith('`') ? `${left} ${right}` : left + right;
}

function longestRun(text: string, character: string): number {
  let longest = 0;
  let run = 0;
  for (const each of text) {
    run = each === character ? run + 1 : 0;
    if (run > longest) longest = run;
  }
  return longest;
}
