import { lookBack, type Spelling, spellingsOf } from './spellings.ts';

/** Replaces every known secret value in a text. Idempotent. */
export type Mask = (text: string) => string;

/** Shorter values are in too many innocent texts; no secret worth masking is that short. */
const shortestChars = 4;
const shortestLineChars = 8;

interface Needle extends Spelling {
  name: string;
}

/** Mask for values by name: each is replaced as it is and in the encodings in which logs carry it (base64 at any offset, URL, JSON, HTML, shell, hexadecimal), and so is what is left of it where an output was cut. */
export function createMask(secrets: Readonly<Record<string, string>>): Mask {
  const needles = allNeedles(secrets);
  if (needles.length === 0) return (text) => text;
  const heads = headsOf(needles);
  return (text) => maskBesideCuts(maskWhole(text, heads, needles), needles);
}

/** One pattern, small however long the values are; its group are the heads that stand behind the beginning. */
function headsOf(needles: readonly Needle[]): RegExp {
  const first = new Set(needles.flatMap(({ heads }) => heads));
  const later = new Set(needles.flatMap(({ laterHeads }) => laterHeads));
  return new RegExp(`${[...first].join('|')}|(${[...later].join('|')})`, 'g');
}

function maskWhole(text: string, heads: RegExp, needles: readonly Needle[]): string {
  let masked = '';
  let from = 0;
  heads.lastIndex = 0;
  for (let head = heads.exec(text); head !== null; head = heads.exec(text)) {
    let at = head[1] === undefined ? head.index : Math.max(from, head.index - lookBack);
    let found = wholeAt(text, at, needles);
    while (found.chars === 0 && at < head.index) found = wholeAt(text, ++at, needles);
    heads.lastIndex = head.index + 1;
    if (found.chars === 0) continue;
    masked += text.slice(from, at) + found.shown;
    from = at + found.chars;
    heads.lastIndex = from;
  }
  return from === 0 ? text : masked + text.slice(from);
}

/** The longest whole value that stands at a place. */
function wholeAt(text: string, at: number, needles: readonly Needle[]): Shown {
  return longest(needles, ({ pieces }) => {
    const { end, next } = follow(text, at, pieces, 0);
    return next === pieces.length ? end - at : 0;
  });
}

/** Where an output was cut (`OutputCapture`). */
const cut = /\n\[… \d+ bytes cut …\]\n/g;

/** Beside a cut there may stand a part of a value: what it begins with before, what it ends with behind. */
function maskBesideCuts(text: string, needles: readonly Needle[]): string {
  const pieces = text.split(cut);
  if (pieces.length === 1) return text;
  const marks = text.match(cut) ?? [];
  return pieces
    .map((piece, index) => {
      const start = index === 0 ? nothing : longest(needles, (needle) => endAtStart(piece, needle));
      const end = index === pieces.length - 1 ? nothing : longest(needles, (needle) => startAtEnd(piece, needle));
      const to = Math.max(start.chars, piece.length - end.chars);
      return `${start.shown}${piece.slice(start.chars, to)}${end.shown}${marks[index] ?? ''}`;
    })
    .join('');
}

/** How many characters are to be replaced, and what is shown for them. */
interface Shown {
  chars: number;
  shown: string;
}

const nothing: Shown = { chars: 0, shown: '' };

function longest(needles: readonly Needle[], charsOf: (needle: Needle) => number): Shown {
  let found = nothing;
  for (const needle of needles) {
    const chars = charsOf(needle);
    if (chars > found.chars) found = { chars, shown: `[secret ${needle.name}]` };
  }
  return found;
}

/** How many characters at the end of a text are the first ones of a value. */
function startAtEnd(text: string, needle: Needle): number {
  // No spelling has more than twelve characters for one of the value.
  for (let at = Math.max(0, text.length - needle.pieces.length * 12); at < text.length; at++) {
    const { end } = follow(text, at, needle.pieces, 0);
    if (end - at >= shortestChars && needle.rest.test(text.slice(end))) return text.length - at;
  }
  return 0;
}

/** How many characters at the start of a text are the last ones of a value. */
function endAtStart(text: string, needle: Needle): number {
  for (let from = 1; from < needle.pieces.length; from++) {
    const broken = (needle.pieces[from - 1]?.source.length ?? 0) > 1 ? needle.restChars : 0;
    for (let at = 0; at <= broken; at++) {
      const { end, next } = follow(text, at, needle.pieces, from);
      if (next === needle.pieces.length && end - at >= shortestChars) return end;
    }
  }
  return 0;
}

/** Reads the pieces one behind the other as far as they stand there. */
function follow(text: string, at: number, pieces: readonly RegExp[], from: number): { end: number; next: number } {
  let end = at;
  let next = from;
  for (; next < pieces.length; next++) {
    const piece = pieces[next];
    if (piece === undefined) break;
    piece.lastIndex = end;
    if (!piece.test(text)) break;
    end = piece.lastIndex;
  }
  return { end, next };
}

function allNeedles(secrets: Readonly<Record<string, string>>): Needle[] {
  return Object.entries(secrets).flatMap(([name, value]) => {
    const lines = value.includes('\n')
      ? value.split(/\r?\n/).filter((line) => line.trim().length >= shortestLineChars)
      : [];
    return [...new Set([value, value.trim(), ...lines])]
      .filter((part) => part.length >= shortestChars)
      .flatMap((part) => spellingsOf(part).map((spelling) => ({ ...spelling, name })));
  });
}
