import type { Line } from './blocks.ts';
import { maxItems } from './bounds.ts';
import type { ToolGrant } from './contract.ts';
import type { Field } from './fields.ts';
import { globProblem, plainGlob } from './glob.ts';
import { isTagLine, saysNone, saysNothing } from './prose.ts';
import { withoutJoiners, withoutTail } from './text.ts';

/** Something in a value that could not be understood. */
export interface Misread {
  line: number;
  /** As written. */
  text: string;
  /** What was expected, as a sentence. */
  message: string;
}

export interface Items<Value> {
  values: Value[];
  misread: Misread[];
}

interface Item {
  text: string;
  line: number;
  /** Written in backticks or quotes: spaces are part of it. */
  quoted: boolean;
}

/** The items of a list: one a line or comma-separated, without markers, backticks and placeholders. */
function readItems(lines: readonly Line[], keepsNone = false): Item[] {
  const items: Item[] = [];
  for (const line of lines) {
    if (line.kind === 'blank' || line.kind === 'rule' || line.kind === 'fence') continue;
    if (isTagLine(line)) continue;
    const text = /^\s*[-*+[]/u.test(line.text)
      ? line.text.replace(/^\s*(?:[-*+]\s+)?(?:\[[ xX]\]\s+)?/u, '')
      : line.text;
    for (const part of splitAtCommas(text)) {
      const written = part.trim();
      const value = unquote(written);
      if (value === '' || (saysNothing(value) && !(keepsNone && saysNone(value)))) continue;
      items.push({ text: value, line: line.number, quoted: value !== written });
      if (items.length > maxItems) return items;
    }
  }
  return items;
}

/** Commas part items, but not those inside backticks, quotes, braces, brackets or parentheses. One by one: whoever has read enough goes away. */
function* splitAtCommas(text: string): Generator<string> {
  for (let rest = text; ; ) {
    const commas = partingCommas(rest);
    let start = 0;
    for (const comma of commas) {
      yield rest.slice(start, comma);
      start = comma + 1;
    }
    rest = rest.slice(start);
    if (commas.length < commasAtOnce) {
      yield rest;
      return;
    }
  }
}

/** A body may be one line of commas: most of them are never asked for. */
const commasAtOnce = 1000;

/** Where the first of them stand. Every comma, when something that was opened is never closed. By codes of characters, for speed. */
function partingCommas(text: string): number[] {
  const every: number[] = [];
  const outer: number[] = [];
  let depth = 0;
  let quote = 0;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === 0x2c && every.length < commasAtOnce) every.push(at);
    if (quote !== 0) {
      if (code === quote) quote = 0;
      continue;
    }
    switch (code) {
      case 0x2c: // ,
        if (depth === 0 && outer.length < commasAtOnce) outer.push(at);
        break;
      case 0x22: // "
      case 0x60: // `
        quote = code;
        break;
      case 0x27: // ' but not an apostrophe
        if (!/\w/u.test(text[at - 1] ?? '')) quote = code;
        break;
      case 0x28: // ( [ {
      case 0x5b:
      case 0x7b:
        depth++;
        break;
      case 0x29: // ) ] }
      case 0x5d:
      case 0x7d:
        depth = Math.max(0, depth - 1);
    }
  }
  return depth > 0 || quote !== 0 ? every : outer;
}

/** Without one pair of backticks, quotes or angle brackets around the whole. */
export function unquote(text: string): string {
  const code = codeIn(text);
  if (code !== null) return code.trim();
  const quoted = /^"([^"]*)"$|^'([^']*)'$|^<([^<>\s]+)>$/u.exec(text);
  return (quoted?.[1] ?? quoted?.[2] ?? quoted?.[3] ?? text).trim();
}

/** What stands between backticks around the whole, of which a full stop after them is no part. By hand: an expression backtracks over long runs of them. */
function codeIn(text: string): string | null {
  if (!text.startsWith('`')) return null;
  const end = /`[.;]$/u.test(text) ? text.length - 1 : text.length;
  let from = end;
  while (text[from - 1] === '`') from--;
  const ticks = text.slice(from, end);
  if (ticks === '' || from <= ticks.length || !text.startsWith(ticks)) return null;
  const code = text.slice(ticks.length, from);
  return code.includes(ticks) ? null : code;
}

