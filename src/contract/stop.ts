import type { Line } from './blocks.ts';
import { maxItems } from './bounds.ts';
import type { ContractLimits } from './contract.ts';
import { readProse } from './prose.ts';
import type { Misread } from './values.ts';

const limitNames = ['minutes', 'turns', 'rounds', 'tokens', 'dollars', 'files', 'lines'] as const;
type LimitName = (typeof limitNames)[number];

/** `max minutes: `, `max turns `, `maxTokens = `, `maximum files – `, and what follows. */
const label = /^max(?:imum)?\.?([ _-]?)([a-z]+)(?:\s*[:=：]\s*|\s+[-–—]\s+|\s+(?=\$?\d))(?:[≤<]=?\s*)?/iu;
/** `max ` or `max of ` before a number that says itself what it is of. */
const bareLabel = /^max(?:imum)?\.?(?:\s+of)?\s+(?=\$?\d)/iu;
/** Some other label with a number. */
const otherLabel = /^max[^:=：]{0,60}[:=：]\s*\$?\d\S*/iu;

const number = String.raw`((?:\d{1,3}(?:[,_ ]\d{3})+|\d+|(?=\.\d))(?:\.\d+)?)`;
const unitsOfTime = 's(?:ec(?:ond)?s?)?|m(?:in(?:ute)?s?)?|h(?:(?:ou)?rs?)?|d(?:ays?)?';
/** The number of each limit with the units that people write behind it. */
const amounts: Readonly<Record<LimitName, RegExp>> = {
  minutes: amount(`${number}(?:\\s?(${unitsOfTime}))?`),
  turns: amount(`${number}(?:\\s?turns?)?`),
  rounds: amount(`${number}(?:\\s?rounds?)?`),
  tokens: amount(`${number}(?:\\s?(k|thousand|m|million))?(?:\\s?tokens?)?`),
  dollars: amount(`\\$?\\s?${number}(?:\\s?(?:\\$|usd|dollars?))?`),
  files: amount(`${number}(?:\\s?files?)?`),
  lines: amount(`${number}(?:\\s?lines?)?`),
};
/** Which of these a number without a label belongs to. */
const tellsName: Readonly<Record<LimitName, RegExp>> = {
  minutes: /(?:sec|min|h(?:(?:ou)?rs?)?$|days?$)/iu,
  turns: /turns?$/iu,
  rounds: /rounds?$/iu,
  tokens: /tokens?$/iu,
  dollars: /\$|usd$|dollars?$/iu,
  files: /files?$/iu,
  lines: /lines?$/iu,
};
const factors: Readonly<Partial<Record<LimitName, Readonly<Record<string, number>>>>> = {
  minutes: { s: 1 / 60, m: 1, h: 60, d: 24 * 60 },
  tokens: { k: 1000, t: 1000, m: 1_000_000 },
};

function amount(source: string): RegExp {
  return new RegExp(`^${source}(?![.,_]?\\d|[\\w%$])`, 'iu');
}

export interface StopCondition {
  text: string;
  limits: ContractLimits;
  misread: Misread[];
}

/** As found in a line. No name: none of our limits; no value: not understood. */
interface Found {
  name: LimitName | null;
  value: number | null;
  written: string;
}

/** Free text, and the limits named in it. Lines of nothing but limits are not part of the text. */
export function readStop(lines: readonly Line[]): StopCondition {
  const limits: ContractLimits = {};
  const misread: Misread[] = [];
  const limitLines = new Set<Line>();
  for (const line of lines) {
    if ((line.kind !== 'text' && line.kind !== 'code') || !/max/iu.test(line.text)) continue;
    const parts = line.text
      .replace(/[*`]/gu, '')
      .trim()
      .split(/(?=\bmax)/iu);
    if (parts.length > maxItems) {
      const message = `Expected at most ${maxItems} limits in a line: none of these was read.`;
      misread.push({ line: line.number, text: line.text, message });
      continue;
    }
    const { found, isWhole } = readLine(parts);
    if (isWhole) limitLines.add(line);
    for (const limit of found) take(limit, line, limits, misread);
  }
  return { text: readProse(lines, (line) => limitLines.has(line)), limits, misread };
}

function readLine(parts: readonly string[]): { found: Found[]; isWhole: boolean } {
  const labelled = parts.map((part, index) => readLabelled(part, index === 0));
  const all = parts.map((part, index) => labelled[index] ?? readBare(part));
  const isWhole = parts.every((part, index) => isFiller(part.slice(all[index]?.written.length ?? 0)));
  // `max 40 lines` within a sentence may be said of something else: it counts where nothing else stands.
  return { found: (isWhole ? all : labelled).filter((limit) => limit !== null), isWhole };
}

function isFiller(text: string): boolean {
  return text.replace(/[\s,;./+-]|\band\b/giu, '') === '';
}

/** `first`: at the start of its line something with the look of a limit was meant for one. */
function readLabelled(part: string, first: boolean): Found | null {
  const [start = '', space = '', word = ''] = label.exec(part) ?? [];
  const name = limitNames.find((each) => each === word.toLowerCase() || each === `${word.toLowerCase()}s`);
  // Within a sentence `maxLines: 5` is somebody's code.
  if (name && (first || space !== '')) {
    const rest = part.slice(start.length);
    const written = amounts[name].exec(rest)?.[0] ?? /^\$?[\d.,_]*[\w%$]*/u.exec(rest)?.[0] ?? '';
    return { name, value: readAmount(rest, name), written: `${start}${/\d/u.test(written) ? written : ''}` };
  }
  const other = first ? otherLabel.exec(part) : null;
  return other && { name: null, value: null, written: other[0] };
}

function readBare(part: string): Found | null {
  const start = bareLabel.exec(part)?.[0];
  if (start === undefined) return null;
  const rest = part.slice(start.length);
  const name = limitNames.find((each) => tellsName[each].test(amounts[each].exec(rest)?.[0] ?? ''));
  if (!name) return null;
  return { name, value: readAmount(rest, name), written: `${start}${amounts[name].exec(rest)?.[0] ?? ''}` };
}

function readAmount(text: string, name: LimitName): number | null {
  const match = amounts[name].exec(text);
  if (!match) return null;
  const factor = factors[name]?.[match[2]?.[0]?.toLowerCase() ?? ''] ?? 1;
  // Rounded, or 1.1 million would be a little more.
  const value = Number((Number(match[1]?.replaceAll(/[,_ ]/gu, '')) * factor).toFixed(6));
  const fractions = name === 'dollars' || name === 'minutes';
  return value > 0 && value <= Number.MAX_SAFE_INTEGER && (fractions || Number.isInteger(value)) ? value : null;
}

function take({ name, value, written }: Found, line: Line, limits: ContractLimits, misread: Misread[]): void {
  const text = value === null && name !== null ? line.text : written;
  const report = (message: string) => misread.push({ line: line.number, text: text.trim(), message });
  const before = name === null ? undefined : limits[name];
  if (name === null) report(`Limits are ${limitNames.join(', ')}, each as \`max turns: 40\`.`);
  else if (value === null)
    report(`Expected a ${name === 'dollars' || name === 'minutes' ? '' : 'whole '}number above zero.`);
  else if (before !== undefined && before !== value) report(`\`max ${name}\` is named twice with different numbers.`);
  else limits[name] = value;
}
