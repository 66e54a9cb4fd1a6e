/** Elements whose content is quoted, code, listed or folded away. */
const enclosing = /<(\/?)(?:blockquote|details|pre|code|samp|kbd|q|table|ul|ol|dl)\b[^<>]*>/gi;
const comments = /<!--[\s\S]*?(?:-->|$)/g;
/** GitHub shows the line before a line of dashes and bars as the head of a table, and what follows as its rows. */
const isTableRule = (line: string) => /^[ \t|:-]+$/.test(line) && line.includes('|') && line.includes('-');

/** How many enclosing elements are open behind a piece of raw HTML, when so many are before it. */
export function openAfter(before: number, html: string): number {
  const tags = html.replace(comments, '').matchAll(enclosing);
  return [...tags].reduce((open, [, slash]) => Math.max(0, open + (slash === '/' ? -1 : 1)), before);
}

/**
 * Which lines of one paragraph begin as plain text: not in code, a comment, a tag or a table, nor in an element that is open. `open`: how many such
 * elements are open before it and behind it. Linear in the text's length.
 */
export function proseLines(lines: readonly string[], openBefore: number): { plain: number[]; open: number } {
  const table = lines.findIndex(isTableRule);
  const prose = table > 0 ? lines.slice(0, table - 1) : lines;
  const text = lines.join('\n');
  const spans = apart(text);
  const plain: number[] = [];
  let open = openBefore;
  let from = 0;
  let next = 0;
  for (const [index, line] of lines.entries()) {
    // Everything that begins before this line.
    for (let span = spans[next]; span && span.from < from; span = spans[++next]) open = openAfter(open, span.html);
    const inside = next > 0 && (spans[next - 1]?.to ?? 0) > from;
    if (index < prose.length && open === 0 && !inside) plain.push(index);
    from += line.length + 1;
  }
  for (const { html } of spans.slice(next)) open = openAfter(open, html);
  return { plain, open };
}

/** Code, comments and tags in a paragraph, in order; `html` is what of it opens or closes elements. */
function apart(text: string): { from: number; to: number; html: string }[] {
  const found: { from: number; to: number; html: string }[] = [];
  const closing = closingTicks(text);
  const noComment = text.lastIndexOf('-->');
  const tokens = /\\[\s\S]|`+|<!--|<\/?[a-z][^<>]*>/gi;
  for (let token = tokens.exec(text); token; token = tokens.exec(text)) {
    const [mark] = token;
    const from = token.index;
    if (mark.startsWith('`')) {
      const to = closing.get(from);
      if (to === undefined) continue;
      found.push({ from, to, html: '' });
      tokens.lastIndex = to;
    } else if (mark === '<!--' && from < noComment) {
      const to = text.indexOf('-->', from + 2) + 3;
      found.push({ from, to, html: '' });
      tokens.lastIndex = to;
    } else if (mark.startsWith('<') && mark !== '<!--') found.push({ from, to: tokens.lastIndex, html: mark });
  }
  return found;
}

/** For each run of backticks where the next run of the same length ends, which closes it. */
function closingTicks(text: string): Map<number, number> {
  const closing = new Map<number, number>();
  const next = new Map<number, number>();
  for (const run of [...text.matchAll(/`+/g)].reverse()) {
    const { length } = run[0];
    const end = next.get(length);
    if (end !== undefined) closing.set(run.index, end);
    next.set(length, run.index + length);
  }
  return closing;
}
