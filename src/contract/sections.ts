import type { Line } from './blocks.ts';
import { maxParts, maxSectionLines } from './bounds.ts';
import {
  checkKind,
  checkLabel,
  type Field,
  fieldOfSection,
  type Named,
  nameOfHeading,
  type Section,
  sections,
} from './fields.ts';
import { plainLabel, withoutTail } from './text.ts';

/** One field as found: where, and the lines that belong to it. */
export interface Entry {
  /** `goal`, `files` …, or `check:<kind>`. */
  key: string;
  /** As shown to people. */
  label: string;
  section: Section;
  /** Null for a check. */
  field: Field | null;
  kind: string | null;
  line: number;
  lines: Line[];
}

export interface Split {
  entries: Entry[];
  notes: { heading: string; line: number; lines: Line[] }[];
  /** Lines of a section with several fields that belong to none of them. */
  stray: { section: Section; line: Line; unknownLabel: string | null }[];
  /** Labels that only look like one of ours, as written. */
  lookAlikes: { label: string; text: string; line: number }[];
  /** Levels of the headings that name a section or a field. */
  levels: number[];
  /** Where reading ended, and of what there is more than anyone reads; null when all was read. */
  unread: { line: number; over: string } | null;
}

type Place =
  | { what: 'note'; lines: Line[] }
  /** `level` of its heading. */
  | { what: 'entry'; entry: Entry; level: number }
  /** A section with several fields; `level` of its heading, `entry` the field that lines go to. */
  | { what: 'section'; section: Section; level: number; entry: Entry | null };

const checks = sections.find(({ key }) => key === 'checks') as Section;
/** Headings of a whole contract, which say nothing by themselves. */
export const titles: ReadonlySet<string> = new Set(['agent handoff contract', 'handoff contract', 'agent task']);

/** Gives every line to a field, a note, or the strays. Nothing is left out up to `unread`. */
export function splitSections(lines: readonly Line[]): Split {
  const split: Split = { entries: [], notes: [], stray: [], lookAlikes: [], levels: [], unread: null };
  let place: Place = startNote(split, '', 1);
  let sectionLines = 0;
  for (let index = 0; index < lines.length; index++) {
    const line = lines[index] as Line;
    if (place.what === 'section' && line.kind !== 'blank') sectionLines++;
    const over = boundOf(split, sectionLines);
    if (over !== null) {
      split.unread = { line: line.number, over };
      break;
    }
    const underlined = underlinedHeading(lines, index);
    if (underlined) index++;
    if (line.kind === 'heading' || underlined) place = enter(split, place, underlined ?? line);
    else addLine(split, place, line, lines[index + 1]);
  }
  return split;
}

function boundOf({ entries, notes, stray }: Split, sectionLines: number): string | null {
  if (entries.length + notes.length + stray.length > maxParts) return `${maxParts} headings and fields`;
  return sectionLines > maxSectionLines ? `${maxSectionLines} lines beneath headings of several fields` : null;
}

/** A line of text underlined with `===` or `---` is a heading too; here only when it names something, or a rule in prose would tear it apart. */
function underlinedHeading(lines: readonly Line[], index: number): Line | null {
  const line = lines[index];
  const next = lines[index + 1];
  if (line?.kind !== 'text' || line.mark !== '' || line.depth > 0 || !next || next.depth > 0) return null;
  const before = lines[index - 1]?.kind ?? 'blank';
  if (before === 'text' || before === 'html' || !/^(?:=+|-{2,})[ \t]*$/u.test(next.text) || next.mark !== '')
    return null;
  return nameOfHeading(line.text) ? { ...line, kind: 'heading', level: next.text.startsWith('=') ? 1 : 2 } : null;
}

