import { type Document, isMap, isNode, isPair, isScalar, LineCounter, parseDocument } from 'yaml';
import type { z } from 'zod';
import { checkKind } from './fields.ts';
import { type PolicyLayer, policySchema } from './policy-schema.ts';
import { plainValue, yamlProblems } from './policy-yaml.ts';
import type { Layer } from './walls.ts';

export { type PolicyLayer, policySchema };

/** One error of a policy file. */
export interface PolicyProblem {
  file: string;
  /** 1-based. */
  line: number | null;
  /** Dotted, such as `limits.memory`; empty for the file as a whole. */
  key: string;
  /** What may stand there. */
  expected: string;
  /** What is wrong and what to do, one or two sentences. */
  message: string;
}

/** A problem of a policy file in one line: file, line, what is wrong. Names parts of the file, so escape it where it is shown. */
export function problemText({ file, line, key, message }: PolicyProblem): string {
  return `${file}:${line ?? 1}: ${key === '' ? '' : `${key}: `}${message}`;
}

type PolicyResult = { policy: PolicyLayer } | { problems: PolicyProblem[] };

/** Keys that only the operator ceiling may set. */
const operatorKeys: readonly string[] = [
  'for',
  'images',
  'retention',
  'files.unprotect',
  'network.addresses',
  'network.ca',
  'concurrency.global',
  'concurrency.worker',
  'model.prices',
  'model.allowed',
];

/**
 * More than any policy needs: a bound on what a repository can make the app read, each time that someone writes a command. Reading takes time
 * with the square of it, should all be keys.
 */
const maxFileChars = { operator: 200_000, organization: 32_000, repository: 32_000 } as const;
const maxProblems = 20;
const mostIssues = 100;

interface Source {
  file: string;
  document: Document;
  counter: LineCounter;
}

/** Reads one policy file. Errors are answers, each with file, line and key; never throws. */
export function parsePolicyFile(text: string, fileName: string, layer: Exclude<Layer, 'contract'>): PolicyResult {
  if (text.length > maxFileChars[layer])
    return fileProblem(fileName, null, `It is longer than ${maxFileChars[layer]} characters: shorten it.`);
  const counter = new LineCounter();
  // Pretty errors quote their line: of one long line with many errors, each time.
  const options = { lineCounter: counter, prettyErrors: false, version: '1.2', schema: 'core', merge: false } as const;
  const document = parseDocument(text, options);
  const source = { file: fileName, document, counter };
  const value = plainValue(document);
  const broken = yamlProblems(document, value !== undefined, maxProblems).map(({ at, path, expected, message }) => {
    const { line } = counter.linePos(at);
    return { file: fileName, line: line || null, key: dotted(path), expected, message };
  });
  if (broken.length > 0) return { problems: broken };
  if (value === undefined) return fileProblem(fileName, null, 'It uses too many YAML aliases: write the values out.');
  if (value !== null && (typeof value !== 'object' || Array.isArray(value)))
    return fileProblem(fileName, 1, 'It must be keys with values, such as `plan: approve`.');
  const parsed = policySchema.safeParse(value ?? {});
  // Each problem looks for its line: of very many, the first say enough.
  const issues = parsed.success ? [] : parsed.error.issues.slice(0, mostIssues);
  const problems = issues.flatMap((issue) => issueProblems(source, issue, []));
  if (layer !== 'operator') problems.push(...operatorOnly(source, layer));
  problems.push(...doubledChecks(source, parsed.success ? parsed.data : {}));
  if (problems.length > 0) return { problems: atMost(sortByLine(problems)) };
  return parsed.success ? { policy: withPlainKinds(parsed.data) } : fileProblem(fileName, null, 'It cannot be read.');
}

/** The first of many, and how many more there are. */
function atMost(problems: readonly PolicyProblem[]): PolicyProblem[] {
  const more = problems.length - maxProblems;
  const [first] = problems;
  if (more <= 0 || !first) return [...problems];
  const message = `${more + 1} more problems are not listed: mend these first.`;
  const rest = {
    ...first,
    line: problems[maxProblems - 1]?.line ?? null,
    key: '',
    expected: 'fewer problems',
    message,
  };
  return [...problems.slice(0, maxProblems - 1), rest];
}

function fileProblem(file: string, line: number | null, message: string): { problems: PolicyProblem[] } {
  return { problems: [{ file, line, key: '', expected: 'a policy in YAML', message }] };
}

