import { openAfter, proseLines } from './command-prose.ts';
import { expandIndent, fenceStart, htmlBlocks, marker, rule, startsBlock } from './contract/block-syntax.ts';

/** A quote, or a list item by the columns that its content stands in. */
type Container = 'quote' | number;

/** What the line before left open. */
type Leaf =
  | { kind: 'none' }
  | { kind: 'paragraph' }
  | { kind: 'fence'; mark: string }
  /** Raw HTML; `end` null: up to an empty line. */
  | { kind: 'html'; end: RegExp | null; text: string[] };

interface Scan {
  containers: Container[];
  leaf: Leaf;
  /** Lines of the paragraph that is open. */
  paragraph: { index: number; text: string }[];
  /** Whether the last line opened a list item and held nothing else: an empty line ends that. */
  isEmptyItem: boolean;
  /** Elements of raw HTML that are open, and show what follows as quoted, folded or code. */
  open: number;
  found: Set<number>;
}

/** More than anybody writes; so the time for a line is bounded. */
const mostContainers = 50;
const none: Leaf = { kind: 'none' };
const isBlank = (text: string) => /^[ \t]*$/.test(text);
const indentOf = (text: string) => text.length - text.trimStart().length;

/**
 * Indexes of the lines whose first word may be a command: lines of prose, in lists as well, that stand neither in code nor in a quote, a table,
 * a comment or folded HTML. By hand and linear, because anybody may write 64 KB of comment: mdast takes minutes for nested lists. Never throws.
 */
export function commandLines(lines: readonly string[]): ReadonlySet<number> {
  const scan: Scan = { containers: [], leaf: none, paragraph: [], isEmptyItem: false, open: 0, found: new Set() };
  for (const [index, line] of lines.entries()) scanLine(scan, index, line);
  endLeaf(scan);
  return scan.found;
}

function scanLine(scan: Scan, index: number, line: string): void {
  const { rest, matched } = stripContainers(scan.containers, expandIndent(line));
  if (scan.isEmptyItem && isBlank(rest)) scan.containers.pop();
  scan.isEmptyItem = false;
  const isOutside = matched < scan.containers.length;
  // A line that goes on with a paragraph needs no marks of what that stands in.
  const mayGoOn = scan.leaf.kind === 'paragraph' && !isBlank(rest);
  const goesOn = mayGoOn && (indentOf(rest) > 3 || !startsBlock(rest.trimStart()));
  if (isOutside && !goesOn) {
    endLeaf(scan);
    scan.containers.length = matched;
  }
  if (isOutside && goesOn) goOn(scan, index, rest);
  else if (scan.leaf.kind === 'fence' || scan.leaf.kind === 'html') continueRaw(scan, rest);
  else scanBlock(scan, index, openContainers(scan, rest));
}

function stripContainers(containers: readonly Container[], line: string): { rest: string; matched: number } {
  let rest = line;
  let matched = 0;
  for (const container of containers) {
    if (container === 'quote') {
      const mark = /^ {0,3}> ?/.exec(rest)?.[0];
      if (mark === undefined) break;
      rest = expandIndent(rest.slice(mark.length));
    } else if (isBlank(rest)) rest = '';
    else if (indentOf(rest) >= container) rest = rest.slice(container);
    else break;
    matched++;
  }
  return { rest, matched };
}

/** Opens the quotes and list items that a line begins with; what remains of it. */
function openContainers(scan: Scan, line: string): string {
  let rest = line;
  while (scan.containers.length < mostContainers) {
    const indent = indentOf(rest);
    const text = rest.slice(indent);
    if (indent > 3) return rest;
    if (text.startsWith('>')) {
      endLeaf(scan);
      scan.containers.push('quote');
      scan.isEmptyItem = false;
      rest = expandIndent(text.slice(1).replace(/^ /, ''));
      continue;
    }
    const mark = rule.test(text) ? undefined : marker.exec(text)?.[0];
    if (mark === undefined) return rest;
    const after = expandIndent(text.slice(mark.length));
    // A paragraph is ended by the first item of a list only, and by none that is empty.
    if (scan.leaf.kind === 'paragraph' && (isBlank(after) || !/^(?:[-*+]|0{0,8}1[.)])$/.test(mark))) return rest;
    endLeaf(scan);
    const gap = isBlank(after) || indentOf(after) > 4 ? 1 : indentOf(after);
    scan.containers.push(indent + mark.length + gap);
    scan.isEmptyItem = isBlank(after);
    rest = after.slice(gap);
  }
  return rest;
}

/** What a line is behind the marks of quotes and list items. */
function scanBlock(scan: Scan, index: number, rest: string): void {
  const text = rest.trim();
  const isParagraph = scan.leaf.kind === 'paragraph';
  const fence = fenceStart.exec(text);
  if (indentOf(rest) > 3) {
    // Code, unless a paragraph goes on.
    if (isParagraph) goOn(scan, index, text);
  } else if (isBlank(text) || endsParagraph(text, isParagraph)) endLeaf(scan);
  else if (fence) {
    endLeaf(scan);
    scan.leaf = { kind: 'fence', mark: fence[1] ?? fence[2] ?? '' };
  } else if (!openHtml(scan, text)) goOn(scan, index, text);
}

/** A heading, a rule, or the line below a paragraph that makes it a heading: what it says is said all the same. */
const endsParagraph = (text: string, isParagraph: boolean) =>
  /^#{1,6}(?:[ \t]|$)/.test(text) || rule.test(text) || (isParagraph && /^(?:=+|-+)$/.test(text));

function openHtml(scan: Scan, text: string): boolean {
  if (!text.startsWith('<')) return false;
  const mayInterrupt = scan.leaf.kind !== 'paragraph';
  const block = text.startsWith('<!--')
    ? { end: /-->/ }
    : htmlBlocks.find(({ start, interrupts }) => (interrupts || mayInterrupt) && start.test(text));
  if (block === undefined) return false;
  endLeaf(scan);
  scan.leaf = { kind: 'html', end: block.end, text: [] };
  continueRaw(scan, text);
  return true;
}

/** A line inside a fenced block or raw HTML. */
function continueRaw(scan: Scan, rest: string): void {
  const { leaf } = scan;
  if (leaf.kind === 'fence') {
    const closing = /^ {0,3}(`+|~+)[ \t]*$/.exec(rest)?.[1] ?? '';
    if (closing.length >= leaf.mark.length && closing[0] === leaf.mark[0]) endLeaf(scan);
  } else if (leaf.kind === 'html') {
    leaf.text.push(rest);
    if (leaf.end?.test(rest) ?? isBlank(rest)) endLeaf(scan);
  }
}

/** A line of a paragraph, its first or a further one. */
function goOn(scan: Scan, index: number, text: string): void {
  if (scan.leaf.kind !== 'paragraph') endLeaf(scan);
  scan.leaf = { kind: 'paragraph' };
  scan.paragraph.push({ index, text: text.trim() });
}

function endLeaf(scan: Scan): void {
  const { leaf, paragraph } = scan;
  if (leaf.kind === 'html') scan.open = openAfter(scan.open, leaf.text.join('\n'));
  if (leaf.kind === 'paragraph') {
    const { plain, open } = proseLines(
      paragraph.map(({ text }) => text),
      scan.open,
    );
    scan.open = open;
    if (!scan.containers.includes('quote')) for (const line of plain) scan.found.add(paragraph[line]?.index ?? -1);
  }
  scan.paragraph = [];
  scan.leaf = none;
}
