/** A part of a report that can be told at several lengths. */
export interface Block {
  /** What is least important is shortened first. */
  importance: number;
  /** Finished Markdown, fullest first; the last one is short, or empty when the part may go. */
  variants: readonly string[];
}

/** A part that is always told as it stands. */
export function fixed(text: string): Block {
  return { importance: Number.POSITIVE_INFINITY, variants: [text] };
}

/**
 * Joins the blocks with blank lines so that the whole stays within `maxChars`, shortening the least important ones first (the later first
 * among equals) and only ever by whole variants: no table, list or fence is cut in the middle.
 */
export function joinWithin(blocks: readonly Block[], maxChars: number): string {
  const chosen = blocks.map(() => 0);
  const textOf = (index: number): string => blocks[index]?.variants[chosen[index] ?? 0] ?? '';
  let size = blocks.reduce((sum, _, index) => sum + textOf(index).length + 2, 0);
  const order = blocks
    .map((block, index) => ({ index, importance: block.importance, last: block.variants.length - 1 }))
    .sort((a, b) => a.importance - b.importance || b.index - a.index);
  for (const { index, last } of order) {
    while (size > maxChars && (chosen[index] ?? 0) < last) {
      const before = textOf(index).length;
      chosen[index] = (chosen[index] ?? 0) + 1;
      size += textOf(index).length - before;
    }
  }
  return blocks
    .map((_, index) => textOf(index))
    .filter((text) => text !== '')
    .join('\n\n');
}

/** A table with rows of finished cells, in variants of fewer rows that say how many are not shown. */
export function tableVariants(header: readonly string[], rows: readonly (readonly string[])[]): string[] {
  return shorterLists(rows.length).map((count) => {
    const shown = rows.slice(0, count).map((row) => `| ${row.join(' | ')} |`);
    const table = [`| ${header.join(' | ')} |`, `| ${header.map(() => '---').join(' | ')} |`, ...shown].join('\n');
    return count < rows.length ? `${table}\n\n${rows.length - count} more not shown here.` : table;
  });
}

/** A list of finished lines, in variants of fewer items that say how many are not shown. An empty item would make a heading of the line before. */
export function listVariants(items: readonly string[]): string[] {
  return shorterLists(items.length).map((count) => {
    const shown = items.slice(0, count).map((item) => `- ${item === '' ? '–' : item}`);
    return [...shown, ...(count < items.length ? [`- ${items.length - count} more not shown here.`] : [])].join('\n');
  });
}

function shorterLists(length: number): number[] {
  return [length, ...[100, 40, 15, 5].filter((count) => count < length)];
}