function issueProblems(source: Source, issue: z.core.$ZodIssue, under: readonly PropertyKey[]): PolicyProblem[] {
  const path = [...under, ...issue.path];
  if (issue.code === 'unrecognized_keys')
    return issue.keys.slice(0, mostIssues).map((key) => unknownKey(source, [...path, key]));
  if (issue.code === 'invalid_union') {
    const meant = meantForm(issue);
    if (meant) return meant.flatMap((each) => issueProblems(source, each, path));
  }
  if (issue.code === 'invalid_key') return issue.issues.flatMap((each) => issueProblems(source, each, path));
  const key = dotted(path);
  const nothing =
    source.document.getIn(path) === null ? ' Nothing is written there: give a value or drop the key.' : '';
  // A key without words of its own holds further keys: zod's speak of objects and records.
  const isOfKeys = issue.code === 'invalid_type' && (issue.expected === 'object' || issue.expected === 'record');
  const expected = isOfKeys ? keysAt(path) : issue.message;
  const isQuoted = issue.code === 'invalid_type' && isQuotedWord(source.document.getIn(path));
  const message = `\`${key || source.file}\` must be ${expected}.${nothing}${isQuoted ? ' Take the quotes off.' : ''}`;
  return [{ file: source.file, line: lineOf(source, path), key, expected, message }];
}

/** In quotes it is a text, which nobody means where a number or a choice is expected. */
const isQuotedWord = (value: unknown) => typeof value === 'string' && /^(?:\d[\d.]*|true|false)$/u.test(value);

function keysAt(path: readonly PropertyKey[]): string {
  const known = knownKeys(path);
  return known.length === 0 ? 'names with values' : `keys with values: ${known.map((key) => `\`${key}\``).join(', ')}`;
}

/** The issues of the form that was meant: that whose errors lie deepest, and are the fewest. Null when it is none of the forms. */
function meantForm(union: z.core.$ZodIssueInvalidUnion): z.core.$ZodIssue[] | null {
  const forms = union.errors.flatMap((issues) => {
    const [only] = issues.length === 1 ? issues : [];
    return only?.code === 'invalid_union' && only.path.length === 0 ? only.errors : [issues];
  });
  const depth = (issues: readonly z.core.$ZodIssue[]) => Math.max(0, ...issues.map(({ path }) => path.length));
  const nested = forms.filter((issues) =>
    issues.some((each) => each.path.length > 0 || each.code === 'unrecognized_keys'),
  );
  return nested.toSorted((a, b) => depth(b) - depth(a) || a.length - b.length)[0] ?? null;
}

function unknownKey(source: Source, path: readonly PropertyKey[]): PolicyProblem {
  const known = knownKeys(path.slice(0, -1));
  const name = String(path.at(-1));
  const near = known.find((each) => looksAlike(each, name));
  const advice = near ? `Did you mean \`${near}\`?` : 'Drop it, or see docs/policy.md for what may stand here.';
  const expected = known.length > 0 ? `one of ${known.join(', ')}` : 'a key of docs/policy.md';
  const message = `\`${dotted(path)}\` is no key of the policy. ${advice}`;
  return { file: source.file, line: lineOf(source, path), key: dotted(path), expected, message };
}

/** The keys that the schema has at a path, for advice. */
function knownKeys(path: readonly PropertyKey[]): string[] {
  let schema: unknown = policySchema;
  for (const part of path) {
    schema = unwrap(schema);
    schema = typeof part === 'number' ? shapeOf(schema).element : shapeOf(schema).shape?.[String(part)];
  }
  return Object.keys(shapeOf(unwrap(schema)).shape ?? {});
}

interface Shape {
  shape?: Record<string, unknown>;
  element?: unknown;
  unwrap?: () => unknown;
}

function shapeOf(schema: unknown): Shape {
  return (schema ?? {}) as Shape;
}

function unwrap(schema: unknown): unknown {
  const { unwrap: inner, element } = shapeOf(schema);
  return typeof inner === 'function' && element === undefined ? shapeOf(schema).unwrap?.() : schema;
}

