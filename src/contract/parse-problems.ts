import type { Blocks, Line } from './blocks.ts';
import type { Contract, Problem } from './contract.ts';
import { nameOfHeading, type Section, sections } from './fields.ts';
import { saysNothing } from './prose.ts';
import type { Entry, Split } from './sections.ts';
import { excerpt } from './text.ts';

/** A contract while it is read. */
export interface Reading {
  contract: Contract;
  problems: Problem[];
}

export const fieldsByKey = new Map(
  sections.flatMap((section) => section.fields.map((field) => [field.key, field] as const)),
);

export function problem(
  field: string,
  line: number | null,
  text: string | null,
  message: string,
  example: string,
  blocking: boolean,
): Problem {
  return { field, line, text: text === null ? null : excerpt(text), message, example, blocking };
}

/** Lines of a section that belong to none of its fields: no wish may be lost. */
export function reportStray(reading: Reading, split: Split): void {
  for (const { section, line, unknownLabel } of split.stray) {
    if (saysNothing(line.text)) continue;
    const names = section.fields.map(({ label }) => label).join(', ');
    const expected =
      section.key === 'checks'
        ? 'Expected `Name: command` or `Name: skip: reason`'
        : `Expected one of ${names}, each as \`Field: value\``;
    const home = unknownLabel === null ? null : sectionOf(unknownLabel);
    const place = home === null ? `${expected}.` : `Its place is under \`## ${home.label}\`.`;
    const message =
      unknownLabel === null ? place : `\`${excerpt(unknownLabel, 50)}\` is no field of this section. ${place}`;
    const example = section.fields[0]
      ? `${section.fields[0].label}: ${section.fields[0].example}`
      : 'Unit tests: npm test';
    const blocking = (home ?? section).key !== 'context';
    reading.problems.push(problem(section.label, line.number, line.text, message, example, blocking));
  }
}

/** Where a label that stands in another section belongs. */
function sectionOf(label: string): Section | null {
  const named = nameOfHeading(label);
  if (named === null) return null;
  return named.what === 'check' ? (sections.find(({ key }) => key === 'checks') ?? null) : named.section;
}

/** What a reader of the issue would not have seen, or would have taken for something else. */
export function reportHidden(reading: Reading, split: Split, blocks: Blocks): void {
  for (const { label, text, line } of split.lookAlikes) {
    const message = `This is read as \`${label}\`, but some of its letters only look like the right ones.`;
    reading.problems.push(problem(label, line, text, message, label, false));
  }
  if (blocks.tainted.size > 0) reportInvisible(reading, split, blocks);
  if (blocks.unclosedComment !== null) {
    const message = 'A comment (`<!--`) starts here and is never closed: nothing after it is shown or read.';
    reading.problems.push(problem('Contract', blocks.unclosedComment, null, message, '<!-- a comment -->', true));
  }
}

/** One problem a field, however many of its lines held characters that nobody can see. Where they bound the work they stop it. */
function reportInvisible(reading: Reading, split: Split, { tainted }: Blocks): void {
  const entryAt = new Map<number, Entry>();
  for (const entry of split.entries)
    for (const line of [entry.line, ...entry.lines.map((each) => each.number)]) entryAt.set(line, entry);
  const found = new Map<Entry | undefined, number[]>();
  for (const line of tainted) {
    const lines = found.get(entryAt.get(line)) ?? [];
    if (lines.push(line) === 1) found.set(entryAt.get(line), lines);
  }
  for (const [entry, lines] of found) {
    const where = lines.length === 1 ? 'This line' : `${lines.length} lines from here on`;
    const message = `${where} held characters that cannot be seen; they were taken out.`;
    const bounds = entry !== undefined && !proseFields.has(entry.key);
    const example = entry?.field?.example ?? 'plain text';
    reading.problems.push(problem(entry?.label ?? 'Contract', lines[0] ?? null, null, message, example, bounds));
  }
}

const proseFields = new Set(['goal', 'criteria', 'nonGoals', 'stop', 'reviewNote']);

export function reportMissing(reading: Reading, { entries, levels, notes }: Split, { lines }: Blocks): void {
  const { goal, criteria } = reading.contract;
  const lineOf = (key: string): number | null => entries.find((entry) => entry.key === key)?.line ?? null;
  const missing = (key: string, message: string, line = lineOf(key)): void => {
    const field = fieldsByKey.get(key);
    const inHeading = notes.find((note) => fieldBeforeColon(note.heading) === key);
    if (field && inHeading) {
      const why = `Its text stands in the heading: write \`## ${field.label}\`, and the text beneath it.`;
      reading.problems.push(problem(field.label, inHeading.line, inHeading.heading, why, field.example, true));
    } else if (field) reading.problems.push(problem(field.label, line, null, message, field.example, true));
  };
  const hidden = goal === '' ? lines.find(isGoalInCode) : undefined;
  if (hidden)
    missing(
      'goal',
      'Its heading stands inside a code block, where nothing is read: take the code block away.',
      hidden.number,
    );
  else if (goal === '') {
    const how = levels.length === 0 ? 'No heading of a contract was found: begin with `## Goal`. ' : '';
    missing('goal', `${how}Say in a sentence what should be different afterwards.`);
  }
  if (criteria.length === 0)
    missing('criteria', 'Name at least one thing that can be checked: Given/When/Then, or one statement a line.');
}

function fieldBeforeColon(heading: string): string | null {
  const colon = heading.slice(0, 60).search(/[:：]/u);
  const named = colon < 1 ? null : nameOfHeading(heading.slice(0, colon));
  return named?.what === 'field' ? named.field.key : null;
}

function isGoalInCode({ kind, text }: Line): boolean {
  return kind === 'code' && /^#{1,6} goal/iu.test(text);
}
