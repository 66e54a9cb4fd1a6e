import { type Line, scanBlocks } from './blocks.ts';
import { withinBounds } from './bounds.ts';
import { readCheck } from './check-value.ts';
import { type Contract, emptyContract, type Problem } from './contract.ts';
import { checkExample, type Field } from './fields.ts';
import { fieldsByKey, problem, type Reading, reportHidden, reportMissing, reportStray } from './parse-problems.ts';
import { readGoal, readProse, readStatements, saysNone, saysNothing } from './prose.ts';
import { type Entry, type Split, splitSections, titles } from './sections.ts';
import { readStop } from './stop.ts';
import { plainLabel } from './text.ts';
import {
  type Items,
  type Misread,
  readCommands,
  readGlobs,
  readGrants,
  readHosts,
  readNames,
  readReferences,
  readSecrets,
} from './values.ts';

export type ContractForm = 'issue-form' | 'pasted' | 'none';

export interface ParsedContract {
  /** Null when the body has no heading of the contract. With blocking problems it is what could be read, to be shown, not to be run. */
  contract: Contract | null;
  problems: Problem[];
  form: ContractForm;
}

const maxProblems = 50;

/**
 * Reads an issue's body as a contract. Never throws. What is written but not understood becomes a problem with its line and text. Whether the contract
 * is testable also depends on the repository file: `judgeTestable`.
 */
export function parseContract(body: string): ParsedContract {
  const { text, over } = withinBounds(body);
  const blocks = scanBlocks(text);
  const split = splitSections(blocks.lines);
  const reading: Reading = { contract: emptyContract(), problems: [] };
  if (over !== null) reportUnread(reading, null, `The text is longer than ${over}`);
  if (split.unread !== null) reportUnread(reading, split.unread.line, `There are more than ${split.unread.over}`);
  const form = formOf(split);
  readEntries(reading, split.entries);
  reading.contract.notes = split.notes
    .map(({ heading, lines }) => ({ heading, text: readProse(lines) }))
    .filter(({ heading, text }) => text !== '' || !(heading === '' || titles.has(plainLabel(heading))));
  reportStray(reading, split);
  reportHidden(reading, split, blocks);
  reportMissing(reading, split, blocks);
  return {
    contract: form === 'none' ? null : reading.contract,
    problems: atMost(reading.problems),
    form,
  };
}

function reportUnread(reading: Reading, line: number | null, why: string): void {
  const message = `${why}; what comes after was not read.`;
  reading.problems.push(problem('Contract', line, null, message, 'a shorter contract', true));
}

/** What blocks comes first when there is more than anyone reads. */
function atMost(problems: readonly Problem[]): Problem[] {
  if (problems.length <= maxProblems) return [...problems];
  const kept = problems.toSorted((a, b) => Number(b.blocking) - Number(a.blocking)).slice(0, maxProblems - 1);
  const message = `${problems.length - kept.length} more problems are not listed: mend these first.`;
  return [...kept, problem('Contract', null, null, message, 'one value a line', true)];
}

function formOf(split: Split): ContractForm {
  if (split.levels.length === 0) return 'none';
  const flat = split.levels.every((level) => level === 3) && split.entries.length > 0;
  return flat ? 'issue-form' : 'pasted';
}

/** Each field once: a further one with a value is a problem, since a reader may have seen only the other. */
function readEntries(reading: Reading, entries: readonly Entry[]): void {
  const given = new Map<string, Entry[]>();
  for (const entry of entries) {
    if (!entry.lines.some((line) => says(line, entry))) continue;
    const same = given.get(entry.key);
    if (same) same.push(entry);
    else given.set(entry.key, [entry]);
  }
  for (const [first, ...more] of given.values()) {
    if (first === undefined) continue;
    if (first.field) readField(reading, first, first.field);
    else readCheckEntry(reading, first);
    reportRepeated(reading, first, more);
  }
}

function reportRepeated(reading: Reading, first: Entry, [second, ...more]: readonly Entry[]): void {
  if (second === undefined) return;
  const often = more.length === 0 ? 'twice' : `${more.length + 2} times`;
  const where =
    more.length === 0 ? `lines ${first.line} and ${second.line}` : `lines ${first.line}, ${second.line} and more`;
  const message = `\`${second.label}\` is given ${often}, on ${where}: keep one.`;
  // A value pasted among the names of secrets is not to be repeated.
  const text = second.key === 'secrets' ? null : second.lines.map((line) => line.text).join(' ');
  const example = second.field?.example ?? checkExample;
  reading.problems.push(problem(second.label, second.line, text, message, example, true));
}

/** Whether a line says something. For what bounds the work, `none` does: it is not the same as leaving it to the policy. */
function says({ kind, text }: Line, { field }: Entry): boolean {
  if (kind === 'blank' || kind === 'fence' || kind === 'rule') return false;
  return !saysNothing(text) || (saysNone(text) && ['globs', 'commands', 'grants'].includes(field?.reader ?? ''));
}

type FieldReader = (contract: Contract, lines: readonly Line[], field: Field) => readonly Misread[];

function list<Value>(
  read: (lines: readonly Line[], field: Field) => Items<Value>,
  put: (contract: Contract, values: Value[]) => void,
): FieldReader {
  return (contract, lines, field) => {
    const { values, misread } = read(lines, field);
    put(contract, values);
    return misread;
  };
}

