/** Replaces every known secret value in a text. Idempotent. */
export type Mask = (text: string) => string;

/** Shorter values are in too many innocent texts; no secret worth masking is that short. */
const shortestChars = 4;
const shortestLineChars = 8;

/** Mask for values by name: each is replaced as it is and in the encodings in which logs carry it (base64 at any offset, URL, JSON, hexadecimal), and so is what is left of it where an output was cut. */
export function createMask(secrets: Readonly<Record<string, string>>): Mask {
  const needles = allNeedles(secrets);
  const pattern = patternOf(needles);
  if (pattern === null) return (text) => text;
  return (text) =>
    maskBesideCuts(
      text.replace(pattern, (found) => replacement(needles, found)),
      needles,
    );
}

/** Where an output was cut (`OutputCapture`). */
const cut = /\n\[… \d+ bytes cut …\]\n/g;

/** Beside a cut there may stand a part of a value: what it begins with before, what it ends with behind. */
function maskBesideCuts(text: string, needles: ReadonlyMap<string, string>): string {
  const pieces = text.split(cut);
  if (pieces.length === 1) return text;
  const marks = text.match(cut) ?? [];
  return pieces
    .map((piece, index) => {
      const start = index === 0 ? null : longest(needles, (needle) => endAtStart(piece, needle));
      const end = index === pieces.length - 1 ? null : longest(needles, (needle) => startAtEnd(piece, needle));
      const from = start?.chars ?? 0;
      const to = Math.max(from, piece.length - (end?.chars ?? 0));
      return `${start?.shown ?? ''}${piece.slice(from, to)}${end?.shown ?? ''}${marks[index] ?? ''}`;
    })
    .join('');
}

function longest(
  needles: ReadonlyMap<string, string>,
  charsOf: (needle: string) => number,
): { chars: number; shown: string } | null {
  let found = { chars: 0, shown: '' };
  for (const needle of needles.keys()) {
    const chars = charsOf(needle);
    if (chars > found.chars) found = { chars, shown: replacement(needles, needle) };
  }
  return found.chars < shortestChars ? null : found;
}

/** How many characters at the end of a text are the first ones of a value. */
function startAtEnd(text: string, needle: string): number {
  const end = text.slice(-(needle.length - 1));
  for (let at = 0; at < end.length; at++) if (needle.startsWith(end.slice(at))) return end.length - at;
  return 0;
}

/** How many characters at the start of a text are the last ones of a value. */
function endAtStart(text: string, needle: string): number {
  for (let chars = Math.min(text.length, needle.length - 1); chars > 0; chars--)
    if (needle.endsWith(text.slice(0, chars))) return chars;
  return 0;
}

function replacement(needles: ReadonlyMap<string, string>, found: string): string {
  return `[secret ${needles.get(found) ?? ''}]`;
}

function patternOf(needles: ReadonlyMap<string, string>): RegExp | null {
  if (needles.size === 0) return null;
  // Longest first: a value may begin with another one.
  const sorted = [...needles.keys()].sort((a, b) => b.length - a.length);
  return new RegExp(sorted.map((needle) => needle.replace(/[.*+?^${}()|[\]\\/-]/g, '\\$&')).join('|'), 'g');
}

/** Every spelling of every value → its name. */
function allNeedles(secrets: Readonly<Record<string, string>>): Map<string, string> {
  const needles = new Map<string, string>();
  for (const [name, value] of Object.entries(secrets)) {
    const lines = value.includes('\n')
      ? value.split(/\r?\n/).filter((line) => line.trim().length >= shortestLineChars)
      : [];
    for (const part of [value, value.trim(), ...lines]) {
      if (part.length < shortestChars) continue;
      for (const spelling of spellings(part)) {
        if (spelling.length >= shortestChars && !needles.has(spelling)) needles.set(spelling, name);
      }
    }
  }
  return needles;
}

function spellings(value: string): string[] {
  const json = JSON.stringify(value).slice(1, -1);
  const bytes = Buffer.from(value, 'utf8');
  const url = encodeURIComponent(value);
  return [
    value,
    json,
    JSON.stringify(json).slice(1, -1),
    url,
    url.toLowerCase(),
    url.replaceAll('%20', '+'),
    bytes.toString('hex'),
    bytes.toString('hex').toUpperCase(),
    ...(bytes.length >= 6 ? base64Spellings(bytes) : []),
  ];
}

/** Base64 of the value wherever it stands in a longer text: three alignments, without the characters that its neighbours share. */
function base64Spellings(bytes: Buffer): string[] {
  return [0, 1, 2].flatMap((offset) => {
    const padded = Buffer.concat([Buffer.alloc(offset), bytes]);
    const whole = padded.toString('base64').replace(/=+$/, '');
    const start = offset === 0 ? 0 : offset + 1;
    const end = padded.length % 3 === 0 ? whole.length : whole.length - 1;
    const standard = whole.slice(start, end);
    return [standard, standard.replaceAll('+', '-').replaceAll('/', '_')];
  });
}
