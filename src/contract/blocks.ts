import {
  expandIndent,
  fenceStart,
  htmlBlocks,
  isRunOf,
  marker,
  mayStartBlock,
  nextOpening,
  readHeading,
  rule,
  startsBlock,
} from './block-syntax.ts';
import { type CleanBody, cleanBody } from './text.ts';

/**
 * One visible line of a Markdown body. A line scanner of our own and not mdast: mdast takes 100 to 670 ms for a 64 KB body and overflows the
 * stack on nested lists. The tests compare the headings found here with those of mdast.
 */
export interface Line {
  /** 1-based. */
  number: number;
  /** `fence` is the delimiter of a code block, `code` a line inside it, `html` a line of a raw HTML block: none of them is ever a heading or a field. */
  kind: 'blank' | 'heading' | 'text' | 'fence' | 'code' | 'html' | 'rule';
  /** Without heading marks, list markers and HTML comments. Code lines keep what indentation they have beyond their block's. */
  text: string;
  /** Column where the text starts, after the list marker if there is one. */
  indent: number;
  /** Heading level 1 to 6, else 0. */
  level: number;
  /** How many list items the line is inside of, its own included. */
  depth: number;
  /** The marker of the list item that the line starts (`-`, `1.`), else empty. */
  mark: string;
}

export interface Blocks {
  lines: Line[];
  tainted: CleanBody['tainted'];
  /** Line of a comment that is never closed and hides all that follows, or null. */
  unclosedComment: number | null;
}

interface Scan {
  source: readonly string[];
  lines: Line[];
  /** Content columns of the list items that are open. */
  items: number[];
  paragraph: boolean;
  fence: { mark: string; column: number; indent: number } | null;
  /** Inside a raw HTML block. `commentLine`: where a comment in it was opened and is not closed yet. */
  html: { end: RegExp | null; commentLine: number | null } | null;
  /** Inside a comment. `column`: where its list item's content starts; a block comment ends with its list item. */
  comment: { line: number; column: number; block: boolean } | null;
  /** The column of a line from which on nothing but marks of a rule stand: looked for once a line, however many lists it opens. */
  ruleTail: { index: number; from: number };
  /** No inline comment closes before this line index: saves looking again, which would be quadratic. */
  noCloseBefore: number;
}

/** The lines of a body as its reader sees them. Never throws, linear in the body's length. */
export function scanBlocks(body: string): Blocks {
  const { lines: source, tainted } = cleanBody(body);
  const scan: Scan = {
    source,
    lines: [],
    items: [],
    paragraph: false,
    fence: null,
    html: null,
    comment: null,
    ruleTail: { index: -1, from: 0 },
    noCloseBefore: 0,
  };
  for (let index = 0; index < source.length; index++) scanLine(scan, index);
  endHtml(scan);
  endFence(scan, source.length - 1);
  return { lines: scan.lines, tainted, unclosedComment: scan.comment?.line ?? null };
}

function scanLine(scan: Scan, index: number): void {
  const raw = expandIndent(scan.source[index] ?? '');
  const indent = raw.length - raw.trimStart().length;
  const rest = raw.trim();
  if (scan.comment && continueComment(scan, index, raw, indent)) return;
  if (scan.fence && continueFence(scan, index, raw, indent)) return;
  if (rest === '') {
    if (scan.html?.end === null) endHtml(scan);
    push(scan, index, 'blank', '', 0);
    return;
  }
  if (scan.html) {
    continueHtml(scan, index, rest, indent);
    return;
  }
  while (scan.items.length > 0 && indent < (scan.items.at(-1) ?? 0)) {
    if (scan.paragraph && !startsBlock(rest)) break;
    scan.items.pop();
    scan.paragraph = false;
  }
  scanContent(scan, index, raw.trimEnd(), indent, '');
}

