import type { ToolGrant } from './contract.ts';
import { defaultImage, defaultSetupInputs } from './defaults.ts';
import { hasWildcards, matchesGlob } from './glob.ts';
import { namesTool, type ServerTools } from './mcp-grants.ts';
import { type Combining, inEveryList, layerNames, namedBy, nearest, operatorsOf } from './policy-layers.ts';
import type { PolicyLayer } from './policy-schema.ts';
import type { McpAccess, Walls } from './walls.ts';

/** Asked by the contract, granted by at least one layer and by every layer with a list. What is not granted stops intake by name. */
export function combineNetwork(combining: Combining): Walls['network'] {
  const { layers, contract } = combining;
  const hosts = granted(combining, 'network.hosts', contract.boundaries.network, ({ network }) => network?.hosts);
  return {
    hosts,
    addresses: inEveryList(operatorsOf(layers), ({ network }) => network?.addresses),
    ca: nearest(operatorsOf(layers), ({ network }) => network?.ca) ?? null,
  };
}

/** Only what the operator names for this repository, and holds. */
export function combineSecrets(combining: Combining): string[] {
  const { layers, contract, heldSecrets, refused } = combining;
  const byOperator = new Set(inEveryList(operatorsOf(layers), ({ secrets }) => secrets));
  // The operator first: what a lower file would have to grant besides helps nobody without that.
  const held = [...new Set(contract.boundaries.secrets)].filter((name) => {
    const isHeld = byOperator.has(name) && heldSecrets.includes(name);
    if (!isHeld) {
      const message = byOperator.has(name)
        ? `The app holds no value for it: its operator sets \`MILLWRIGHT_SECRET_${name}\`.`
        : `${capital(layerNames.operator)} does not grant it to this repository: ask the operator, or drop it from the contract.`;
      refused.push({ key: 'secrets', name, message });
    }
    return isHeld;
  });
  return granted(combining, 'secrets', held, ({ secrets }) => secrets);
}

function granted(
  { layers, refused }: Combining,
  key: string,
  asked: readonly string[],
  read: (policy: PolicyLayer) => readonly string[] | undefined,
): string[] {
  const lists = namedBy(layers, read);
  return [...new Set(asked)].filter((name) => {
    const without = lists.find(({ value }) => !value.includes(name));
    if (lists.length > 0 && !without) return true;
    const where = without ? `${capital(layerNames[without.layer])} does not grant it` : `No policy file grants it`;
    refused.push({ key, name, message: `${where}: add it to \`${key}\` there, or drop it from the contract.` });
    return false;
  });
}

function capital(text: string): string {
  return `${text.slice(0, 1).toUpperCase()}${text.slice(1)}`;
}

/** The servers and tools of the contract, or where it names none, of the organisation's and repository's files; within what every layer grants. */
export function combineMcp({ layers, contract, refused }: Combining, available: ServerTools): Walls['mcp'] {
  const asked = new Map(contract.tools.mcps.map(({ name, access }) => [name, access]));
  if (asked.delete('none') && asked.size === 0) return {};
  if (asked.size === 0) {
    const lower = layers.filter(({ layer }) => layer !== 'operator');
    for (const { value } of namedBy(lower, ({ mcp }) => mcp))
      for (const name of Object.keys(value)) if (available.has(name)) asked.set(name, 'unstated');
  }
  const wanted = [...contract.tools.readOnly, ...contract.tools.mutating];
  const servers = new Map<string, Map<string, McpAccess>>();
  for (const [name, access] of asked) {
    const tools = available.get(name);
    if (!tools) {
      const message =
        'No such MCP server is granted here: add it to `mcp` in the policy files, or drop it from the contract.';
      refused.push({ key: 'mcp', name, message });
      continue;
    }
    const lacking = lackingAccess(access, tools);
    if (lacking !== null) {
      refused.push({ key: 'mcp', name: `${name} (${access})`, message: lacking });
      continue;
    }
    const named = [...tools.keys()].filter((tool) => wanted.some((wish) => namesTool(wish, name, tool)));
    const kept = [...tools].filter(([tool, may]) => {
      if (contract.tools.denied.some((wish) => wish === name || namesTool(wish, name, tool))) return false;
      if (access === 'read-only' && may === 'mutating') return false;
      if (may === 'mutating' && contract.tools.readOnly.some((wish) => namesTool(wish, name, tool))) return false;
      return named.length === 0 || named.includes(tool);
    });
    if (kept.length > 0) servers.set(name, new Map(kept));
  }
  return Object.fromEntries([...servers].map(([name, tools]) => [name, Object.fromEntries(tools)]));
}

/** Why a server cannot be used in the way that the contract asks for, or null. */
function lackingAccess(access: ToolGrant['access'], tools: ReadonlyMap<string, McpAccess>): string | null {
  if (access === 'unstated' || [...tools.values()].includes(access)) return null;
  const has =
    access === 'mutating'
      ? 'The policy grants it for reading only'
      : 'What the policy grants of it has no tool that only reads';
  return `${has}: change the contract, or \`mcp\` in the policy files.`;
}

