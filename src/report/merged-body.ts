import type { MergeFacts } from './facts.ts';
import { mergedRollback } from './rollback-section.ts';

/** GitHub refuses longer bodies. */
const bodyLimit = 65_536;

/**
 * The body of a pull request with its rollback filled in, once it is merged: what stood for the time before goes, everything else stays as
 * it is, whoever wrote it. The same body when that has been done, or when the section is gone.
 */
export function withMergedRollback(body: string, merged: MergeFacts): string {
  const lines = body.split('\n');
  const section = sectionOf(lines, 'Rollback');
  if (section === null) return body;
  const end = body.includes('\r\n') ? '\r' : '';
  const inside = lines.slice(section.from + 1, section.to);
  if (inside.some((line) => line.startsWith('Merged '))) return body;
  const filled = mergedRollback(merged)
    .split('\n')
    .map((line) => line + end);
  const before = commandsBeforeMerge(inside);
  const now = before === null ? [end, ...filled, ...inside] : inside.toSpliced(before.from, before.count, ...filled);
  const result = lines.toSpliced(section.from + 1, inside.length, ...now).join('\n');
  return result.length > bodyLimit ? body : result;
}

/** First line and the line after the last of a section of the second level; headings inside fences are none. */
function sectionOf(lines: readonly string[], title: string): { from: number; to: number } | null {
  let fence: string | null = null;
  let from: number | null = null;
  for (const [index, line] of lines.entries()) {
    const mark = /^ {0,3}(`{3,}|~{3,})/.exec(line)?.[1];
    if (fence !== null) {
      if (mark?.startsWith(fence) && line.trim() === mark) fence = null;
      continue;
    }
    if (mark !== undefined) fence = mark;
    if (from !== null && /^##? /.test(line)) return { from, to: index };
    if (from === null && line.trimEnd() === `## ${title}`) from = index;
  }
  return from === null ? null : { from, to: lines.length };
}

/** The lines that the app wrote for the time before the merge: from its first words to the end of the second block. */
function commandsBeforeMerge(lines: readonly string[]): { from: number; count: number } | null {
  const from = lines.findIndex((line) => line.trimEnd() === 'Now, on the branch:');
  if (from === -1) return null;
  const fences = lines.flatMap((line, index) => (index > from && line.startsWith('```') ? [index] : []));
  const last = fences[3];
  return last === undefined ? null : { from, count: last - from + 1 };
}
