import { stripVTControlCharacters } from 'node:util';

/**
 * Characters that cannot be seen or that reorder what is seen: controls but tab and line feed, format characters (bidirectional
 * controls, joiners, tags, soft hyphen, byte order mark), variation selectors and fillers, line separators, the empty Braille cell,
 * private use, lone surrogates.
 */
const unseen = /[\p{Cf}\p{Co}\p{Cs}\p{Default_Ignorable_Code_Point}\u2028\u2029\u2800]|(?![\t\n])\p{Cc}/gu;

/** More than three marks on one letter are no language's spelling: they draw over the neighbouring lines. */
const markPile = /(\p{M}{3})\p{M}+/gu;

/** Unusual spaces, which can push text out of sight, as plain ones. */
const oddSpace = /[\p{Zs}]/gu;

/** Text with everything removed (terminal sequences too) that cannot be seen, that reorders, or that draws outside its line. Lines end in `\n`. */
export function visibleText(text: string): string {
  return stripVTControlCharacters(text)
    .replace(/\r\n?/g, '\n')
    .replace(oddSpace, ' ')
    .replace(unseen, '')
    .replace(markPile, '$1');
}

/** The same of a text of which no more than `maxChars` will be shown: the rest of a long one is not even looked at. */
export function visibleStart(text: string, maxChars: number): string {
  return visibleText(text.length > maxChars * 4 + 200 ? text.slice(0, maxChars * 4 + 200) : text);
}

/** At most `maxChars`, never half a surrogate pair, with an ellipsis where something was cut. */
export function cutEnd(text: string, maxChars: number): string {
  if (text.length <= maxChars) return text;
  const end = Math.max(0, maxChars - 1);
  const code = text.charCodeAt(end - 1);
  const splitsPair = code >= 0xd800 && code <= 0xdbff;
  return `${text.slice(0, splitsPair ? end - 1 : end)}…`;
}

/** Head and tail of a longer text, cut at line ends where there are any, with a line between that says how much is missing. */
export function cutMiddle(text: string, maxChars: number): string {
  if (text.length <= maxChars) return text;
  const room = Math.max(0, maxChars - 60);
  const headEnd = Math.floor(room / 4);
  const tailStart = text.length - (room - headEnd);
  const head = text.slice(0, Math.max(text.lastIndexOf('\n', headEnd), Math.floor(headEnd / 2)));
  const nextLine = text.indexOf('\n', tailStart);
  const tail = text.slice(nextLine === -1 || nextLine > tailStart + 400 ? tailStart : nextLine + 1);
  const missing = text.length - head.length - tail.length;
  return `${head.trimEnd()}\n… ${missing} characters not shown …\n${tail}`.replace(
    /[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g,
    '',
  );
}
