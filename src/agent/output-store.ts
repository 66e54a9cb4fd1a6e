/** Long outputs of the latest commands, so that the model can read the part that was cut. */
export interface OutputStore {
  /** Keeps a text; returns the name to read it by. */
  keep(text: string): string;
  read(name: string): string | null;
}

/** Memory per run stays below this many characters, whatever the commands print. */
const maxKeptChars = 2_000_000;

/** An empty store. Names are never used twice. */
export function createOutputStore(): OutputStore {
  const kept = new Map<string, string>();
  let count = 0;
  let chars = 0;
  return {
    keep(text) {
      count += 1;
      const name = `output:${count}`;
      kept.set(name, text);
      chars += text.length;
      for (const [oldest, old] of kept) {
        if (chars <= maxKeptChars || oldest === name) break;
        kept.delete(oldest);
        chars -= old.length;
      }
      return name;
    },
    read: (name) => kept.get(name) ?? null,
  };
}

/** Head and tail of a text, with a line between them that says what is missing. Never splits a character in two. */
export function headAndTail(text: string, headChars: number, tailChars: number, note: string): string {
  const cutChars = text.length - headChars - tailChars;
  if (cutChars <= 0) return text;
  const head = text.slice(0, headChars).replace(/[\ud800-\udbff]$/, '');
  const tail = text.slice(-tailChars).replace(/^[\udc00-\udfff]/, '');
  return `${head}\n[… ${cutChars} characters cut${note} …]\n${tail}`;
}
