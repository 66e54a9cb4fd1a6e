/** One way in which a value may stand in a text, piece by piece, so that a part of it is known too. */
export interface Spelling {
  /** Patterns that match where they are asked (`y`), one behind the other. */
  pieces: readonly RegExp[];
  /** What to look for in a long text, quick to find: where the spelling begins with it, and up to `lookBack` characters behind the beginning. */
  heads: readonly string[];
  laterHeads: readonly string[];
  /** What may be left of a piece that was cut in two: behind those that match before a cut, and how many characters before those behind one. */
  rest: RegExp;
  restChars: number;
}

/** Eight letters or four bytes with what stands between them, and a break. */
export const lookBack = 48;

/**
 * The value as it is, as programs escape it, and in hexadecimal and base64 with the breaks that tools put between. One pattern
 * for each character, and not a list of whole spellings: encoders differ in which characters they escape.
 */
export function spellingsOf(value: string): Spelling[] {
  // Several backslashes or quotes in a row are one piece: where one ends cannot be told.
  const units = (value.match(/\\+$|\\*(?:'+|"+|[\s\S])/gu) ?? []).map(escapedUnit);
  const bytes = Buffer.from(value, 'utf8');
  return [
    ...(/\W/.test(value) ? [asItIs(value)] : []),
    {
      pieces: units.map(piece),
      heads: [units.slice(0, 8).join('')],
      laterHeads: [],
      rest: /^(?:[\\%&'"+]\S{0,11})?$/,
      restChars: 11,
    },
    hexSpelling([...bytes].map((byte) => hex(byte, 2))),
    ...(bytes.length >= 6 ? [0, 1, 2].map((offset) => base64Spelling(bytes, offset)) : []),
  ];
}

/** What the escaped spelling may read otherwise, where the value itself looks escaped. It has the same heads. */
function asItIs(value: string): Spelling {
  const pieces = [...value].map((char) => piece(literal(char)));
  return { pieces, heads: [], laterHeads: [], rest: /^$/, restChars: 0 };
}

/** Two heads, one behind the other: where a line break is in one of them, it is not in the other. */
function twoHeads(sources: readonly string[], most: number, between: string) {
  const chars = Math.min(most, Math.floor(sources.length / 2));
  return {
    heads: [sources.slice(0, chars).join(between)],
    laterHeads: [sources.slice(chars, 2 * chars).join(between)],
  };
}

/** Between bytes tools put blanks, signs, and where a line begins the offset. No text can be read as this in two ways, so a miss is found in one pass. */
const betweenBytes = String.raw`(?:(?:\n|\\+n)[\da-fA-F]{6,8}:?\s|[\s:,%-]|\\+[nrtx]|0x)*`;

function hexSpelling(bytes: readonly string[]): Spelling {
  return {
    pieces: bytes.map((byte, index) => piece((index > 0 ? betweenBytes : '') + byte)),
    ...twoHeads(bytes, 4, String.raw`(?:\\x|\W)?`),
    rest: /^\s*(?:[\da-f]{6,8}:?\s)?[\da-f]{0,8}\s*$/i,
    restChars: 8,
  };
}

/** `base64` breaks lines at 76 characters, and a JSON text writes the break as `\n`. */
const betweenLetters = String.raw`(?:\s|\\+[nrt])*`;

/** Base64 of the value behind `offset` other bytes of a group of three, without the characters that its neighbours share. */
function base64Spelling(bytes: Buffer, offset: number): Spelling {
  const padded = Buffer.concat([Buffer.alloc(offset), bytes]);
  const whole = padded.toString('base64').replace(/=+$/, '');
  const letters = [...whole.slice(offset === 0 ? 0 : offset + 1, padded.length % 3 === 0 ? whole.length : -1)].map(
    (letter) => (letter === '+' ? `(?:-|${escaped('+')})` : letter === '/' ? `(?:_|${escaped('/')})` : letter),
  );
  return {
    pieces: letters.map((letter, index) => piece((index > 0 ? betweenLetters : '') + letter)),
    ...twoHeads(letters, 8, ''),
    rest: /^\s*$/,
    restChars: 0,
  };
}

/** Few differ, and a key of a thousand characters has a thousand of them. */
const known = new Map<string, RegExp>();

function piece(source: string): RegExp {
  const pattern = known.get(source) ?? new RegExp(source, 'y');
  known.set(source, pattern);
  return pattern;
}

function escapedUnit(unit: string): string {
  const [backslashes = ''] = /^\\*/.exec(unit) ?? [];
  const [char = '', ...more] = unit.slice(backslashes.length);
  const { length } = backslashes;
  // Each level of quoting doubles them.
  const before =
    length > 0
      ? String.raw`(?:\\(?:x5[cC]|u005[cC])?|%(?:25){0,2}5[cC]|&(?:amp;){0,2}#92;){${length},${8 * length}}`
      : '';
  return before + (char === '' ? '' : escaped(char, 1 + more.length));
}

const slashes = String.raw`\\{1,8}`;
/** What some encoder alone makes of a character. */
const special: Readonly<Record<string, readonly string[]>> = {
  '\0': [`${slashes}0`],
  '\x07': [`${slashes}a`],
  '\b': [`${slashes}b`],
  '\t': [`${slashes}t`],
  '\n': [`${slashes}n`, String.raw`\r\n`, '%0[dD]%0[aA]'],
  '\v': [`${slashes}v`],
  '\f': [`${slashes}f`],
  '\r': [`${slashes}r`],
  '\x1b': [`${slashes}[eE]`],
  ' ': [String.raw`\+`],
  '"': ['""'],
  "'": [String.raw`'\\{1,4}''`, `'"'"'`, "''"],
};

/** A character, or several that are the same, as they are or escaped: JSON, URL, HTML, shell, Python, C, and some of them twice. */
function escaped(char: string, count = 1): string {
  if (/\w/.test(char)) return char;
  const code = char.codePointAt(0) ?? 0;
  const bytes = [...Buffer.from(char, 'utf8')];
  const units = [...Array(char.length).keys()].map((index) => char.charCodeAt(index));
  const all = (numbers: readonly number[], before: string, digits: number) =>
    numbers.map((number) => before + hex(number, digits)).join('');
  const ways = [
    ...(special[char] ?? []),
    all(bytes, '%(?:25){0,2}', 2),
    all(units, `${slashes}u`, 4),
    String.raw`${slashes}(?:U0*|u\{0*)${hex(code, 1)}\}?`,
    ...(code < 256 ? [`${slashes}x${hex(code, 2)}`] : []),
    all(bytes, `${slashes}x`, 2),
    bytes.map((byte) => slashes + byte.toString(8).padStart(3, '0')).join(''),
    `&(?:amp;){0,2}(?:#0*${code}|#[xX]0*${hex(code, 1)}|[a-zA-Z]{2,8});`,
    // Last: escapes begin with characters that a value may hold.
    String.raw`\\{0,8}${literal(char)}`,
  ];
  // One way for all of them: any mixture would be found in exponential time.
  return `(?:${ways.map((way) => (count > 1 ? `(?:${way}){${count}}` : way)).join('|')})`;
}

/** In lower and upper case. */
function hex(number: number, digits: number): string {
  const written = number.toString(16).padStart(digits, '0');
  return written.replace(/[a-f]/g, (letter) => `[${letter}${letter.toUpperCase()}]`);
}

function literal(char: string): string {
  return char.replace(/[.*+?^${}()|[\]\\/-]/g, '\\$&');
}
