/** One line that the patch adds or removes. */
export interface ChangedLine {
  /** 1-based, in the new file when added, in the old one when removed. */
  line: number;
  text: string;
}

export interface FileLines {
  added: ChangedLine[];
  removed: ChangedLine[];
}

/**
 * Lines per path of a unified diff with `a/` and `b/` prefixes. Hunk headers say how many lines follow, so that a line of a file that looks
 * like a header is not taken for one. A renamed file is named by its new path, a deleted one by its old path.
 */
export function changedLines(diffText: string): Map<string, FileLines> {
  const files = new Map<string, FileLines>();
  let oldPath = '';
  let file: FileLines | null = null;
  let left = { old: 0, new: 0 };
  let at = { old: 0, new: 0 };
  for (const text of diffText.split('\n')) {
    if (file !== null && (left.old > 0 || left.new > 0)) {
      const mark = text.charAt(0);
      if (mark === '+') {
        file.added.push({ line: at.new++, text: text.slice(1) });
        left.new -= 1;
      } else if (mark === '-') {
        file.removed.push({ line: at.old++, text: text.slice(1) });
        left.old -= 1;
      } else if (mark === ' ' || mark === '') {
        at = { old: at.old + 1, new: at.new + 1 };
        left = { old: left.old - 1, new: left.new - 1 };
      }
      continue;
    }
    const hunk = /^@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@/.exec(text);
    if (text.startsWith('diff --git ')) file = null;
    else if (text.startsWith('--- ')) oldPath = pathOf(text.slice(4));
    else if (text.startsWith('+++ ')) {
      const newPath = pathOf(text.slice(4));
      const path = newPath === '/dev/null' ? oldPath : newPath;
      file = files.get(path) ?? { added: [], removed: [] };
      files.set(path, file);
    } else if (hunk !== null) {
      at = { old: Number(hunk[1]), new: Number(hunk[3]) };
      left = { old: Number(hunk[2] ?? 1), new: Number(hunk[4] ?? 1) };
    }
  }
  return files;
}

function pathOf(name: string): string {
  const plain = name.startsWith('"') ? unquote(name) : name.replace(/\t$/, '');
  return plain === '/dev/null' ? plain : plain.slice(2);
}

const escapes: Readonly<Record<string, number>> = { a: 7, b: 8, t: 9, n: 10, v: 11, f: 12, r: 13, '"': 34, '\\': 92 };

/** git's C-style quoting of names: octal bytes of UTF-8 and a few letters. */
function unquote(name: string): string {
  const bytes: number[] = [];
  for (const match of name.slice(1, name.lastIndexOf('"')).matchAll(/\\([0-7]{3})|\\(.)|([^\\]+)/gs)) {
    const [, octal, letter, plain] = match;
    if (octal !== undefined) bytes.push(Number.parseInt(octal, 8));
    else if (letter !== undefined) bytes.push(escapes[letter] ?? letter.charCodeAt(0));
    else bytes.push(...Buffer.from(plain ?? '', 'utf8'));
  }
  return Buffer.from(bytes).toString('utf8');
}
