export const fenceStart = /^(`{3,})[^`]*$|^(~{3,})/u;
export const marker = /^(?:[-*+]|\d{1,9}[.)])(?=[ \t]|$)/u;
export const rule = /^(?:(?:-[ \t]*){3,}|(?:\*[ \t]*){3,}|(?:_[ \t]*){3,})$/u;
const blockTags =
  'address|article|aside|base|basefont|blockquote|body|caption|center|col|colgroup|dd|details|dialog|dir|div|dl|dt|fieldset|figcaption|figure|footer|form|frame|frameset|h[1-6]|head|header|hr|html|iframe|legend|li|link|main|menu|menuitem|nav|noframes|ol|optgroup|option|p|param|search|section|summary|table|tbody|td|tfoot|th|thead|title|tr|track|ul';
/** Raw HTML blocks of CommonMark, but comments: how they start and how they end (null: at an empty line). */
export const htmlBlocks: readonly { start: RegExp; end: RegExp | null; interrupts: boolean }[] = [
  {
    start: /^<(?:script|pre|style|textarea)(?:[\s>]|$)/iu,
    end: /<\/(?:script|pre|style|textarea)>/iu,
    interrupts: true,
  },
  { start: /^<\?/u, end: /\?>/u, interrupts: true },
  { start: /^<![a-z]/iu, end: />/u, interrupts: true },
  { start: /^<!\[CDATA\[/u, end: /\]\]>/u, interrupts: true },
  { start: new RegExp(`^</?(?:${blockTags})(?:\\s|/?>|$)`, 'iu'), end: null, interrupts: true },
  { start: /^<\/?[a-z][a-z0-9-]*(?:\s[^<>]*)?\/?>[ \t]*$/iu, end: null, interrupts: false },
];

/** A heading's level and text, or null. By hand: an expression for it would backtrack over long runs of spaces. */
export function readHeading(rest: string): { level: number; text: string } | null {
  const level = /^#{1,6}(?=[ \t]|$)/u.exec(rest)?.[0].length;
  if (level === undefined) return null;
  const text = rest.slice(level).trim();
  let end = text.length;
  while (text[end - 1] === '#') end--;
  const closed = end < text.length && (end === 0 || /[ \t]/u.test(text[end - 1] ?? ''));
  return { level, text: stripClosedComments(closed ? text.slice(0, end).trim() : text) };
}

/** A quick look at the first character: most lines are plain text. */
export function mayStartBlock(rest: string): boolean {
  return /^[#`~<>*+_\d-]/u.test(rest);
}

/** Whether a line ends the paragraph before it. */
export function startsBlock(rest: string): boolean {
  if (!mayStartBlock(rest)) return false;
  if (
    /^#{1,6}(?:[ \t]|$)/u.test(rest) ||
    fenceStart.test(rest) ||
    rule.test(rest) ||
    marker.test(rest) ||
    rest.startsWith('>')
  )
    return true;
  return (
    rest.startsWith('<') &&
    (rest.startsWith('<!--') || htmlBlocks.some(({ start, interrupts }) => interrupts && start.test(rest)))
  );
}

/** Where the next `<!--` outside a code span is. */
export function nextOpening(text: string, from: number): number | null {
  const tokens = /`+|<!--/gu;
  tokens.lastIndex = from;
  for (let token = tokens.exec(text); token; token = tokens.exec(text)) {
    if (token[0] === '<!--') return token.index;
    const close = closingTicks(text, token.index + token[0].length, token[0].length);
    if (close !== null) tokens.lastIndex = close;
  }
  return null;
}

function closingTicks(text: string, from: number, length: number): number | null {
  const runs = /`+/gu;
  runs.lastIndex = from;
  for (let run = runs.exec(text); run; run = runs.exec(text)) if (run[0].length === length) return runs.lastIndex;
  return null;
}

function stripClosedComments(text: string): string {
  let kept = '';
  let at = 0;
  for (;;) {
    const open = text.indexOf('<!--', at);
    const close = open < 0 ? -1 : text.indexOf('-->', open + 4);
    if (close < 0) return (kept + text.slice(at)).trim();
    kept += text.slice(at, open);
    at = close + 3;
  }
}

export function isRunOf(text: string, char: string): boolean {
  for (const each of text) if (each !== char) return false;
  return true;
}

/** Leading tabs as columns of four; the rest untouched. */
export function expandIndent(line: string): string {
  if (!line.includes('\t')) return line;
  const lead = /^[ \t]*/u.exec(line)?.[0] ?? '';
  let columns = 0;
  for (const char of lead) columns += char === '\t' ? 4 - (columns % 4) : 1;
  return ' '.repeat(columns) + line.slice(lead.length);
}
