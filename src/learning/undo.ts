import { z } from 'zod';

/** How a change of one file is taken back later, whatever else was changed in it meanwhile. */
export const Undo = z.object({
  /** The lines that stood there before; null when the file was new. */
  from: z.string().nullable(),
  to: z.string(),
});
export type Undo = z.infer<typeof Undo>;

export function undoOf(before: string | null, after: string): Undo {
  if (before === null) return { from: null, to: after };
  const [old, now] = [before.split('\n'), after.split('\n')];
  let head = 0;
  while (head < Math.min(old.length, now.length) && old[head] === now[head]) head++;
  let tail = 0;
  while (tail < Math.min(old.length, now.length) - head && old.at(-1 - tail) === now.at(-1 - tail)) tail++;
  // A line of what stands around it, so that a short change is found in its own place.
  const from = Math.max(0, head - 1);
  const less = Math.max(0, tail - 1);
  const part = (lines: readonly string[]) => lines.slice(from, lines.length - less).join('\n');
  return { from: part(old), to: part(now) };
}

/** The file as it would be without the change; `gone` when the change made it, null when people have gone on with it. */
export function undone(text: string, { from, to }: Undo): string | 'gone' | null {
  if (from === null) return text === to ? 'gone' : null;
  const [framed, lines] = [`\n${text}\n`, `\n${to}\n`];
  const at = framed.indexOf(lines);
  if (at < 0 || framed.indexOf(lines, at + 1) >= 0) return null;
  return `${framed.slice(0, at)}\n${from}\n${framed.slice(at + lines.length)}`.slice(1, -1);
}
