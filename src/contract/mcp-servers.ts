import { emptyContract } from './contract.ts';
import { isServer } from './mcp-grants.ts';
import { operatorsOf, startCombining } from './policy-layers.ts';
import type { PolicyLayer } from './policy-schema.ts';

/** Where the operator has a server, with its credentials filled in. */
export interface ServerAddress {
  name: string;
  url: string;
  headers: Readonly<Record<string, string>>;
  /** Values of the headers that must never be shown, the longest first. */
  hidden: readonly string[];
  /** Names of secrets that its headers need and that the app does not hold. */
  lacking: readonly string[];
}

const telling = /authorization|cookie|key|token|secret|auth|password|credential/i;
/** Shorter words, such as `Bearer`, are in too many innocent texts. */
const shortestChars = 8;
const placeholder = /\$\{([A-Za-z_][A-Za-z0-9_]{0,63})\}/g;

/** The servers of the operator ceiling for one repository (`owner/name`): an entry of `for` that gives an address counts over the general one. */
export function serversFor(
  operator: PolicyLayer | null,
  repositoryName: string,
  secrets: Readonly<Record<string, string>>,
): Map<string, ServerAddress> {
  const sources = { operator, organization: null, repository: null, contract: emptyContract(), heldSecrets: [] };
  const { layers } = startCombining({ ...sources, repositoryName });
  return addressed(
    operatorsOf(layers).map(({ policy }) => policy),
    secrets,
  );
}

/** Every server that the operator ceiling gives an address, with the tools that it grants there. For an examination. */
export function everyServer(
  operator: PolicyLayer | null,
  secrets: Readonly<Record<string, string>>,
): { server: ServerAddress; tools: string[] }[] {
  const layers: Pick<PolicyLayer, 'mcp'>[] = operator === null ? [] : [operator, ...(operator.for ?? [])];
  return layers.flatMap((layer) =>
    [...addressed([layer], secrets)].map(([name, server]) => {
      const entry = layer.mcp?.[name];
      const tools = entry && isServer(entry) ? entry.tools : [];
      return { server, tools: Array.isArray(tools) ? tools : Object.keys(tools) };
    }),
  );
}

function addressed(
  layers: readonly Pick<PolicyLayer, 'mcp'>[],
  secrets: Readonly<Record<string, string>>,
): Map<string, ServerAddress> {
  const found = new Map<string, ServerAddress>();
  for (const { mcp = {} } of layers)
    for (const [name, entry] of Object.entries(mcp))
      if (isServer(entry)) found.set(name, { name, url: entry.url, ...filled(entry.headers ?? {}, secrets) });
  return found;
}

function filled(
  written: Readonly<Record<string, string>>,
  secrets: Readonly<Record<string, string>>,
): Pick<ServerAddress, 'headers' | 'hidden' | 'lacking'> {
  const names = Object.values(written).flatMap((value) =>
    [...value.matchAll(placeholder)].map(([, name = '']) => name),
  );
  const held = (name: string) => (Object.hasOwn(secrets, name) ? (secrets[name] ?? '') : '');
  const headers = Object.fromEntries(
    Object.entries(written).map(([name, value]) => [
      name,
      value.replace(placeholder, (_all, key: string) => held(key)),
    ]),
  );
  const named = Object.entries(headers).flatMap(([name, value]) =>
    telling.test(name) ? [value, ...value.split(/\s+/)].filter((word) => word.length >= shortestChars) : [],
  );
  const hidden = [...new Set([...names.map(held), ...named])].filter((value) => value !== '');
  return {
    headers,
    hidden: hidden.sort((a, b) => b.length - a.length),
    lacking: [...new Set(names)].filter((name) => held(name) === ''),
  };
}
