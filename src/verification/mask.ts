/** Replaces every known secret value in a text. Idempotent. */
export type Mask = (text: string) => string;

/** A mask for text that arrives in pieces: what might be the beginning of a secret is held back until it is known. */
export interface StreamMask {
  /** Masked text that is safe to show now. */
  push(chunk: string): string;
  /** What was held back, masked. */
  end(): string;
}

/** Shorter values are in too many innocent texts; no secret worth masking is that short. */
const shortestChars = 4;
const shortestLineChars = 8;

/** Mask for values by name: each is replaced as it is and in the encodings in which logs carry it (base64 at any offset, URL, JSON, hexadecimal). */
export function createMask(secrets: Readonly<Record<string, string>>): Mask {
  const needles = allNeedles(secrets);
  const pattern = patternOf(needles);
  if (pattern === null) return (text) => text;
  return (text) => text.replace(pattern, (found) => replacement(needles, found));
}

/** The same for a stream, whatever the pieces that it comes in. */
export function createStreamMask(secrets: Readonly<Record<string, string>>): StreamMask {
  const needles = allNeedles(secrets);
  const pattern = patternOf(needles);
  if (pattern === null) return { push: (chunk) => chunk, end: () => '' };
  const longest = Math.max(...[...needles.keys()].map((needle) => needle.length));
  const mask = (text: string) => text.replace(pattern, (found) => replacement(needles, found));
  let held = '';
  return {
    push(chunk) {
      const text = held + chunk;
      // Whatever begins a secret that may still be going on lies in the last `longest - 1` characters.
      let cut = Math.max(0, text.length - (longest - 1));
      for (const match of text.matchAll(pattern)) {
        const end = match.index + match[0].length;
        if (match.index < cut && end > cut) cut = end;
      }
      held = text.slice(cut);
      return mask(text.slice(0, cut));
    },
    end() {
      const rest = mask(held);
      held = '';
      return rest;
    },
  };
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