function enter(split: Split, place: Place, line: Line): Place {
  if (place.what === 'section' && line.level > place.level) {
    const inner = innerHeading(split, place.section, line);
    if (inner) {
      split.entries.push(inner);
      return { ...place, entry: inner };
    }
  }
  const named = nameOfHeading(line.text) ?? namedCheck(line.text);
  if (!named) {
    const note = startNote(split, line.text, line.number);
    if (place.what !== 'entry' || !isDivided(place, line)) return note;
    // The statements beneath it are still the field's, parted from those before.
    place.entry.lines.push({ ...line, kind: 'rule' });
    return place;
  }
  split.levels.push(line.level);
  if (named.lookAlike) split.lookAlikes.push({ label: nameLabel(named), text: line.text, line: line.number });
  if (named.what === 'section') return { what: 'section', section: named.section, level: line.level, entry: null };
  const entry =
    named.what === 'field' ? fieldEntry(named.section, named.field, line.number) : checkEntry(named.kind, line);
  split.entries.push(entry);
  return { what: 'entry', entry, level: line.level };
}

/** Whether a heading of the author's own only divides a list of statements: `### Edge cases` under `## Acceptance criteria`. */
function isDivided({ entry, level }: { entry: Entry; level: number }, line: Line): boolean {
  const reader = entry.field?.reader;
  return line.level > level && (reader === 'criteria' || reader === 'statements');
}

/** A deeper heading inside a section with several fields names one of them, or a further check. */
function innerHeading(split: Split, section: Section, line: Line): Entry | null {
  if (section === checks) {
    const kind = checkKind(line.text);
    if (kind !== null) noteImitation(split, line.text, line.number);
    return kind === null ? null : checkEntry(kind, line);
  }
  const found = fieldOfSection(section, line.text);
  if (!found) return null;
  if (found.lookAlike) split.lookAlikes.push({ label: found.field.label, text: line.text, line: line.number });
  return fieldEntry(section, found.field, line.number);
}

/** The name of a check that only looks like a usual one. */
function noteImitation(split: Split, text: string, line: number): void {
  const named = nameOfHeading(text);
  if (named?.lookAlike) split.lookAlikes.push({ label: nameLabel(named), text, line });
}

/** `### Migration check` outside the checks section is a further check as well: an issue form has no sections. */
function namedCheck(text: string): Named | null {
  // The word first, whatever stands between its letters: a body may be all headings.
  if (!/c[^a-z]*h[^a-z]*e[^a-z]*c[^a-z]*k/iu.test(text) || !/^.{1,50}\s(?:check|checks)$/u.test(plainLabel(text)))
    return null;
  const kind = checkKind(text);
  return kind === null ? null : { what: 'check', kind, lookAlike: false };
}

function startNote(split: Split, heading: string, line: number): Place {
  const note = { heading, line, lines: [] };
  split.notes.push(note);
  return { what: 'note', lines: note.lines };
}

function addLine(split: Split, place: Place, line: Line, next: Line | undefined): void {
  if (place.what === 'note') place.lines.push(line);
  else if (place.what === 'entry') place.entry.lines.push(line);
  else addToSection(split, place, line, next);
}

function addToSection(
  split: Split,
  place: Extract<Place, { what: 'section' }>,
  line: Line,
  next: Line | undefined,
): void {
  const { section } = place;
  const labelled = mayBeLabelled(line) ? (readLabel(section, line.text) ?? readBareLabel(section, line, next)) : null;
  if (labelled?.what === 'unknown') {
    place.entry = null;
    split.stray.push({ section, line, unknownLabel: labelled.label });
    return;
  }
  if (labelled) {
    const { label, value } = labelled;
    const found = section === checks ? null : fieldOfSection(section, label);
    if (found?.lookAlike) split.lookAlikes.push({ label: found.field.label, text: label, line: line.number });
    if (section === checks) noteImitation(split, label, line.number);
    const entry = found
      ? fieldEntry(section, found.field, line.number)
      : checkEntry(checkKind(label) ?? '', { ...line, text: label });
    if (value !== '') entry.lines.push({ ...line, text: value, mark: '' });
    split.entries.push(entry);
    place.entry = entry;
    return;
  }
  if (place.entry && isBeyond(place.entry, line)) place.entry = null;
  if (place.entry) place.entry.lines.push(line);
  else if (line.kind !== 'blank' && line.kind !== 'rule' && line.kind !== 'fence')
    split.stray.push({ section, line, unknownLabel: null });
}