/** How each field gets into the contract. Answers what could not be understood. */
const fieldReaders: Readonly<Record<string, FieldReader>> = {
  goal: (contract, lines) => {
    contract.goal = readGoal(lines);
    return [];
  },
  criteria: (contract, lines) => {
    const ids = readStatements(lines, true).map(({ text }, index) => ({ id: `AC${index + 1}`, text }));
    contract.criteria = ids.map(({ id, text }) => ({ id, text: withoutId(text, id) }));
    return [];
  },
  nonGoals: (contract, lines) => {
    contract.nonGoals = readStatements(lines, false).map(({ text }) => text);
    return [];
  },
  files: list(readReferences, ({ context }, values) => Object.assign(context, { files: values })),
  tests: list(readReferences, ({ context }, values) => Object.assign(context, { tests: values })),
  docs: list(readReferences, ({ context }, values) => Object.assign(context, { docs: values })),
  decisions: list(readReferences, ({ context }, values) => Object.assign(context, { decisions: values })),
  mcps: list(readGrants, ({ tools }, values) => Object.assign(tools, { mcps: values })),
  clis: list(readGrants, ({ tools }, values) => Object.assign(tools, { clis: values })),
  readOnly: list(readNames, ({ tools }, values) => Object.assign(tools, { readOnly: values })),
  mutating: list(readNames, ({ tools }, values) => Object.assign(tools, { mutating: values })),
  denied: list(readNames, ({ tools }, values) => Object.assign(tools, { denied: values })),
  allowedFiles: list(readGlobs, ({ boundaries }, values) => Object.assign(boundaries, { files: values })),
  allowedCommands: list(readCommands, ({ boundaries }, values) => Object.assign(boundaries, { commands: values })),
  network: list(readHosts, ({ boundaries }, values) => Object.assign(boundaries, { network: values })),
  secrets: list(readSecrets, ({ boundaries }, values) => Object.assign(boundaries, { secrets: values })),
  stop: (contract, lines) => {
    const { text, limits, misread } = readStop(lines);
    contract.stop = { text, limits };
    return misread;
  },
  reviewNote: (contract, lines) => {
    contract.reviewNote = readProse(lines);
    return [];
  },
};

function readField(reading: Reading, entry: Entry, field: Field): void {
  const misread = fieldReaders[field.key]?.(reading.contract, withoutOwnLabel(entry), field) ?? [];
  // Unreadable context stops nobody; what bounds or proves the work does.
  const blocking = entry.section.key !== 'context';
  for (const { line, text, message } of misread) {
    reading.problems.push(problem(field.label, line, text, message, field.example, blocking));
  }
}

/** `- Goal: …` right under `## Goal`: the label once more says nothing. */
function withoutOwnLabel(entry: Entry): readonly Line[] {
  const index = entry.lines.findIndex(({ kind }) => kind !== 'blank' && kind !== 'rule');
  const first = entry.lines[index];
  if (first?.kind !== 'text') return entry.lines;
  const colon = first.text.slice(0, 60).search(/[:：]/u);
  if (colon < 1 || plainLabel(first.text.slice(0, colon)) !== plainLabel(entry.label)) return entry.lines;
  const value = first.text
    .slice(colon + 1)
    .replace(/^[*_`]{1,3}(?=\s|$)/u, '')
    .trim();
  const rest = entry.lines.slice(index + 1);
  return value === '' ? rest : [{ ...first, text: value, mark: '', depth: 0 }, ...rest];
}

function withoutId(text: string, id: string): string {
  return text.startsWith(id) ? text.replace(/^AC\d+\s*[:.)–—-]\s*(?=\S)/u, '') : text;
}

function readCheckEntry(reading: Reading, entry: Entry): void {
  if (!entry.kind) {
    const message = 'The name of a check needs letters a to z or digits.';
    reading.problems.push(
      problem(entry.label, entry.line, entry.label, message, 'Migration check: npm run migrate:check', true),
    );
    return;
  }
  const value = readCheck(entry.lines);
  if (value === null) return;
  if ('message' in value) {
    reading.problems.push(problem(entry.label, value.line, value.text, value.message, checkExample, true));
    return;
  }
  reading.contract.checks.push({ kind: entry.kind, label: entry.label, line: entry.line, ...value });
}

/** What the contract may leave to the repository file. Only what is needed to judge: `judgeTestable` takes any policy layer, or none. */
export interface RepositoryDefaults {
  files?: { allow?: readonly string[] | undefined } | undefined;
  checks?: Readonly<Record<string, unknown>> | undefined;
}

/** What the contract and the repository file together lack: allowed files, and a check that runs. Empty: nobody has to guess what done means. */
export function judgeTestable(contract: Contract, repository: RepositoryDefaults | null): Problem[] {
  const problems: Problem[] = [];
  const field = fieldsByKey.get('allowedFiles');
  if (contract.boundaries.files.length === 0 && !repository?.files?.allow?.length && field) {
    const message = 'Name the files that may change, here or as `files.allow` in `.github/millwright.yml`.';
    problems.push(problem(field.label, null, null, message, field.example, true));
  }
  const skipped = new Set(contract.checks.flatMap(({ kind, skip }) => (skip === null ? [] : [kind])));
  const runs =
    contract.checks.some(({ command }) => command !== null) ||
    Object.entries(repository?.checks ?? {}).some(([kind, check]) => !(skipped.has(kind) && isOptional(check)));
  if (!runs) {
    const message = 'Name at least one command that proves the work, here or as `checks` in `.github/millwright.yml`.';
    problems.push(problem('Checks before review', null, null, message, 'Unit tests: npm test', true));
  }
  return problems;
}

const isOptional = (check: unknown) =>
  typeof check === 'object' && check !== null && 'optional' in check && check.optional === true;
