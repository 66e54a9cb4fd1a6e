/**
 * One glob language for every list of paths. A matcher of our own and not picomatch: globs come from issues and repository files, and
 * picomatch's regular expressions backtrack (`*a*a*a*a*a*a*a*a*b` against sixty letters: 215 s). This one is at most quadratic. The tests hold it against
 * picomatch with `{ dot: true }` on the globs that both know.
 *
 * `*` any characters but `/`, `?` one character, `**` as a whole segment any number of segments, `[a-z]` and `[!a-z]` a set (the brackets also match as themselves, for
 * folders such as `[id]`), `{a,b}` alternatives. Everything else, parentheses too, is itself. Letter case counts; dotfiles are matched like any
 * other. A glob without wildcards, or one that ends in `/`, also covers all beneath it.
 */
type Token =
  | { what: 'star' | 'any' }
  | { what: 'char'; char: string }
  | { what: 'set'; not: boolean; ranges: [string, string][] };

interface Segment {
  literal: string;
  /** Null: `**`. */
  tokens: Token[] | null;
}

const maxGlobChars = 512;
const maxAlternatives = 64;

/** What is wrong with a glob, as the end of a sentence, or null. Negation has no meaning here: it is refused, and `files.deny` says what it would. */
export function globProblem(glob: string): string | null {
  if (glob.trim() === '') return 'is empty';
  if (glob.length > maxGlobChars) return `is longer than ${maxGlobChars} characters`;
  if (glob.startsWith('!')) return 'starts with `!`: leave paths out with `files.deny` in the repository file instead';
  if (glob.includes('\\')) return 'has a backslash: write `/` between folders';
  if (glob.startsWith('/') || /^[A-Za-z]:/u.test(glob)) return 'is absolute: name paths from the top of the repository';
  if (glob.startsWith('~')) return 'starts with `~`: name paths from the top of the repository';
  if (glob.includes('..') && glob.split('/').includes('..')) return 'has a `..`: paths never leave the repository';
  if (/\p{Cc}/u.test(glob)) return 'has control characters';
  if (glob.includes('{') && expandBraces(glob, 0) === null)
    return `has more than ${maxAlternatives} alternatives in braces`;
  return null;
}

/** The one way in which a glob is written: no leading `./`, no doubled slashes, `src/` as `src/**`. */
export function plainGlob(glob: string): string {
  const trimmed = glob.trim();
  const single = trimmed.includes('//') ? trimmed.replace(/\/+/gu, '/') : trimmed;
  const plain = single.startsWith('./') ? single.replace(/^(?:\.\/)+/u, '') : single;
  if (plain === '.' || plain === '') return '**';
  return plain.endsWith('/') ? `${plain}**` : plain;
}

/** Why a path can be no file of the repository, or null. */
export function pathProblem(path: string): string | null {
  if (path === '') return 'is empty';
  if (path.startsWith('/')) return 'is absolute';
  if (path.includes('\0')) return 'has a NUL character';
  return path.split('/').some((part) => part === '..' || part === '.' || part === '') ? 'leaves the repository' : null;
}

/** Whether the glob matches the path (relative, `/` between folders). A bad glob or path matches nothing. */
export function matchesGlob(path: string, glob: string): boolean {
  if (pathProblem(path) !== null || globProblem(glob) !== null) return false;
  const parts = path.split('/');
  return compile(glob).some((segments) => matchSegments(parts, segments));
}

/** Whether everything that `inner` matches is matched by `outer` too. Sound but for folders named like files, not complete: `false` may only mean that it is not obvious. */
export function globCovers(outer: string, inner: string): boolean {
  const plainOuter = plainGlob(outer);
  const plainInner = plainGlob(inner);
  if (plainOuter === '**' || plainOuter === plainInner) return true;
  if (plainOuter.endsWith('/**') && !hasWildcards(plainOuter.slice(0, -3))) {
    const folder = plainOuter.slice(0, -3);
    return plainInner === folder || plainInner.startsWith(`${folder}/`);
  }
  if (hasWildcards(plainInner)) return false;
  // A plain name covers what is beneath it as well, so the outer glob has to, unless the name is a file's by its extension.
  const coversBeneath = !hasWildcards(plainOuter) || plainOuter.endsWith('**') || /\.[^/]+$/u.test(plainInner);
  return coversBeneath && matchesGlob(plainInner, plainOuter);
}