/** A check whose command stands beside its name has no further lines but those that are indented under it. */
function isBeyond(entry: Entry, line: Line): boolean {
  const [first] = entry.lines;
  if (entry.section !== checks || first?.number !== entry.line || line.kind !== 'text') return false;
  if (entry.lines.at(-1)?.text.endsWith('\\')) return false;
  if (line.mark !== '') return line.depth <= Math.max(first.depth, 1);
  return first.depth === 0 ? line.indent <= first.indent : line.indent < first.indent;
}

/** Labels stand in the outermost list, or in plain lines, or in a code block that is not part of a list item. */
function mayBeLabelled(line: Line): boolean {
  if (line.kind === 'text') return line.mark === '' ? line.depth === 0 : line.depth === 1;
  return line.kind === 'code' && line.depth === 0;
}

type Labelled = { what: 'known'; label: string; value: string } | { what: 'unknown'; label: string };

function readLabel(section: Section, text: string): Labelled | null {
  const colon = text.slice(0, 90).search(/[:：]/u);
  if (colon < 1) return null;
  const before = text.slice(0, colon).replace(/^\s*(?:[-*+]\s+)?(?:\[[ xX]\]\s+)?/u, '');
  const emphasis = /^[*_`]{1,3}/u.exec(before)?.[0] ?? '';
  const after = text.slice(colon + 1);
  const value = emphasis !== '' && after.startsWith(emphasis) ? after.slice(emphasis.length) : after;
  const spaced = value === '' || /^\s/u.test(value);
  const label = before.replaceAll(/[*_`]/gu, '').trim();
  if (isName(section, label)) return { what: 'known', label, value: value.trim() };
  if (!spaced && !(section === checks && /^\p{Lu}.*\schecks?$/u.test(label))) return null;
  if (section === checks) return isCheckName(label) ? { what: 'known', label, value: value.trim() } : null;
  return /^\p{Lu}[\p{L} /&-]{2,48}$/u.test(label) ? { what: 'unknown', label } : null;
}

function isName(section: Section, label: string): boolean {
  return section === checks ? nameOfHeading(label)?.what === 'check' : fieldOfSection(section, label) !== null;
}

/** A name without a colon: in bold type, or as a list item with its value beneath. Otherwise `tests` is a folder. */
function readBareLabel(section: Section, line: Line, next: Line | undefined): Labelled | null {
  if (line.kind !== 'text' || line.text.length > 60 || /[:：]/u.test(line.text)) return null;
  const label = line.text.replace(/^\[[ xX]\]\s+/u, '').trim();
  const isAbove = line.mark !== '' && next !== undefined && next.kind !== 'blank' && next.indent >= line.indent;
  if (!isAbove && !/^([*_]{1,3})[^*_]+\1$/u.test(label)) return null;
  return isName(section, label) ? { what: 'known', label: label.replaceAll(/[*_`]/gu, ''), value: '' } : null;
}

function isCheckName(label: string): boolean {
  return /^[\p{L}\p{N}][\p{L}\p{N} /&().,+_#'’[\]-]{0,60}$/u.test(label) && !/^skip(?:ped)?$/iu.test(label);
}

function fieldEntry(section: Section, field: Field, line: number): Entry {
  return { key: field.key, label: field.label, section, field, kind: null, line, lines: [] };
}

function checkEntry(kind: string, line: Line): Entry {
  const label = withoutTail(line.text.replace(/[`*_]/gu, ''), /[\s:：]/u).trim();
  return { key: `check:${kind}`, label, section: checks, field: null, kind, line: line.number, lines: [] };
}

function nameLabel(named: Named): string {
  if (named.what === 'section') return named.section.label;
  return named.what === 'field' ? named.field.label : checkLabel(named.kind);
}
