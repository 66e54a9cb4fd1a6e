import { fromMarkdown } from 'mdast-util-from-markdown';
import { gfmFromMarkdown } from 'mdast-util-gfm';
import { gfm } from 'micromark-extension-gfm';

/** A node of the Markdown tree, as far as the tests look at it. */
export interface Node {
  type: string;
  value?: string;
  depth?: number;
  url?: string;
  children?: Node[];
}

/** Parses as GitHub does: CommonMark with tables, autolinks, strikethrough, footnotes and task lists. */
export function parse(markdown: string): Node {
  return fromMarkdown(markdown, { extensions: [gfm()], mdastExtensions: [gfmFromMarkdown()] }) as Node;
}

export function nodes(node: Node): Node[] {
  return [node, ...(node.children ?? []).flatMap(nodes)];
}

export function kinds(markdown: string): string[] {
  return [...new Set(nodes(parse(markdown)).map((node) => node.type))].sort();
}

/** What GitHub makes live in plain text after Markdown is rendered: mentions, references, addresses. */
const live = /@[a-z0-9]|#\d|\bgh-\d|:\/\/|\bwww\./i;

export function liveText(markdown: string): string[] {
  return nodes(parse(markdown))
    .filter((node) => node.type === 'text' && live.test(node.value ?? ''))
    .map((node) => node.value ?? '');
}

export function textOf(node: Node): string {
  return node.value ?? (node.children ?? []).map(textOf).join('');
}
