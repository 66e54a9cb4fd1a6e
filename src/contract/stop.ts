import type { Line } from './blocks.ts';
import type { ContractLimits } from './contract.ts';
import { readProse } from './prose.ts';
import type { Misread } from './values.ts';

const limitNames = ['minutes', 'turns', 'rounds', 'tokens', 'dollars', 'files', 'lines'] as const;
type LimitName = (typeof limitNames)[number];

/** `max minutes: 20`, `max turns 40`, `max tokens = 800k`, `max dollars: $3.50`, anywhere in a line. */
const limitText = /\bmax(?:imum)?[ _-]([a-z]+)(\s*[:=：]\s*|\s+(?=\$?\d))(\$?\d[\d,_.]*[a-z%]*)?/giu;

export interface StopCondition {
  text: string;
  limits: ContractLimits;
  misread: Misread[];
}

/** Free text, and the limits named in it. Lines of nothing but limits are not part of the text. */
export function readStop(lines: readonly Line[]): StopCondition {
  const limits: ContractLimits = {};
  const misread: Misread[] = [];
  const limitLines = new Set<Line>();
  for (const line of lines) {
    if (line.kind !== 'text' && line.kind !== 'code') continue;
    for (const match of line.text.matchAll(limitText)) takeLimit(match, line, limits, misread);
    if (/\bmax/iu.test(line.text) && line.text.replace(limitText, '').replace(/[\s,;.*_`+-]|\band\b/giu, '') === '')
      limitLines.add(line);
  }
  return { text: readProse(lines, (line) => limitLines.has(line)), limits, misread };
}

function takeLimit(match: RegExpMatchArray, line: Line, limits: ContractLimits, misread: Misread[]): void {
  const name = limitNames.find((each) => each === match[1]?.toLowerCase() || each === `${match[1]?.toLowerCase()}s`);
  const written = match[0].trim();
  if (!name) {
    misread.push({ line: line.number, text: written, message: `Limits are ${limitNames.join(', ')}.` });
    return;
  }
  const value = readAmount(match[3] ?? '', name);
  const before = limits[name];
  if (value === null) misread.push({ line: line.number, text: written, message: 'Expected a number above zero.' });
  else if (before !== undefined && before !== value) {
    misread.push({
      line: line.number,
      text: written,
      message: `\`max ${name}\` is named twice with different numbers.`,
    });
  } else limits[name] = value;
}

function readAmount(text: string, name: LimitName): number | null {
  const match = /^(\$?)(\d{1,3}(?:[,_]\d{3})+|\d+)(\.\d+)?([km]?)[.,]?$/iu.exec(text);
  if (!match || (match[1] !== '' && name !== 'dollars') || (match[4] && name !== 'tokens')) return null;
  const factor = { k: 1000, m: 1_000_000 }[match[4]?.toLowerCase() ?? ''] ?? 1;
  const value = Number(`${match[2]?.replaceAll(/[,_]/gu, '')}${match[3] ?? ''}`) * factor;
  const fractions = name === 'dollars' || name === 'minutes';
  return value > 0 && value <= Number.MAX_SAFE_INTEGER && (fractions || Number.isInteger(value)) ? value : null;
}
