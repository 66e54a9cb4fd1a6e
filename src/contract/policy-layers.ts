import type { Contract } from './contract.ts';
import { matchesGlob } from './glob.ts';
import type { PolicyLayer } from './policy-schema.ts';
import type { Layer, Narrowing, Refusal } from './walls.ts';

export interface WallSources {
  operator: PolicyLayer | null;
  organization: PolicyLayer | null;
  repository: PolicyLayer | null;
  contract: Contract;
  /** `owner/name`, for the operator's `for` entries. Letter case does not matter, as on GitHub. */
  repositoryName: string;
  /** Names of the secrets that the operator holds values of. */
  heldSecrets: readonly string[];
}

export interface NamedLayer {
  layer: Layer;
  policy: PolicyLayer;
}

/** What combining works on and fills. Local to one call. */
export interface Combining {
  /** Outermost first; the operator's matching `for` entries follow its own. */
  layers: readonly NamedLayer[];
  contract: Contract;
  heldSecrets: readonly string[];
  narrowed: Narrowing[];
  refused: Refusal[];
}

export function startCombining(sources: WallSources): Combining {
  const { operator, organization, repository, contract, heldSecrets } = sources;
  const name = sources.repositoryName.toLowerCase();
  const entries = (operator?.for ?? []).filter(({ match }) => matchesGlob(name, match.toLowerCase()));
  const layers: NamedLayer[] = [];
  if (operator) layers.push({ layer: 'operator', policy: operator });
  for (const { match: _match, ...policy } of entries) layers.push({ layer: 'operator', policy });
  if (organization) layers.push({ layer: 'organization', policy: organization });
  if (repository) layers.push({ layer: 'repository', policy: repository });
  return { layers, contract, heldSecrets, narrowed: [], refused: [] };
}

/**
 * The operator ceiling for a repository whose name was another's when the operator wrote it down: what it forbids holds, and
 * nothing of what it gives away does (secrets, MCP servers, private addresses, protected paths).
 */
export function withoutGrants(operator: PolicyLayer): PolicyLayer {
  const nothing = { match: '**', secrets: [], mcp: {}, network: { addresses: [] }, files: { unprotect: [] } };
  return { ...operator, for: [...(operator.for ?? []), nothing] };
}

/** What each layer that names a key says, outermost first. */
export function namedBy<Value>(
  layers: readonly NamedLayer[],
  read: (policy: PolicyLayer) => Value | undefined,
): { layer: Layer; value: Value }[] {
  return layers.flatMap(({ layer, policy }) => {
    const value = read(policy);
    return value === undefined ? [] : [{ layer, value }];
  });
}

/** What the innermost layer that names a key says. */
export function nearest<Value>(
  layers: readonly NamedLayer[],
  read: (policy: PolicyLayer) => Value | undefined,
): Value | undefined {
  return namedBy(layers, read).at(-1)?.value;
}

/** What every layer with a list has; empty when none has a list. */
export function inEveryList(
  layers: readonly NamedLayer[],
  read: (policy: PolicyLayer) => readonly string[] | undefined,
): string[] {
  const lists = namedBy(layers, read);
  const [first, ...rest] = lists.map(({ value }) => value);
  return [...new Set(first ?? [])].filter((item) => rest.every((list) => list.includes(item)));
}

export function operatorsOf(layers: readonly NamedLayer[]): NamedLayer[] {
  return layers.filter(({ layer }) => layer === 'operator');
}

export const layerNames: Readonly<Record<Layer, string>> = {
  operator: 'the operator ceiling',
  organization: 'the organisation’s file',
  repository: '`.github/millwright.yml`',
  contract: 'the contract',
};
