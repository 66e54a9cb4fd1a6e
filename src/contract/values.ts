import type { Line } from './blocks.ts';
import type { ToolGrant } from './contract.ts';
import type { Field } from './fields.ts';
import { globProblem, plainGlob } from './glob.ts';
import { isTagLine, saysNothing } from './prose.ts';
import { withoutJoiners } from './text.ts';

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
    }
  }
  return items;
}

/** Whether a value is the word for none, and not just an empty or unfilled one. */
export function saysNone(text: string): boolean {
  return /^[\s*_`]*(?:none|nothing)[\s*_`.]*$/iu.test(text);
}

/** Commas part items, but not those inside backticks, quotes, braces, brackets or parentheses. */
export function splitAtCommas(text: string): string[] {
  if (!text.includes(',')) return [text];
  const parts: string[] = [];
  let depth = 0;
  let quote = '';
  let start = 0;
  for (let at = 0; at < text.length; at++) {
    const char = text[at] ?? '';
    if (quote !== '') {
      if (char === quote) quote = '';
    } else if (char === '`' || char === '"' || (char === "'" && !/\w/u.test(text[at - 1] ?? ''))) quote = char;
    else if ('{[('.includes(char)) depth++;
    else if ('}])'.includes(char)) depth = Math.max(0, depth - 1);
    else if (char === ',' && depth === 0) {
      parts.push(text.slice(start, at));
      start = at + 1;
    }
  }
  if (depth > 0 || quote !== '') return text.split(',');
  return [...parts, text.slice(start)];
}

/** Without one pair of backticks, quotes or angle brackets around the whole. */
function unquote(text: string): string {
  const code = /^(`+)([\s\S]*[^`])\1[.;]?$/u.exec(text);
  if (code?.[2] !== undefined && !code[2].includes(code[1] ?? '`')) return code[2].trim();
  const quoted = /^"([^"]*)"$|^'([^']*)'$|^<([^<>\s]+)>$/u.exec(text);
  return (quoted?.[1] ?? quoted?.[2] ?? quoted?.[3] ?? text).trim();
}

function readEach<Value>(
  items: readonly Item[],
  message: (item: string) => string,
  read: (item: string, quoted: boolean) => Value | null,
): Items<Value> {
  const result: Items<Value> = { values: [], misread: [] };
  for (const item of items) {
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

/** Paths, globs, `#123` and addresses. Prior decisions may be words as well: they are kept, and said not to be references. */
export function readReferences(lines: readonly Line[], field: Field): Items<string> {
  const items = readItems(lines);
  const result = readEach(items, () => 'Expected paths, globs, `#123` or addresses.', readReference);
  if (field.key !== 'decisions') return result;
  return { values: items.map(({ text }) => readReference(text, true) ?? text), misread: result.misread };
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
    (item, quoted) => (looksLikePath(item, quoted) && !saysNone(item) ? plainGlob(item) : null),
  );
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
    (item, quoted) => (item.length <= 300 && !saysNone(item) && (quoted || !item.includes('`')) ? item : null),
  );
}

const grantText = /^([\w@./:+*-]+(?: [\w@./:=+*-]+)*)\s*(?:[([]([^()[\]]*)[)\]]|:\s+(.+))?$/u;
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
    (item) => {
      const match = grantText.exec(item.replaceAll('`', '').slice(0, 200));
      const access = match?.[2] ?? match?.[3];
      const name = match?.[1]?.replace(/:$/u, '') ?? '';
      if (name === '') return null;
      if (access === undefined) return { name: saysNone(name) ? 'none' : name, access: 'unstated' };
      const known = Object.hasOwn(accessWords, access.trim().toLowerCase())
        ? accessWords[access.trim().toLowerCase()]
        : undefined;
      return known ? { name, access: known } : null;
    },
  );
}

export function readNames(lines: readonly Line[]): Items<string> {
  return readEach(
    readItems(lines),
    () => 'Expected names of tools, separated by commas.',
    (item) => (/^[\w@./:*+-]{1,80}(?: [\w@./:=*+-]{1,80}){0,8}$/u.test(item) ? item : null),
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
  const items = readItems(lines).filter(
    ({ text }) => !/^(?:no|none needed|not needed|no network|no access)\.?$/iu.test(text),
  );
  return readEach(
    items,
    () => 'Expected `host:port` with a host name: no numeric addresses, no wildcards, no words.',
    readHost,
  );
}

export function readSecrets(lines: readonly Line[]): Items<string> {
  const items = readItems(lines).filter(({ text }) => !/^(?:no|none needed|not needed|no secrets)\.?$/iu.test(text));
  const result = readEach(
    items,
    () => 'Expected the names of secrets, never their values.',
    (item) => /^\$?([A-Za-z_][A-Za-z0-9_]{0,63})$/u.exec(item)?.[1] ?? null,
  );
  // It may be a value pasted by mistake: do not repeat it.
  return {
    values: result.values,
    misread: result.misread.map((each) => ({ ...each, text: `${each.text.slice(0, 4)}…` })),
  };
}

export interface CheckValue {
  command: string | null;
  skip: string | null;
}

/** A command, or `skip: reason`. Several lines are one script that ends at the first failing line. Null: nothing written. */
export function readCheck(lines: readonly Line[]): CheckValue | Misread | null {
  const fenced = lines.some(({ kind }) => kind === 'fence');
  const kept = lines.filter(({ kind }) => kind === 'code' || (kind === 'text' && !fenced));
  const texts = kept.map(({ text, kind }) =>
    kind === 'code' ? text.trimEnd() : text.trim().replace(/^\[[ xX]\]\s+/u, ''),
  );
  const loose = lines.filter((line) => (line.kind === 'text' && fenced) || (line.kind === 'html' && !isTagLine(line)));
  const written = texts.filter((text) => text.trim() !== '' && !saysNothing(text));
  const skip = written.length === 1 ? /^skip\b\s*(?:[:：–—-]\s*)?(.*)$/isu.exec(unquote(written[0] ?? '')) : null;
  const line = (loose[0] ?? kept.find(({ text }) => text.trim() !== '') ?? lines[0])?.number ?? 0;
  const misread = (message: string, text = written.join('\n')): Misread => ({ line, text, message });
  if (loose.length > 0) return misread('Expected the command alone, without words around it.', loose[0]?.text ?? '');
  if (written.length === 0) return null;
  if (skip) {
    const reason = skip[1]?.trim() ?? '';
    if (!/^skip\s*[:：]/iu.test(unquote(written[0] ?? '')) || saysNothing(reason)) {
      return misread('To skip a check, write `skip: reason` with a reason.');
    }
    return { command: null, skip: reason };
  }
  const commands = fenced ? written : written.map(unquote);
  if (commands.some((command) => withoutJoiners(command).changed))
    return misread('It holds characters that cannot be seen: write it anew.');
  if (!fenced && commands.some((command, index) => command.includes('`') && command === written[index])) {
    return misread('Expected the command alone: no words around it, and `$(…)` instead of backticks inside it.');
  }
  return { command: joinCommands(commands), skip: null };
}

function joinCommands(commands: readonly string[]): string {
  if (commands.length === 1) return (commands[0] ?? '').trim();
  return (commands[0]?.trim() === 'set -e' ? commands : ['set -e', ...commands]).join('\n');
}