/** Same letters but for case and separators, or one letter more, less or other. */
function looksAlike(known: string, written: string): boolean {
  const plain = (text: string) => text.toLowerCase().replace(/[^a-z]/gu, '');
  const [a, b] = [plain(known), plain(written)];
  if (a === b || `${a}s` === b || a === `${b}s`) return true;
  if (Math.abs(a.length - b.length) > 1 || a.length < 4) return false;
  let at = 0;
  while (at < a.length && a[at] === b[at]) at++;
  return a.slice(at + 1) === b.slice(at + 1) || a.slice(at) === b.slice(at + 1) || a.slice(at + 1) === b.slice(at);
}

function operatorOnly(source: Source, layer: Layer): PolicyProblem[] {
  const where = layer === 'organization' ? 'the organisation’s file' : 'the repository’s file';
  const set = operatorKeys.map((key) => key.split('.')).filter((path) => source.document.hasIn(path));
  const servers = source.document.get('mcp');
  const names = isMap(servers) ? servers.items.map(({ key }) => (isScalar(key) ? String(key.value) : '')) : [];
  for (const name of names) {
    for (const part of ['url', 'headers', 'tools'])
      if (source.document.hasIn(['mcp', name, part])) set.push(['mcp', name, part]);
  }
  return set.map((path) => ({
    file: source.file,
    line: lineOf(source, path),
    key: dotted(path),
    expected: 'nothing: only the operator ceiling has this key',
    message: `\`${dotted(path)}\` may only stand in the operator ceiling: drop it from ${where}, or ask the operator.`,
  }));
}

/** `test` and `unit` are one kind: both at once would leave open which counts. */
function doubledChecks(source: Source, policy: PolicyLayer): PolicyProblem[] {
  const entries = (policy.for ?? []).flatMap(({ checks }, index) =>
    doubledIn(source, ['for', index, 'checks'], checks),
  );
  return [...doubledIn(source, ['checks'], policy.checks), ...entries];
}

function doubledIn(source: Source, path: readonly PropertyKey[], checks: PolicyLayer['checks']): PolicyProblem[] {
  const seen = new Map<string, string>();
  return Object.keys(checks ?? {}).flatMap((name) => {
    const kind = checkKind(name) ?? name;
    const first = seen.get(kind);
    seen.set(kind, first ?? name);
    if (first === undefined) return [];
    const key = dotted([...path, name]);
    const message = `\`${key}\` and \`${dotted([...path, first])}\` are the same kind, \`${kind}\`: keep one, or give one another name.`;
    return [{ file: source.file, line: lineOf(source, [...path, name]), key, expected: 'each kind once', message }];
  });
}

function withPlainKinds(policy: PolicyLayer): PolicyLayer {
  const plain = (layer: Pick<PolicyLayer, 'checks'>) =>
    layer.checks && {
      checks: Object.fromEntries(Object.entries(layer.checks).map(([key, check]) => [checkKind(key) ?? key, check])),
    };
  return {
    ...policy,
    ...plain(policy),
    ...(policy.for && { for: policy.for.map((entry) => ({ ...entry, ...plain(entry) })) }),
  };
}

function lineOf({ document, counter }: Source, path: readonly PropertyKey[]): number | null {
  for (let length = path.length; length >= 0; length--) {
    const start = startOf(document, path.slice(0, length));
    if (start !== null) return counter.linePos(start).line;
  }
  return null;
}

/** Offset of the key (or list item) at a path: the value may be missing, or on a later line. */
function startOf(document: Document, path: readonly PropertyKey[]): number | null {
  if (path.length === 0) return document.contents?.range?.[0] ?? null;
  const parent = path.length === 1 ? document.contents : document.getIn(path.slice(0, -1), true);
  const last = path.at(-1);
  const pair = isMap(parent)
    ? parent.items.find(({ key }) => isScalar(key) && String(key.value) === String(last))
    : undefined;
  if (isPair(pair) && isScalar(pair.key)) return pair.key.range?.[0] ?? null;
  const node = document.getIn(path, true);
  return isNode(node) ? (node.range?.[0] ?? null) : null;
}

function dotted(path: readonly PropertyKey[]): string {
  return path
    .map((part) => (typeof part === 'number' ? `[${part}]` : String(part)))
    .join('.')
    .replaceAll('.[', '[');
}

/** In the order of the file. One problem a key: the first says enough. */
function sortByLine(problems: readonly PolicyProblem[]): PolicyProblem[] {
  const seen = new Set<string>();
  const first = problems.filter(({ key }) => !seen.has(key) && seen.add(key));
  return first.sort((a, b) => (a.line ?? 0) - (b.line ?? 0));
}
