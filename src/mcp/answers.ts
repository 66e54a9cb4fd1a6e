import { z } from 'zod';
import type { McpAnswer, OfferedTool } from './mcp.ts';

/** One page of a listing. What stands in it is read tool by tool, so that one odd entry does not spoil the rest. */
export const ToolPage = z.object({ tools: z.array(z.unknown()), nextCursor: z.string().optional() });

const Offered = z.object({
  name: z.string().min(1).max(200),
  description: z.string().optional().catch(undefined),
  inputSchema: z.unknown().optional(),
  annotations: z
    .object({ readOnlyHint: z.boolean().optional(), destructiveHint: z.boolean().optional() })
    .optional()
    .catch(undefined),
});

/** Null for an entry that is no tool. */
export function offeredTool(entry: unknown): OfferedTool | null {
  const read = Offered.safeParse(entry);
  if (!read.success) return null;
  const { name, description = '', inputSchema, annotations } = read.data;
  const { readOnlyHint, destructiveHint } = annotations ?? {};
  const changes = readOnlyHint === undefined ? (destructiveHint === true ? true : null) : !readOnlyHint;
  return { name, description, inputSchema, changes };
}

/** What a call gave, as loosely as servers write it. */
export const CallResult = z.object({
  content: z.array(z.unknown()).optional(),
  structuredContent: z.unknown().optional(),
  isError: z.boolean().optional(),
});

const Part = z.object({
  type: z.string().max(40),
  text: z.string().optional(),
  uri: z.string().optional(),
  mimeType: z.string().max(100).optional(),
  resource: z.object({ uri: z.string().optional(), text: z.string().optional() }).optional(),
});

/** A result as text: structured content counts where there is no other. */
export function answerOf(result: z.infer<typeof CallResult>, mostChars: number): McpAnswer {
  const parts = (result.content ?? []).map(partText).filter((text) => text !== '');
  const structured = result.structuredContent === undefined ? '' : JSON.stringify(result.structuredContent, null, 1);
  const text = parts.length > 0 ? parts.join('\n\n') : structured;
  const cut =
    text.length > mostChars ? `${text.slice(0, mostChars)}\n[… ${text.length - mostChars} characters dropped]` : text;
  return { failed: result.isError === true, text: cut.toWellFormed() };
}

function partText(part: unknown): string {
  const read = Part.safeParse(part);
  if (!read.success) return '[a part that cannot be read]';
  const { type, text, uri, mimeType, resource } = read.data;
  if (type === 'text') return text ?? '';
  if (type === 'resource' && resource?.text !== undefined) return `${resource.uri ?? ''}\n${resource.text}`.trim();
  if (type === 'resource_link') return `[link: ${uri ?? ''}]`;
  return `[${type}${mimeType === undefined ? '' : ` (${mimeType})`}, not shown]`;
}