/** Text from column `indent` on, after the list markers already taken. */
function scanContent(scan: Scan, index: number, raw: string, indent: number, mark: string): void {
  const rest = raw.slice(indent);
  const relative = indent - (scan.items.at(-1) ?? 0);
  if (mayStartBlock(rest) && openBlock(scan, index, raw, indent, relative, mark)) return;
  if (relative > 3 && !scan.paragraph) push(scan, index, 'code', raw.slice(scan.items.at(-1) ?? 0), indent);
  else push(scan, index, 'text', takeInlineComments(scan, index, rest), indent, { mark, paragraph: true });
}

/** A heading, fence, raw HTML, rule or list item, if the line starts one. More than three columns in, only list items are let pass for one. */
function openBlock(scan: Scan, index: number, raw: string, indent: number, relative: number, mark: string): boolean {
  const rest = raw.slice(indent);
  if (relative <= 3) {
    const heading = mark === '' ? readHeading(rest) : null;
    if (heading) push(scan, index, 'heading', heading.text, indent, { level: heading.level });
    if (heading || openFence(scan, index, rest, indent, mark) || openHtml(scan, index, raw, indent, mark)) return true;
    if (indent >= ruleTailOf(scan, index, raw) && rule.test(rest)) {
      push(scan, index, 'rule', rest, indent, { mark });
      return true;
    }
  }
  const next = marker.exec(rest)?.[0];
  if (next === undefined || scan.items.length >= 50) return false;
  openItem(scan, index, raw, indent, next);
  return true;
}

function ruleTailOf(scan: Scan, index: number, raw: string): number {
  if (scan.ruleTail.index !== index) {
    let from = raw.length;
    while (from > 0 && '-*_ \t'.includes(raw[from - 1] ?? '')) from--;
    scan.ruleTail = { index, from };
  }
  return scan.ruleTail.from;
}

function openItem(scan: Scan, index: number, raw: string, indent: number, mark: string): void {
  const afterMark = raw.slice(indent + mark.length);
  const gap = afterMark.length - afterMark.trimStart().length;
  // More than four columns after the marker are an indented code block in the item; an empty item's content starts one column on.
  const content = indent + mark.length + (afterMark === '' || gap > 4 ? 1 : gap);
  scan.items.push(content);
  scan.paragraph = false;
  const start = raw.length - raw.slice(indent + mark.length).trimStart().length;
  scanContent(scan, index, raw, start, mark);
}

function openFence(scan: Scan, index: number, rest: string, indent: number, mark: string): boolean {
  const match = fenceStart.exec(rest);
  if (!match) return false;
  scan.fence = { mark: match[1] ?? match[2] ?? '', column: scan.items.at(-1) ?? 0, indent };
  push(scan, index, 'fence', rest, indent, { mark });
  return true;
}

function continueFence(scan: Scan, index: number, raw: string, indent: number): boolean {
  const fence = scan.fence;
  if (!fence) return false;
  const rest = raw.trim();
  if (rest !== '' && indent < fence.column) {
    endFence(scan, index - 1);
    return false;
  }
  const closes = indent - fence.column <= 3 && rest.length >= fence.mark.length && isRunOf(rest, fence.mark[0] ?? '`');
  if (closes) {
    scan.fence = null;
    push(scan, index, 'fence', rest, indent);
  } else push(scan, index, 'code', raw.slice(Math.min(indent, fence.indent)), indent);
  return true;
}

/** A fence that its list item or the body ends is closed for those who read on: fences always come in pairs. */
function endFence(scan: Scan, index: number): void {
  if (!scan.fence) return;
  push(scan, index, 'fence', scan.fence.mark, scan.fence.indent);
  scan.fence = null;
}

function openHtml(scan: Scan, index: number, raw: string, indent: number, mark: string): boolean {
  const rest = raw.slice(indent);
  if (rest.startsWith('<!--')) {
    scan.comment = { line: index + 1, column: scan.items.at(-1) ?? 0, block: true };
    // `<!-->` and `<!--->` are whole comments: look for the end from within the opening mark.
    closeComment(scan, index, rest.slice(2), indent, mark);
    return true;
  }
  if (!rest.startsWith('<')) return false;
  const block = htmlBlocks.find(({ start, interrupts }) => (interrupts || !scan.paragraph) && start.test(rest));
  if (!block) return false;
  scan.html = { end: block.end, commentLine: null };
  takeHtml(scan, index, rest, indent, mark);
  return true;
}

