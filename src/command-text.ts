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
 * What stands in code, quotes, lists, tables, folded or raw HTML is no command. For `/retry`, the lines that follow belong to its guidance.
 */
export function readCommands(written: string): CommandLine[] {
  const body = written.slice(0, maxBodyChars).replace(/\r\n?/g, '\n');
  const commands: CommandLine[] = [];
  let guided: CommandLine | null = null;
  // Elements of raw HTML stay open over the paragraphs that follow, and GitHub shows those inside.
  let open = 0;
  for (const block of fromMarkdown(body).children) {
    const isText = block.type === 'paragraph' && !isTable(sourceOf(body, block));
    const lines = isText ? plainLines(body, block, open) : null;
    open = openAfter(open, block);
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

/** Elements whose content is quoted, code, listed or folded away. */
const enclosing = /<(\/?)(?:blockquote|details|pre|code|samp|kbd|q|table|ul|ol|dl)\b[^<>]*>/gi;

/** How many enclosing elements are open behind a block or a piece of it, when so many are before it. */
function openAfter(before: number, node: Nodes): number {
  if (node.type === 'paragraph') return node.children.reduce<number>(openAfter, before);
  if (node.type !== 'html') return before;
  const tags = node.value.replace(/<!--[\s\S]*?(?:-->|$)/g, '').matchAll(enclosing);
  return [...tags].reduce((open, [, slash]) => Math.max(0, open + (slash === '/' ? -1 : 1)), before);
}

/** Lines of a paragraph; those that begin inside inline code or HTML can hold no command. */
function plainLines(body: string, paragraph: Paragraph, open: number): { text: string; command: boolean }[] {
  const closed: (readonly [from: number, to: number])[] = [];
  let depth = open;
  let from = paragraph.position?.start.offset ?? 0;
  for (const child of paragraph.children) {
    const to = child.position?.end.offset ?? 0;
    const isApart = child.type === 'inlineCode' || child.type === 'html' || child.type === 'link';
    if (isApart || depth > 0) closed.push([from, to]);
    depth = openAfter(depth, child);
    from = to;
  }
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

/** `/allow GLOB`: one, in backticks when it holds spaces or commas; null when it is none or more than one. */
export function readAllow(rest: string): string | null {
  const quoted = /^(`+)([^`]+)\1$/.exec(rest)?.[2]?.trim();
  if (quoted !== undefined) return quoted;
  return rest === '' || /[\s,`]/.test(rest.replace(/\{[^{}\s]*\}/g, '')) ? null : rest;
}

/** `/waive NAME reason`. */
export function readWaive(rest: string): { name: string; reason: string } | null {
  const match = /^(\S+)\s+([\s\S]+)$/.exec(rest);
  return match?.[1] && match[2] ? { name: match[1].toLowerCase(), reason: match[2].trim() } : null;
}