/** A tool that the contract names is a tool of a granted MCP server, or a command that every layer allows; else it stops intake. */
export function combineTools(
  { contract, refused }: Combining,
  available: ServerTools,
  mcp: Walls['mcp'],
  commands: Walls['commands'],
): Walls['tools'] {
  const { readOnly, mutating, denied } = contract.tools;
  const clis = contract.tools.clis.filter(({ name }) => name !== 'none');
  const asked = contract.tools.mcps.map((each) => each.name);
  const refuse = (name: string, message: string): void => {
    refused.push({ key: 'tools', name, message });
  };
  for (const { name, tools } of [
    { name: 'Read-only tools', tools: readOnly },
    { name: 'Mutating tools', tools: mutating },
  ]) {
    for (const tool of tools) {
      if (denied.includes(tool)) refuse(tool, 'The contract both names and denies it: keep one.');
      else if (isMcpTool(tool, available, asked)) {
        if (!grantsTool(tool, mcp))
          refuse(
            tool,
            `No granted MCP server has it as one of the ${name.toLowerCase()}: see \`mcp\` in the policy files.`,
          );
      } else if (!commandGranted(tool, commands))
        refuse(tool, 'It is neither a granted MCP tool nor within `commands.allow` of every layer.');
    }
  }
  const usable = clis.filter(({ name }) => {
    const allowed = commandGranted(name, commands);
    if (!allowed)
      refuse(
        name,
        'It is not within `commands.allow` of every layer, or it is denied: change the policy, or drop it from the contract.',
      );
    return allowed;
  });
  const isProgram = (tool: string) => !isMcpTool(tool, available, asked);
  for (const tool of readOnly.filter((name) => mutating.includes(name)))
    refuse(tool, 'The contract names it as reading and as mutating: keep one.');
  return {
    denied: [...new Set(denied)],
    clis: classed(usable, readOnly.filter(isProgram), mutating.filter(isProgram)),
  };
}

/** Programs under *Read-only tools* and *Mutating tools* are held to it like those under *CLIs*. Where both speak, the stricter counts. */
function classed(clis: readonly ToolGrant[], readOnly: readonly string[], mutating: readonly string[]): ToolGrant[] {
  const access = new Map<string, ToolGrant['access']>(clis.map((grant) => [grant.name, grant.access]));
  for (const name of mutating.map(programOf))
    if ((access.get(name) ?? 'unstated') === 'unstated') access.set(name, 'mutating');
  for (const name of readOnly.map(programOf)) access.set(name, 'read-only');
  return [...access].map(([name, may]) => ({ name, access: may }));
}

/** `git log` → `git`: what a program may do is judged for the whole of it. */
const programOf = (tool: string) => tool.split(' ')[0] ?? tool;

function isMcpTool(wish: string, available: ServerTools, asked: readonly string[]): boolean {
  if ([...available.keys(), ...asked].some((server) => wish.startsWith(`${server}.`) || wish.startsWith(`${server}/`)))
    return true;
  return [...available].some(([server, tools]) => [...tools.keys()].some((tool) => namesTool(wish, server, tool)));
}

function grantsTool(wish: string, mcp: Walls['mcp']): boolean {
  return Object.entries(mcp).some(([server, tools]) =>
    Object.keys(tools).some((tool) => namesTool(wish, server, tool)),
  );
}

/** Whether some form of the command can run: its program is in every list, and no pattern denies all of it. */
function commandGranted(name: string, { allow, deny }: Walls['commands']): boolean {
  const program = name.split(' ')[0] ?? name;
  const denied = deny.some(
    (pattern) =>
      pattern === program ||
      pattern === `${program} *` ||
      pattern === '*' ||
      pattern === name ||
      pattern === `${name} *`,
  );
  return (
    !denied &&
    allow.every((patterns) => patterns.some((pattern) => pattern === '*' || pattern.split(' ')[0] === program))
  );
}

export function combineImage({ layers, refused }: Combining): string {
  const asked = nearest(layers, ({ image }) => image);
  if (asked === undefined) return defaultImage;
  const lists = namedBy(operatorsOf(layers), ({ images }) => images);
  const matches = (pattern: string): boolean =>
    hasWildcards(pattern) ? matchesGlob(asked, pattern) : asked === pattern;
  if (lists.every(({ value }) => value.some(matches))) return asked;
  const allowed = lists.flatMap(({ value }) => value).join(', ') || 'none';
  refused.push({
    key: 'image',
    name: asked,
    message: `The operator allows these images: ${allowed}. Name one of them in the policy.`,
  });
  return defaultImage;
}

/** The nearest layer's set-up. A layer that names hosts for set-ups, or one above that names
 * them for the network only, has to have each host of it. */
export function combineSetup({ layers, refused }: Combining): Walls['setup'] {
  const at = layers.findLastIndex(({ policy }) => policy.setup?.command !== undefined);
  const setup = layers[at]?.policy.setup;
  if (setup?.command === undefined) return null;
  const others = layers.filter((_each, index) => index !== at);
  const hosts = [...new Set(setup.hosts ?? [])].filter((host) => {
    const without = others.find(({ policy }, index) => {
      const list = policy.setup?.hosts ?? (index < at ? policy.network?.hosts : undefined);
      return list !== undefined && !list.includes(host);
    });
    if (!without) return true;
    const message = `${capital(layerNames[without.layer])} does not grant it: add it to \`setup.hosts\` there, or drop it.`;
    refused.push({ key: 'setup.hosts', name: host, message });
    return false;
  });
  const root = setup.root === true && namedBy(layers, (policy) => policy.setup?.root).every(({ value }) => value);
  return { command: setup.command, hosts, inputs: [...(setup.inputs ?? defaultSetupInputs)], root };
}