function continueHtml(scan: Scan, index: number, rest: string, indent: number): void {
  if (indent < (scan.items.at(-1) ?? 0)) {
    endHtml(scan);
    scanLine(scan, index);
  } else takeHtml(scan, index, rest, indent, '');
}

/** A line of a raw HTML block, without what comments hide in it. */
function takeHtml(scan: Scan, index: number, rest: string, indent: number, mark: string): void {
  const html = scan.html;
  if (!html) return;
  let visible = '';
  for (let at = 0; at < rest.length; ) {
    const hidden = html.commentLine !== null;
    const next = rest.indexOf(hidden ? '-->' : '<!--', at);
    if (!hidden) visible += rest.slice(at, next < 0 ? rest.length : next);
    if (next < 0) break;
    html.commentLine = hidden ? null : index + 1;
    at = next + (hidden ? 3 : 2);
  }
  if (visible.trim() !== '') push(scan, index, 'html', visible.trim(), indent, { mark });
  if (html.end?.test(rest)) endHtml(scan);
}

/** A comment left open in a raw HTML block hides what follows in the page even past the block's end, so it does here. */
function endHtml(scan: Scan): void {
  const line = scan.html?.commentLine ?? null;
  scan.html = null;
  if (line !== null) scan.comment = { line, column: 0, block: true };
}

function continueComment(scan: Scan, index: number, raw: string, indent: number): boolean {
  const comment = scan.comment;
  if (!comment) return false;
  if (comment.block && raw.trim() !== '' && indent < comment.column) {
    scan.comment = null;
    return false;
  }
  closeComment(scan, index, raw, indent, '');
  return true;
}

/** Ends the comment when `text` closes it; what follows on that line is visible text, but never a heading, item or fence. */
function closeComment(scan: Scan, index: number, text: string, indent: number, mark: string): void {
  const end = text.indexOf('-->');
  if (end < 0) return;
  const paragraph = scan.comment?.block === false;
  scan.comment = null;
  const rest = takeInlineComments(scan, index, text.slice(end + 3).trim());
  if (rest !== '') push(scan, index, 'text', rest, indent, { mark, paragraph });
}

/** Takes comments out of a line of text, outside code spans. One left open opens a comment if it closes within the same paragraph. */
function takeInlineComments(scan: Scan, index: number, text: string): string {
  if (!text.includes('<!--')) return text;
  let kept = '';
  let at = 0;
  while (at < text.length) {
    const next = nextOpening(text, at);
    if (next === null) break;
    const end = text.indexOf('-->', next + 2);
    if (end >= 0) {
      kept += text.slice(at, next);
      at = end + 3;
    } else if (closesLater(scan, index)) {
      scan.comment = { line: index + 1, column: 0, block: false };
      return (kept + text.slice(at, next)).trimEnd();
    } else break;
  }
  return (kept + text.slice(at)).trim();
}

function closesLater(scan: Scan, index: number): boolean {
  if (index < scan.noCloseBefore) return false;
  for (let next = index + 1; next < scan.source.length; next++) {
    const text = (scan.source[next] ?? '').trim();
    if (text === '' || startsBlock(text)) {
      scan.noCloseBefore = next;
      return false;
    }
    if (text.includes('-->')) return true;
  }
  scan.noCloseBefore = scan.source.length;
  return false;
}

function push(
  scan: Scan,
  index: number,
  kind: Line['kind'],
  text: string,
  indent: number,
  extra: { level?: number; mark?: string; paragraph?: boolean } = {},
): void {
  const { level = 0, mark = '', paragraph = false } = extra;
  scan.lines.push({ number: index + 1, kind, text, indent, level, depth: scan.items.length, mark });
  scan.paragraph = paragraph;
}
