import type { Nodes, Paragraph } from 'mdast';
import { fromMarkdown } from 'mdast-util-from-markdown';
import { type StageName, stageNames } from './run.ts';

export const commandNames = ['retry', 'stop', 'approve', 'allow', 'waive', 'rollback', 'status', 'help'] as const;
export type CommandName = (typeof commandNames)[number];

/** A command as written: the word, and what follows it on the line. Untrusted text. */
export interface CommandLine {
  name: CommandName;
  rest: string;
}

/**
 * Commands of a comment or review body: first words of lines in ordinary paragraphs.
 * What stands in code, quotes, lists, tables, HTML or after an edit is no command. For `/retry`, the lines that follow belong to its guidance.
 */
export function readCommands(body: string): CommandLine[] {
  const commands: CommandLine[] = [];
  let guided: CommandLine | null = null;
  for (const block of fromMarkdown(body.slice(0, maxBodyChars)).children) {
    const lines = block.type === 'paragraph' && !isTable(sourceOf(body, block)) ? plainLines(body, block) : null;
    if (lines === null) {
      if (guided) guided.rest += `\n${sourceOf(body, block)}`;
      continue;
    }
    for (const line of lines) {
      const found = line.command ? commandOf(line.text) : null;
      if (found) {
        commands.push(found);
        guided = found.name === 'retry' ? found : null;
      } else if (guided) guided.rest += `\n${line.text}`;
    }
  }
  return commands.map((command) => ({ ...command, rest: command.rest.trim() }));
}

const maxBodyChars = 65_536;

/** GitHub shows a paragraph whose second line is of dashes and bars as a table. */
const isTable = (text: string) => /^[^\n]*\n(?=[^\n]*\|)[ \t|:-]*-[ \t|:-]*(\n|$)/.test(text);

function commandOf(line: string): CommandLine | null {
  const match = /^\/([a-z]+)(?=\s|$)(.*)$/.exec(line.trimEnd());
  const name = commandNames.find((known) => known === match?.[1]);
  return name && match ? { name, rest: match[2]?.trim() ?? '' } : null;
}

/** Lines of a paragraph; those that begin inside inline code or HTML can hold no command. */
function plainLines(body: string, paragraph: Paragraph): { text: string; command: boolean }[] {
  const closed = paragraph.children
    .filter((child) => child.type === 'inlineCode' || child.type === 'html' || child.type === 'link')
    .map((child) => [child.position?.start.offset ?? 0, child.position?.end.offset ?? 0] as const);
  let offset = paragraph.position?.start.offset ?? 0;
  return sourceOf(body, paragraph)
    .split('\n')
    .map((text) => {
      const start = offset + (text.length - text.trimStart().length);
      offset += text.length + 1;
      return { text: text.trim(), command: !closed.some(([from, to]) => start >= from && start < to) };
    });
}

function sourceOf(body: string, node: Nodes): string {
  return body.slice(node.position?.start.offset ?? 0, node.position?.end.offset ?? 0);
}

/** `/retry [from STAGE] [guidance]`. `unknownStage` is what was written where a stage was expected. */
export function readRetry(rest: string): {
  from: StageName | null;
  guidance: string | null;
  unknownStage: string | null;
} {
  const match = /^from\s+(\S+)\s*([\s\S]*)$/i.exec(rest);
  if (!match) return { from: null, guidance: rest || null, unknownStage: null };
  const word = match[1]?.toLowerCase().replace(/[.,:;]$/, '');
  const from = stageNames.find((name) => name === word) ?? null;
  // "from" may also begin a sentence of guidance ("from now on use tabs"): only a near miss of the form is refused.
  if (from === null && (match[2] ?? '').includes(' ')) return { from: null, guidance: rest, unknownStage: null };
  return { from, guidance: match[2]?.trim() || null, unknownStage: from === null ? (match[1] ?? null) : null };
}

/** `/waive NAME reason`. */
export function readWaive(rest: string): { name: string; reason: string } | null {
  const match = /^(\S+)\s+([\s\S]+)$/.exec(rest);
  return match?.[1] && match[2] ? { name: match[1].toLowerCase(), reason: match[2].trim() } : null;
}