/** `readItems` stops one item beyond the bound. */
function overBound(items: readonly Item[]): Misread[] {
  const message = `A field holds at most ${maxItems} values; this one and what follows were not read.`;
  return items.slice(maxItems).map(({ line, text }) => ({ line, text, message }));
}

function readEach<Value>(
  items: readonly Item[],
  message: (item: string) => string,
  read: (item: string, quoted: boolean) => Value | null,
): Items<Value> {
  const result: Items<Value> = { values: [], misread: overBound(items) };
  for (const item of items.slice(0, maxItems)) {
    const joined = withoutJoiners(item.text);
    const value = joined.changed ? null : read(item.text, item.quoted);
    if (value !== null) result.values.push(value);
    else {
      const why = joined.changed ? 'It holds characters that cannot be seen: write it anew.' : message(item.text);
      result.misread.push({ line: item.line, text: item.text, message: why });
    }
  }
  return result;
}

/** Paths, globs, `#123` and addresses. Prior decisions may be words as well: they are kept, and said to lead nowhere unless a reference is among them. */
export function readReferences(lines: readonly Line[], field: Field): Items<string> {
  const items = readItems(lines);
  const result = readEach(items, () => 'Expected paths, globs, `#123` or addresses.', readReference);
  if (field.key !== 'decisions') return result;
  const unread = overBound(items);
  const misread = result.misread.slice(unread.length).filter(({ text }) => threadsIn(text).length === 0);
  const values = items.slice(0, maxItems).map(({ text }) => readReference(text, true) ?? text);
  return { values, misread: [...unread, ...misread] };
}

