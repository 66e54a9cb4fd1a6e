import type { RunNumbers } from '../report/facts.ts';
import { visibleText } from '../report/visible-text.ts';

/** Where a command writes: its result to `out`, everything else to `err`. */
export interface Terminal {
  out(text: string): void;
  err(text: string): void;
  /** A result that is data: as it is for a file or a pipe, as visible text for a terminal. */
  bytes(data: Uint8Array): void;
  /** Whether a person watches standard error, so that a line may be written over. Its width then, in columns. */
  columns: number | null;
}

/** The process's own streams. Text of others reaches a terminal through `shown` only. */
export const processTerminal: Terminal = {
  out: (text) => void process.stdout.write(`${text}\n`),
  err: (text) => void process.stderr.write(`${text}\n`),
  bytes: (data) =>
    void process.stdout.write(process.stdout.isTTY ? visibleText(Buffer.from(data).toString('utf8')) : data),
  columns: process.stderr.isTTY ? process.stderr.columns || 80 : null,
};

/** What a person told the command to do cannot be done; the message says what to do instead. */
export class CallError extends Error {
  readonly exitCode: number;

  /** `exitCode`: 2 for a call that is wrong, 1 for something that was not found. */
  constructor(message: string, exitCode = 2) {
    super(message);
    this.name = 'CallError';
    this.exitCode = exitCode;
  }
}

/** Text of an issue, a model or a repository, without anything that steers a terminal. */
export function shown(text: string): string {
  return visibleText(text);
}

/** The same on one line, cut. */
export function line(text: string, maxChars = 200): string {
  const flat = visibleText(text).replace(/\s+/g, ' ').trim();
  return flat.length > maxChars ? `${flat.slice(0, maxChars - 1)}…` : flat;
}

/** Rows under headings, columns aligned. */
export function table(headings: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [headings, ...rows];
  const widths = headings.map((_, column) => Math.max(...all.map((row) => (row[column] ?? '').length)));
  return all
    .map((row) =>
      row
        .map((cell, column) => (column === row.length - 1 ? cell : cell.padEnd(widths[column] ?? 0)))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

/** `$1.23`, or `?` where the model has no price. */
export function cost({ costUsd, turns }: Pick<RunNumbers, 'costUsd' | 'turns'>): string {
  if (turns === 0) return '-';
  if (costUsd === null) return '?';
  return costUsd > 0 && costUsd < 0.01 ? '<$0.01' : `$${costUsd.toFixed(2)}`;
}

/** `950`, `12.3k`, `1.2M` */
export function tokens({ inputTokens, outputTokens }: Pick<RunNumbers, 'inputTokens' | 'outputTokens'>): string {
  const sum = inputTokens + outputTokens;
  if (sum < 1000) return String(sum);
  return sum < 1_000_000 ? `${(sum / 1000).toFixed(1)}k` : `${(sum / 1_000_000).toFixed(1)}M`;
}
