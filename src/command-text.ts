import { commandLines } from './command-lines.ts';
import { type StageName, stageNames } from './run.ts';

export const commandNames = ['retry', 'stop', 'approve', 'allow', 'waive', 'rollback', 'status', 'help'] as const;
export type CommandName = (typeof commandNames)[number];

/** A command as written: the word, and what follows it on the line. Untrusted text. */
export interface CommandLine {
  name: CommandName;
  rest: string;
}

/**
 * Commands of a comment or review body: first words of lines of prose. What stands in code, quotes, tables, comments, folded or raw HTML is no
 * command, nor is what follows a list's marker. For `/retry`, the lines that follow belong to its guidance.
 */
export function readCommands(written: string): CommandLine[] {
  const lines = written.slice(0, maxBodyChars).split(/\r\n?|\n/);
  const candidates = lines.map((line) => commandOf(line.trim()));
  // Most comments hold nothing that looks like a command.
  if (candidates.every((candidate) => candidate === null)) return [];
  const mayBegin = commandLines(lines);
  const commands: CommandLine[] = [];
  let guided: CommandLine | null = null;
  for (const [index, line] of lines.entries()) {
    const found: CommandLine | null = mayBegin.has(index) ? (candidates[index] ?? null) : null;
    if (found) {
      commands.push(found);
      guided = found.name === 'retry' ? found : null;
    } else if (guided) guided.rest += `\n${line.trimEnd()}`;
  }
  return commands.map((command) => ({ ...command, rest: command.rest.trim() }));
}

const maxBodyChars = 65_536;

function commandOf(line: string): CommandLine | null {
  // A stop that a phone wrote with a capital, or that ends like a sentence, is a stop.
  const match = /^\/([a-z]+)[.,:;!?]*(?=\s|$)(.*)$/i.exec(line);
  const name = commandNames.find((known) => known === match?.[1]?.toLowerCase());
  return name && match ? { name, rest: match[2]?.trim() ?? '' } : null;
}

/** `/retry [from STAGE] [guidance]`; a stage alone is one to begin from. `unknownStage` is what was written where a stage was expected. */
export function readRetry(rest: string): {
  from: StageName | null;
  guidance: string | null;
  unknownStage: string | null;
} {
  const alone = stageNames.find((name) => name === rest.toLowerCase());
  if (alone) return { from: alone, guidance: null, unknownStage: null };
  const [, written = '', after = ''] = /^from:?\s+(\S+)\s*([\s\S]*)$/i.exec(rest) ?? [];
  if (written === '') return { from: null, guidance: rest || null, unknownStage: null };
  const word = written.toLowerCase().replace(/[.,:;]$/, '');
  const from = stageNames.find((name) => name === word) ?? null;
  // "from" may also begin a sentence of guidance ("from now on use tabs"): only a near miss of the form is refused.
  const isSentence = after.includes(' ') && !stageNames.some((name) => isNear(word, name));
  if (from === null && isSentence) return { from: null, guidance: rest, unknownStage: null };
  return { from, guidance: after.trim() || null, unknownStage: from === null ? written : null };
}

/** Two letters too many, too few or exchanged, behind the same first one. */
function isNear(word: string, name: string): boolean {
  const extra = (one: string, other: string) =>
    [...other].reduce((left, letter) => left.replace(letter, ''), one).length;
  return word[0] === name[0] && extra(word, name) + extra(name, word) <= 2;
}

/** `/allow GLOB`: one, in backticks or quotes when it holds spaces or commas; null when it is none or more than one. */
export function readAllow(rest: string): string | null {
  const [, , inBackticks, , inQuotes] = /^(?:(`+)([^`]+)\1|(["'])([^`"']+)\3)$/.exec(rest) ?? [];
  const quoted = (inBackticks ?? inQuotes)?.trim();
  if (quoted !== undefined) return quoted;
  const glob = rest.replace(/(?<=\*)[.;]$/, '');
  return glob === '' || /[\s,`]/.test(glob.replace(/\{[^{}\s]*\}/g, '')) ? null : glob;
}

/** `/waive NAME reason`. */
export function readWaive(rest: string): { name: string; reason: string } | null {
  const match = /^(\S+)\s+([\s\S]+)$/.exec(rest);
  return match?.[1] && match[2] ? { name: match[1].toLowerCase(), reason: match[2].trim() } : null;
}
