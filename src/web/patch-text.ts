/** One line of a unified diff, with the numbers that it has in the old and in the new file. */
export interface PatchLine {
  kind: 'added' | 'removed' | 'same' | 'hunk' | 'note';
  old: number | null;
  new: number | null;
  text: string;
}

export interface PatchFile {
  /** As git writes it. */
  path: string;
  added: number;
  removed: number;
  lines: PatchLine[];
  /** Lines that are left out of `lines`. */
  cut: number;
}

/** Longest line that is kept, in characters. */
const longestLine = 500;

/** Reads what `git diff` wrote, for people: at most `maxLines` lines over all files; the counts are whole. */
export function readPatch(text: string, maxLines: number): PatchFile[] {
  const files: PatchFile[] = [];
  let left = maxLines;
  for (const section of text.split(/^(?=diff --git )/m)) {
    if (!section.startsWith('diff --git ')) continue;
    const file = readFile(section, left);
    left -= file.lines.length;
    files.push(file);
  }
  return files;
}

function readFile(section: string, room: number): PatchFile {
  const rows = section.split('\n');
  if (rows.at(-1) === '') rows.pop();
  const file: PatchFile = { path: pathOf(rows), added: 0, removed: 0, lines: [], cut: 0 };
  let at = { old: 0, new: 0, inside: false };
  for (const row of rows.slice(1)) {
    const hunk = /^@@ -(\d+)(?:,\d+)? \+(\d+)(?:,\d+)? @@/.exec(row);
    if (hunk) at = { old: Number(hunk[1]), new: Number(hunk[2]), inside: true };
    const line = hunk ? { kind: 'hunk' as const, old: null, new: null, text: row } : lineOf(row, at);
    if (line === null) continue;
    if (line.kind === 'added') file.added += 1;
    if (line.kind === 'removed') file.removed += 1;
    if (file.lines.length < room) file.lines.push({ ...line, text: line.text.slice(0, longestLine) });
    else file.cut += 1;
  }
  return file;
}

/** Null for lines of the head of a file that tell nothing which is not told elsewhere. Counts on in `at`. */
function lineOf(row: string, at: { old: number; new: number; inside: boolean }): PatchLine | null {
  if (!at.inside) {
    if (/^(?:index |--- |\+\+\+ )/.test(row)) return null;
    return { kind: 'note', old: null, new: null, text: row };
  }
  if (row.startsWith('+')) return { kind: 'added', old: null, new: at.new++, text: row };
  if (row.startsWith('-')) return { kind: 'removed', old: at.old++, new: null, text: row };
  if (row.startsWith('\\')) return { kind: 'note', old: null, new: null, text: row };
  return { kind: 'same', old: at.old++, new: at.new++, text: row };
}

function pathOf(rows: readonly string[]): string {
  const head = rows.slice(0, rows.findIndex((row) => row.startsWith('@@')) >>> 0);
  const after = (prefix: string) => head.find((row) => row.startsWith(prefix))?.slice(prefix.length);
  const to = after('+++ ');
  const named = to === undefined || to === '/dev/null' ? after('--- ') : to;
  if (named !== undefined) return named.replace(/^("?)[ab]\//, '$1').trimEnd();
  return after('rename to ') ?? /^diff --git (?:"?)a\/(.*?)(?:"?) (?:"?)b\//.exec(rows[0] ?? '')?.[1] ?? 'a file';
}
