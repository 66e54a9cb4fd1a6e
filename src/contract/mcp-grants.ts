import { type Combining, namedBy } from './policy-layers.ts';
import type { PolicyLayer } from './policy-schema.ts';
import type { McpAccess } from './walls.ts';

export type ServerTools = ReadonlyMap<string, ReadonlyMap<string, McpAccess>>;

type McpEntry = NonNullable<PolicyLayer['mcp']>[string];

/** Servers and tools that every layer grants: those of the operator, less what any layer with a list leaves out. */
export function combineServers({ layers, narrowed }: Combining): ServerTools {
  const [first, ...rest] = namedBy(layers, ({ mcp }) => mcp);
  if (first?.layer !== 'operator') return new Map();
  let servers: ServerTools = new Map(Object.entries(first.value).map(([name, entry]) => [name, withAccess(entry)]));
  for (const { value } of rest) {
    const kept = new Map<string, ReadonlyMap<string, McpAccess>>();
    for (const [name, entry] of Object.entries(value)) {
      const above = servers.get(name);
      const tools = narrowTools(above ?? new Map(), toolsOf(entry));
      if (above) kept.set(name, tools);
      const lost = toolsOf(entry).flatMap(([tool]) => (tools.has(tool) ? [] : [tool]));
      if (lost.length > 0)
        narrowed.push({ key: 'mcp', asked: `${name}: ${lost.join(', ')}`, granted: 'nothing', by: 'operator' });
    }
    servers = kept;
  }
  return servers;
}

/** A tool that changes things cannot be made to only read: where a layer grants it for reading alone, it is left out. */
function narrowTools(
  above: ReadonlyMap<string, McpAccess>,
  named: readonly [string, McpAccess | null][],
): ReadonlyMap<string, McpAccess> {
  const kept = new Map<string, McpAccess>();
  for (const [tool, access] of named) {
    const granted = above.get(tool);
    if (granted && !(granted === 'mutating' && access === 'read-only')) kept.set(tool, granted);
  }
  return kept;
}

/** The tools that an entry names. A plain list says nothing about access. */
function toolsOf(entry: McpEntry): [string, McpAccess | null][] {
  if (Array.isArray(entry)) return entry.map((tool) => [tool, null]);
  if (isServer(entry)) return toolsOf(entry.tools);
  return Object.entries(entry);
}

/** The operator's tools: a plain list is for reading alone. */
function withAccess(entry: McpEntry): ReadonlyMap<string, McpAccess> {
  return new Map(toolsOf(entry).map(([tool, access]) => [tool, access ?? 'read-only']));
}

export function isServer(entry: McpEntry): entry is Extract<McpEntry, { url: string; tools: unknown }> {
  return !Array.isArray(entry) && 'url' in entry && 'tools' in entry;
}

/** Whether a tool as the contract writes it (`search`, `docs.search`, `docs/search`) is this one. */
export function namesTool(wish: string, server: string, tool: string): boolean {
  return wish === tool || wish === `${server}.${tool}` || wish === `${server}/${tool}`;
}
