import { createHash } from 'node:crypto';
import type { McpAccess } from '../contract/walls.ts';
import type { McpAnswer, OfferedTool } from '../mcp/mcp.ts';
import { readForeignSchema } from './foreign-schema.ts';
import { headAndTail } from './output-store.ts';
import { type AgentTool, result, type ToolContext, type ToolOutcome } from './tool.ts';

/** Makes one call; what goes wrong there is told in words, because the agent can do without. */
export type CallMcp = (
  tool: string,
  given: Readonly<Record<string, unknown>>,
  options: { timeoutMs: number; signal: AbortSignal },
) => Promise<{ ok: true; answer: McpAnswer } | { ok: false; reason: string }>;

export interface ServerTools {
  tools: AgentTool[];
  /** Granted, but not to be had, each with the reason. */
  withheld: { tool: string; why: string }[];
}

const nameChars = 64;
const noteChars = 2_500;
const argumentBytes = 64 * 1024;
const shown = { head: 6_000, tail: 6_000 };

/**
 * The granted tools of one server as tools of the agent. What the server offers beyond them does not exist for the run. Its
 * own words about a tool are data: they stand in `notes`, never in the description.
 */
export function mcpTools(
  server: string,
  granted: Readonly<Record<string, McpAccess>>,
  offered: readonly OfferedTool[],
  call: CallMcp,
): ServerTools {
  const made: ServerTools = { tools: [], withheld: [] };
  for (const [tool, access] of Object.entries(granted)) {
    const found = readOffer(tool, access, offered);
    if ('why' in found) made.withheld.push({ tool, why: found.why });
    else made.tools.push(agentTool({ server, tool, access, ...found }, call));
  }
  return made;
}

interface Offer {
  parameters: Record<string, unknown>;
  notes: string;
}

function readOffer(tool: string, access: McpAccess, offered: readonly OfferedTool[]): Offer | { why: string } {
  const [offer, ...more] = offered.filter(({ name }) => name === tool);
  if (offer === undefined) return { why: 'the server does not offer it' };
  if (more.length > 0) return { why: 'the server lists it more than once' };
  if (access === 'read-only' && offer.changes === true)
    return { why: 'it is granted for reading only, and its server says that it changes things' };
  const schema = readForeignSchema(offer.inputSchema);
  if (schema === null) return { why: 'its arguments are described by no sensible schema' };
  const lines = [offer.description.toWellFormed(), ...schema.words].filter((line) => line.trim() !== '');
  return { parameters: schema.parameters, notes: lines.join('\n').slice(0, noteChars).toWellFormed() };
}

interface Known extends Offer {
  server: string;
  tool: string;
  access: McpAccess;
}

function agentTool({ server, tool, access, parameters, notes }: Known, call: CallMcp): AgentTool {
  const does = access === 'read-only' ? 'It reads only.' : 'It may change things outside of the work tree.';
  return {
    name: mcpToolName(server, tool),
    description: `Calls the tool ${tool} of the MCP server ${server}. ${does}`,
    parameters,
    notes,
    readsOnly: access === 'read-only',
    async run(given, context) {
      if (given === null || typeof given !== 'object' || Array.isArray(given))
        return result('Not run: the arguments are no JSON object.');
      if (Buffer.byteLength(JSON.stringify(given)) > argumentBytes)
        return result(`Not run: the arguments are longer than ${argumentBytes} bytes.`);
      const timeoutMs = Math.min(context.walls.limits.toolTimeoutMs, context.remainingMs());
      const called = await call(tool, { ...given }, { timeoutMs, signal: context.signal });
      // Reasons may quote what the server sent.
      const why = called.ok ? '' : context.data(`mcp ${server}`, context.mask(called.reason));
      if (!called.ok) return result(`No answer of the MCP server ${server}:\n${why}`);
      return outcomeOf(`${server}.${tool}`, called.answer, context);
    },
  };
}

function outcomeOf(name: string, answer: McpAnswer, context: ToolContext): ToolOutcome {
  const text = context.mask(answer.text);
  const how = answer.failed ? 'The tool says that it failed' : 'Answer';
  if (text.trim() === '') return result(`${how}: it is empty.`);
  const cut = text.length > shown.head + shown.tail;
  const note = cut ? `; read them with read_file path "${context.outputs.keep(text)}"` : '';
  const data = context.data(`mcp ${name}`, headAndTail(text, shown.head, shown.tail, note));
  return result(`${how} (${text.length} characters):\n${data}`, { fingerprint: `${how}\n${text}` });
}

/** `docs` and `search` → `docs__search`: letters that every provider takes, and no name of a tool of ours. */
export function mcpToolName(server: string, tool: string): string {
  const plain = `${server}__${tool}`;
  const name = plain.replace(/[^\w-]/g, '_');
  if (name === plain && name.length <= nameChars) return name;
  const mark = createHash('sha256').update(`${server}\0${tool}`).digest('hex').slice(0, 8);
  return `${name.slice(0, nameChars - mark.length - 1)}_${mark}`;
}
