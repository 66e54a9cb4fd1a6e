import { type CallMcp, mcpTools, type ServerTools } from './agent/mcp-tools.ts';
import type { AgentTool } from './agent/tool.ts';
import type { Attempt } from './attempt.ts';
import { namesTool } from './contract/mcp-grants.ts';
import type { ServerAddress } from './contract/mcp-servers.ts';
import type { Doors } from './doors.ts';
import { asMillwrightError, MillwrightError } from './errors.ts';
import type { McpConnection, OfferedTool } from './mcp/mcp.ts';
import type { Outcome } from './run.ts';

/** The MCP servers of one attempt. Connections are opened when they are needed, and closed with it. */
export interface ToolServers extends AsyncDisposable {
  /** Looks at each granted server. What keeps the run from starting, when one is not there; null when nothing does. */
  wait(): Promise<Outcome | null>;
  /** Fixed at the first look: what a server adds or renames later does not exist for the attempt. */
  tools(): Promise<AgentTool[]>;
  /** Granted tools that are not to be had, in words. */
  withheld(): string[];
}

type Serving = Pick<Attempt, 'contract' | 'walls' | 'record' | 'mask' | 'signal' | 'servers'>;

/** A server may be restarting: a second look after a moment, before a person is asked. */
const looks = 3;
const lookAgainMs = 2_000;
/** Connections in a row lost to a call without an answer, after which a server is left alone for the rest of the attempt. */
const mostFailures = 3;

export function openToolServers(attempt: Serving, { mcp, clock }: Pick<Doors, 'mcp' | 'clock'>): ToolServers {
  const names = Object.keys(attempt.walls.mcp);
  const seen = new Map<string, ServerTools>();
  const servers = new Map(names.map((name) => [name, createServer(name, attempt, mcp)]));

  /** What is lacking of a server, in words; null when nothing is. */
  async function look(name: string, server: Server): Promise<string | null> {
    for (let times = 1; !seen.has(name); times += 1) {
      const found = await reached(server);
      if ('offered' in found) {
        const made = mcpTools(name, attempt.walls.mcp[name] ?? {}, found.offered, server.call);
        seen.set(name, made);
        const { withheld } = made;
        const tools = made.tools.map((tool) => tool.name);
        await attempt.record('mcp.connected', { server: name, offered: found.offered.length, tools, withheld });
        break;
      }
      if (!found.again || times === looks) {
        await attempt.record('mcp.failed', { server: name, reason: found.reason });
        return `${name}: ${found.reason}`;
      }
      await clock.sleep(lookAgainMs, attempt.signal);
    }
    return lackOf(name, seen.get(name), attempt);
  }
  const lookAtAll = () => Promise.all([...servers].map(([name, server]) => look(name, server)));

  return {
    async wait() {
      const lacks = (await lookAtAll()).flatMap((lack) => lack ?? []);
      // Planning may take minutes: nothing is held open meanwhile.
      await Promise.all([...servers.values()].map((server) => server.close()));
      return lacks.length === 0 ? null : unavailable(lacks.map(attempt.mask));
    },
    async tools() {
      await lookAtAll();
      return [...seen.values()].flatMap(({ tools }) => tools);
    },
    withheld: () =>
      [...seen].flatMap(([name, { withheld }]) => withheld.map(({ tool, why }) => `MCP tool ${name}.${tool}: ${why}`)),
    async [Symbol.asyncDispose]() {
      await Promise.all([...servers.values()].map((server) => server.close()));
    },
  };
}

interface Server {
  offered(): Promise<readonly OfferedTool[]>;
  call: CallMcp;
  close(): Promise<void>;
}

function createServer(name: string, attempt: Serving, mcp: Doors['mcp']): Server {
  const address = attempt.servers.get(name);
  let current: Promise<McpConnection> | null = null;
  let failures = 0;
  let asked: string[] = [];

  const connection = () => {
    current ??= mcp.connect(usable(name, address), {
      signal: attempt.signal,
      onAsked: (method) => void asked.push(method),
    });
    return current;
  };
  const tellAsked = async () => {
    const methods = asked;
    asked = [];
    if (methods.length > 0) await attempt.record('mcp.asked', { server: name, methods });
  };
  const drop = async () => {
    const dropped = current;
    current = null;
    await (await dropped?.catch(() => null))?.[Symbol.asyncDispose]();
  };
  return {
    async offered() {
      try {
        return (await connection()).tools;
      } catch (error) {
        current = null;
        throw error;
      } finally {
        await tellAsked();
      }
    },
    async call(tool, given, options) {
      if (failures >= mostFailures)
        return { ok: false, reason: `it was given up after ${failures} calls without an answer. Go on without it.` };
      const used = connection();
      try {
        const answer = await (await used).call(tool, given, options);
        failures = 0;
        await tellAsked();
        return { ok: true, answer };
      } catch (error) {
        // Calls side by side share a connection: it is lost once, and those beside this one may still be answered on it.
        if (current === used) {
          current = null;
          failures += 1;
        }
        const known = asMillwrightError(error);
        if (known.code !== 'outside.mcp') throw known;
        await tellAsked();
        await attempt.record('mcp.failed', { server: name, tool, reason: known.detail ?? known.message });
        return { ok: false, reason: `${known.detail ?? known.message}. The next call connects anew.` };
      }
    },
    close: drop,
  };
}

function usable(name: string, address: ServerAddress | undefined): ServerAddress {
  const lack =
    address === undefined
      ? 'the operator ceiling gives no address for it'
      : address.lacking.length > 0
        ? `its operator sets ${address.lacking.map((secret) => `MILLWRIGHT_SECRET_${secret}`).join(', ')}`
        : null;
  if (address === undefined || lack !== null)
    throw new MillwrightError('request.mcp-unusable', { message: `MCP server ${name}: ${lack}`, detail: lack ?? '' });
  return address;
}

async function reached(
  server: Server,
): Promise<{ offered: readonly OfferedTool[] } | { reason: string; again: boolean }> {
  try {
    return { offered: await server.offered() };
  } catch (error) {
    const known = asMillwrightError(error);
    if (known.code !== 'outside.mcp' && known.code !== 'request.mcp-unusable') throw known;
    return { reason: known.detail ?? known.message, again: known.retry };
  }
}

/** A tool that the contract itself names has to be there, and of every server at least one. */
function lackOf(name: string, made: ServerTools | undefined, { contract }: Serving): string | null {
  const { tools, withheld } = made ?? { tools: [], withheld: [] };
  const wanted = [...contract.tools.readOnly, ...contract.tools.mutating];
  const named = withheld.filter(({ tool }) => wanted.some((wish) => namesTool(wish, name, tool)));
  const lacking = tools.length === 0 ? withheld : named;
  return lacking.length === 0 ? null : lacking.map(({ tool, why }) => `${name}.${tool}: ${why}`).join('; ');
}

function unavailable(told: readonly string[]): Outcome {
  return {
    code: 'mcp-unavailable',
    text: 'An MCP server that the run needs is not to be had.',
    question: `Answer /retry once it is there again, or take it out of the contract (\`MCPs: none\`) and put the label on again.`,
    detail: told.join('\n'),
  };
}