/** Issues, pull requests and addresses that are named in words, such as `PR #12 (slugs)`. */
function threadsIn(words: string): string[] {
  const found = words.match(/https?:\/\/[^\s<>()]+|(?:\b[\w.-]{1,39}\/[\w.-]{1,100})?#\d+\b|\bGH-\d+\b/giu) ?? [];
  return found.map((reference) => withoutTail(reference, /[.:;]/u));
}

/** What a prior decision points at: itself, or the references among its words. */
export function referencesIn(decision: string): string[] {
  const threads = /\s/u.test(decision) ? threadsIn(decision) : [];
  return threads.length > 0 ? threads : [decision];
}

function readReference(item: string, quoted: boolean): string | null {
  const target = /^\[[^\]]*\]\(([^()\s]+)\)$/u.exec(item)?.[1] ?? item;
  if (/^(?:[\w.-]+\/[\w.-]+)?#\d+$|^GH-\d+$/u.test(target) || /^https?:\/\/\S+$/iu.test(target)) return target;
  return looksLikePath(target, quoted) ? target : null;
}

export function readGlobs(lines: readonly Line[]): Items<string> {
  return readEach(
    readItems(lines, true),
    (item) =>
      `Expected a path or glob inside the repository; this one ${globProblem(item) ?? 'reads like words (a path with spaces goes into backticks)'}.`,
    (item, quoted) => (looksLikePath(item, quoted) && (quoted || !isNoName(item)) ? plainGlob(item) : null),
  );
}

/** Words that name nothing: joined by `and`, or for all and none. What is written in backticks is meant as it is. */
function isNoName(item: string): boolean {
  const outsideQuotes = item.replace(/"[^"]*"|'[^']*'|`[^`]*`/gu, '');
  return /\s(?:and|or)\s|^(?:any|all|every|anything|everything|no)(?:\s|$)/iu.test(outsideQuotes) || saysNone(item);
}

/** Words are no path, and `a/** and b/**` are not one: a path with spaces stands in backticks. */
function looksLikePath(item: string, quoted: boolean): boolean {
  if (globProblem(item) !== null || /[<>|"`]|:\s|\s\(|:\/\//u.test(item)) return false;
  return quoted || !/\s/u.test(item);
}

export function readCommands(lines: readonly Line[]): Items<string> {
  return readEach(
    readItems(lines, true),
    () =>
      'Expected commands or patterns such as `npm test *`, each at most 300 characters; empty for what the repository file says.',
    (item, quoted) => (item.length <= 300 && (quoted || !(item.includes('`') || isNoName(item))) ? item : null),
  );
}

const grantText =
  /^(.+?)(?:\s*[([（]([^()[\]（）]*)[)\]）]|:\s+(\S.*)|\s+[-–—]\s+(\S.*)|\s+(read[- ]?only|mutating))?$/iu;
const toolName = /^[\w@./:*+-]{1,80}(?: [\w@./:=*+-]{1,80}){0,8}$/u;
/** A bound on `grantText`, which backtracks. */
const longestGrant = 200;
const accessWords: Readonly<Record<string, ToolGrant['access']>> = {
  'read-only': 'read-only',
  readonly: 'read-only',
  'read only': 'read-only',
  read: 'read-only',
  mutating: 'mutating',
  write: 'mutating',
  'read-write': 'mutating',
};

/** `name`, `name (read-only)`, `name (mutating)`. The word `none` is kept as a name: it asks for none, where nothing would leave it to the policy. */
export function readGrants(lines: readonly Line[]): Items<ToolGrant> {
  return readEach(
    readItems(lines, true),
    () => 'Expected a name with its access: `name (read-only)` or `name (mutating)`.',
    (item, quoted) => {
      if (saysNone(item)) return { name: 'none', access: 'unstated' };
      const plain = item.replace(/`|\*\*|__/gu, '');
      if (plain.length > longestGrant) return null;
      const [, name = '', ...accesses] = grantText.exec(plain) ?? [];
      if (!toolName.test(name) || name.endsWith(':') || (!quoted && isNoName(name))) return null;
      const access = accesses
        .find((each) => each !== undefined)
        ?.trim()
        .toLowerCase();
      if (access === undefined) return { name, access: 'unstated' };
      const known = Object.hasOwn(accessWords, access) ? accessWords[access] : undefined;
      return known ? { name, access: known } : null;
    },
  );
}

export function readNames(lines: readonly Line[]): Items<string> {
  return readEach(
    readItems(lines),
    () => 'Expected names of tools, separated by commas.',
    (item, quoted) => (toolName.test(item) && (quoted || !isNoName(item)) ? item : null),
  );
}

/** `host:port`; an address gives both, a bare name means port 443. Null for anything else: numeric addresses are never reachable. */
export function readHost(text: string): string | null {
  const url = /^(https?):\/\/([^/\s?#@]+)(?:\/\S*)?$/iu.exec(text);
  const host = url?.[2] ?? text;
  const match =
    /^((?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)\.?(?::(\d{1,5}))?$/iu.exec(
      host,
    );
  if (!match?.[1] || match[1].length > 253) return null;
  if (/^(?:\d+|0x[0-9a-f]*)$/iu.test(match[1].split('.').at(-1) ?? '')) return null;
  const port = Number(match[2] ?? (url?.[1]?.toLowerCase() === 'http' ? 80 : 443));
  return port >= 1 && port <= 65535 ? `${match[1].toLowerCase()}:${port}` : null;
}

export function readHosts(lines: readonly Line[]): Items<string> {
  return readEach(
    readItems(lines).filter(({ text }) => !saysNone(text)),
    () => 'Expected `host:port` with a host name: no numeric addresses, no wildcards, no words.',
    readHost,
  );
}

/** Nobody names a variable so: letters of both cases and digits in a long mix, or what providers begin their keys with. */
const tokenLike = /^(?=.*\d)(?=.*[a-z])(?=.*[A-Z])\w{16,}$|^(?:AKIA|ASIA|gh[a-z]_|github_pat_|sk_|xox)\w{12,}$/u;

export function readSecrets(lines: readonly Line[]): Items<string> {
  const result = readEach(
    readItems(lines).filter(({ text }) => !saysNone(text)),
    () => 'Expected the names of secrets, never their values.',
    (item) =>
      tokenLike.test(item) ? null : (/^(?:\$\{(?=.*\})|\$)?([A-Za-z_][A-Za-z0-9_]{0,63})\}?$/u.exec(item)?.[1] ?? null),
  );
  // It may be a value pasted by mistake: do not repeat it.
  return {
    values: result.values,
    misread: result.misread.map((each) => ({ ...each, text: `${each.text.slice(0, 4)}…` })),
  };
}