export function hasWildcards(glob: string): boolean {
  return /[*?[{]/u.test(glob);
}

/** What every path that a glob matches begins with. */
export function globStem(glob: string): string {
  return /^[^*?[{]*/u.exec(plainGlob(glob))?.[0] ?? '';
}

const compiled = new Map<string, Segment[][]>();

function compile(glob: string): Segment[][] {
  const known = compiled.get(glob);
  if (known) return known;
  const plain = plainGlob(glob);
  const alternatives = (expandBraces(plain, 0) ?? []).map((each) => {
    const segments = each.split('/').map(compileSegment);
    // `src/**` is `src` as well, should that be a file; `*/**` is not every file at the top.
    const isBeneathStar =
      segments.at(-1)?.tokens === null && segments.at(-2)?.tokens?.some(({ what }) => what === 'star');
    if (isBeneathStar) segments.splice(-1, 0, compileSegment('*'));
    // A name without wildcards may be a folder: what lies beneath it counts as well.
    return hasWildcards(each) ? segments : [...segments, { literal: '**', tokens: null }];
  });
  if (compiled.size > 2000) compiled.clear();
  compiled.set(glob, alternatives);
  return alternatives;
}

function compileSegment(literal: string): Segment {
  if (literal === '**') return { literal, tokens: null };
  const tokens: Token[] = [];
  for (let rest = literal; rest !== ''; ) {
    const set = /^\[([!^]?)([^\]]+)\]/u.exec(rest);
    const char = String.fromCodePoint(rest.codePointAt(0) ?? 0);
    if (set) tokens.push({ what: 'set', not: set[1] !== '', ranges: rangesOf(set[2] ?? '') });
    else if (char === '*') {
      if (tokens.at(-1)?.what !== 'star') tokens.push({ what: 'star' });
    } else tokens.push(char === '?' ? { what: 'any' } : { what: 'char', char });
    rest = rest.slice(set ? set[0].length : char.length);
  }
  return { literal, tokens };
}

function rangesOf(set: string): [string, string][] {
  const chars = Array.from(set);
  const ranges: [string, string][] = [];
  for (let at = 0; at < chars.length; at++) {
    const from = chars[at] ?? '';
    const to = chars[at + 1] === '-' ? chars[at + 2] : undefined;
    ranges.push([from, to ?? from]);
    if (to !== undefined) at += 2;
  }
  return ranges;
}

function matchSegments(parts: readonly string[], segments: readonly Segment[]): boolean {
  return matchWithStars(
    parts,
    segments,
    (segment) => segment.tokens === null,
    (part, segment) => part === segment.literal || (segment.tokens !== null && matchChars(part, segment.tokens)),
  );
}

function matchChars(part: string, tokens: readonly Token[]): boolean {
  return matchWithStars(
    Array.from(part),
    tokens,
    (token) => token.what === 'star',
    (char, token) => {
      if (token.what === 'any') return true;
      if (token.what === 'char') return token.char === char;
      return token.what === 'set' && token.not !== token.ranges.some(([from, to]) => from <= char && char <= to);
    },
  );
}

/** Items against a pattern with stars. After a mismatch only the last star takes one more: the earlier ones need never change. */
function matchWithStars<Item, Part>(
  items: readonly Item[],
  pattern: readonly Part[],
  isStar: (part: Part) => boolean,
  matches: (item: Item, part: Part) => boolean,
): boolean {
  let item = 0;
  let at = 0;
  let star = -1;
  let taken = 0;
  while (item < items.length) {
    const part = pattern[at];
    if (part !== undefined && isStar(part)) {
      star = at++;
      taken = item;
    } else if (part !== undefined && matches(items[item] as Item, part)) {
      at++;
      item++;
    } else if (star >= 0) {
      at = star + 1;
      item = ++taken;
    } else return false;
  }
  while (at < pattern.length && isStar(pattern[at] as Part)) at++;
  return at === pattern.length;
}

/** The alternatives of `{a,b}`, nested ones too; null when there are too many. Braces without a comma are themselves. */
function expandBraces(glob: string, from: number): string[] | null {
  const group = findGroup(glob, from);
  if (!group) return [glob];
  const results: string[] = [];
  for (const option of group.options) {
    const rest = expandBraces(glob.slice(0, group.start) + option + glob.slice(group.end + 1), group.start);
    if (!rest || results.length + rest.length > maxAlternatives) return null;
    results.push(...rest);
  }
  return results;
}

function findGroup(glob: string, from: number): { start: number; end: number; options: string[] } | null {
  for (let start = glob.indexOf('{', from); start >= 0; start = glob.indexOf('{', start + 1)) {
    const commas: number[] = [];
    let depth = 0;
    for (let at = start; at < glob.length; at++) {
      const char = glob[at];
      if (char === '{') depth++;
      else if (char === ',' && depth === 1) commas.push(at);
      else if (char === '}' && --depth === 0) {
        if (commas.length === 0) break;
        const ends = [...commas, at];
        return { start, end: at, options: ends.map((end, index) => glob.slice((ends[index - 1] ?? start) + 1, end)) };
      }
    }
  }
  return null;
}
