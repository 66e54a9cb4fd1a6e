import { defaultCompanions, defaultConcurrency, defaultRetention, defaultRoles } from './defaults.ts';
import { globCovers } from './glob.ts';
import { isProtectedWhole } from './globs.ts';
import { combineImage, combineMcp, combineNetwork, combineSecrets, combineSetup, combineTools } from './grants.ts';
import { combineLimits, smallest } from './limits.ts';
import { combineServers } from './mcp-grants.ts';
import {
  type Combining,
  inEveryList,
  layerNames,
  type NamedLayer,
  namedBy,
  nearest,
  operatorsOf,
  startCombining,
  type WallSources,
} from './policy-layers.ts';
import type { PolicyLayer } from './policy-schema.ts';
import { combineChecks } from './wall-checks.ts';
import { type Narrowing, type Refusal, type Role, roleSatisfies, type Walls } from './walls.ts';

export interface CombinedWalls {
  walls: Walls;
  /** Wishes that were cut short, to be listed. */
  narrowed: Narrowing[];
  /** Wishes that are not granted and stop intake, by name. */
  refused: Refusal[];
}

/**
 * The walls of one run: every layer and the contract combined. Pure. The result never allows what any layer forbids; a layer that does not name a
 * key does not restrict it.
 */
export function combineWalls(sources: WallSources): CombinedWalls {
  const combining = startCombining(sources);
  const { layers, narrowed, refused } = combining;
  const limits = combineLimits(combining);
  const commands = combineCommands(combining);
  const servers = combineServers(combining);
  const mcp = combineMcp(combining, servers);
  const walls: Walls = {
    files: combineFiles(combining),
    commands,
    network: combineNetwork(combining),
    secrets: combineSecrets(combining),
    mcp,
    tools: combineTools(combining, servers, mcp, commands),
    image: combineImage(combining),
    setup: combineSetup(combining),
    checks: combineChecks(combining, limits.checkTimeoutMs),
    limits,
    budget: {
      dollarsPerIssue: smallest(layers, ({ budget }) => budget?.dollars_per_issue),
      dollarsPerDay: smallest(layers, ({ budget }) => budget?.dollars_per_day),
      orgDollarsPerDay: smallest(layers, ({ budget }) => budget?.org_dollars_per_day),
    },
    concurrency: {
      repository: smallest(layers, ({ concurrency }) => concurrency?.repository) ?? defaultConcurrency.repository,
      organization: smallest(layers, ({ concurrency }) => concurrency?.organization) ?? defaultConcurrency.organization,
      checks: smallest(layers, ({ concurrency }) => concurrency?.checks) ?? defaultConcurrency.checks,
      global: smallest(operatorsOf(layers), ({ concurrency }) => concurrency?.global),
      worker: smallest(operatorsOf(layers), ({ concurrency }) => concurrency?.worker) ?? defaultConcurrency.worker,
    },
    roles: combineRoles(layers),
    plan: says(layers, 'approve', ({ plan }) => plan) ? 'approve' : 'auto',
    flaky: flakyOf(layers),
    runtime:
      nearest(operatorsOf(layers), ({ runtime }) => runtime) ?? nearest(layers, ({ runtime }) => runtime) ?? null,
    model: combineModel(combining),
    pullRequest: {
      draft: nearest(layers, (policy) => policy.pull_request?.draft) ?? false,
      labels: nearest(layers, (policy) => policy.pull_request?.labels) ?? [],
      reviewers: nearest(layers, (policy) => policy.pull_request?.reviewers) ?? [],
    },
    learn: says(layers, 'off', ({ learn }) => learn) ? 'off' : 'propose',
    retention: {
      days: smallest(operatorsOf(layers), ({ retention }) => retention?.days) ?? defaultRetention.days,
      bytes: smallest(operatorsOf(layers), ({ retention }) => retention?.size) ?? defaultRetention.bytes,
    },
  };
  return { walls, narrowed, refused };
}

function says(layers: readonly NamedLayer[], word: string, read: (policy: PolicyLayer) => string | undefined): boolean {
  return layers.some(({ policy }) => read(policy) === word);
}

/** `wait` is the default and wins, so passing needs a layer that says so and none that says otherwise. */
function flakyOf(layers: readonly NamedLayer[]): Walls['flaky'] {
  return says(layers, 'pass', ({ flaky }) => flaky) && !says(layers, 'wait', ({ flaky }) => flaky) ? 'pass' : 'wait';
}

function combineFiles({ layers, contract, narrowed }: Combining): Walls['files'] {
  const asked = contract.boundaries.files;
  const lists = namedBy(layers, ({ files }) => files?.allow);
  const deny = [...new Set(namedBy(layers, ({ files }) => files?.deny).flatMap(({ value }) => value))];
  const unprotect = inEveryList(operatorsOf(layers), ({ files }) => files?.unprotect);
  for (const glob of asked) {
    if (isProtectedWhole(glob, unprotect)) {
      narrowed.push({ key: 'files.unprotect', asked: glob, granted: 'nothing: protected', by: 'operator' });
      continue;
    }
    const cut = lists.find(({ value }) => !value.some((outer) => globCovers(outer, glob)));
    const denied = namedBy(layers, ({ files }) => files?.deny).find(({ value }) =>
      value.some((outer) => globCovers(outer, glob)),
    );
    if (denied) narrowed.push({ key: 'files.deny', asked: glob, granted: 'nothing', by: denied.layer });
    else if (cut)
      narrowed.push({
        key: 'files.allow',
        asked: glob,
        granted: `what also matches ${cut.value.join(', ') || 'nothing'}`,
        by: cut.layer,
      });
  }
  const companions = namedBy(layers, ({ files }) => files?.companions).at(-1);
  return {
    allow: [...lists.map(({ value }) => value), ...(asked.length > 0 ? [asked] : [])],
    allowBy: [...lists.map(({ layer }) => layer), ...(asked.length > 0 ? (['contract'] as const) : [])],
    deny,
    companions: [...(companions?.value ?? defaultCompanions)],
    companionsBy: companions?.layer ?? 'operator',
    unprotect,
  };
}

function combineCommands({ layers, contract, narrowed }: Combining): Walls['commands'] {
  const asked = contract.boundaries.commands;
  const lists = namedBy(layers, ({ commands }) => commands?.allow);
  const denials = namedBy(layers, ({ commands }) => commands?.deny);
  for (const pattern of asked) {
    const denied = denials.find(({ value }) => value.some((outer) => commandCovers(outer, pattern)));
    if (denied) {
      narrowed.push({ key: 'commands.deny', asked: pattern, granted: 'nothing', by: denied.layer });
      continue;
    }
    const cut = lists.find(({ value }) => !value.some((outer) => commandCovers(outer, pattern)));
    if (cut)
      narrowed.push({
        key: 'commands.allow',
        asked: pattern,
        granted: `what also matches ${cut.value.join(', ') || 'nothing'}`,
        by: cut.layer,
      });
  }
  return {
    allow: [...lists.map(({ value }) => value), ...(asked.length > 0 ? [asked] : [])],
    deny: [...new Set(denials.flatMap(({ value }) => value))],
  };
}

/** Whether a command pattern surely holds everything that another does; only used to tell what was cut short. */
function commandCovers(outer: string, inner: string): boolean {
  if (outer === inner || outer === '*') return true;
  const prefix = outer.endsWith(' *') ? outer.slice(0, -2) : null;
  return prefix !== null && !prefix.includes('*') && (inner === prefix || inner.startsWith(`${prefix} `));
}

function combineRoles(layers: readonly NamedLayer[]): Walls['roles'] {
  const stricter = (name: 'start' | 'command' | 'stop' | 'waive'): Role => {
    const named = namedBy(layers, ({ roles }) => roles?.[name]).map(({ value }) => value);
    return named.reduce(
      (strictest, role) => (roleSatisfies(role, strictest) ? role : strictest),
      named[0] ?? defaultRoles[name],
    );
  };
  return {
    start: stricter('start'),
    command: stricter('command'),
    stop: stricter('stop'),
    waive: stricter('waive'),
    bots: inEveryList(layers, ({ roles }) => roles?.bots),
  };
}

const modelStages = ['plan', 'build', 'verify', 'learn'] as const;

function combineModel({ layers, narrowed }: Combining): Walls['model'] {
  const operators = operatorsOf(layers);
  const isLimited = operators.some(({ policy }) => policy.model?.allowed !== undefined);
  const allowed = isLimited ? inEveryList(operators, ({ model }) => model?.allowed) : null;
  const within = (key: string, read: (policy: PolicyLayer) => string | undefined): string | undefined => {
    const named = namedBy(layers, read).map(({ value }) => value);
    const granted = named.findLast((name) => allowed === null || allowed.includes(name));
    const asked = named.at(-1);
    if (asked !== undefined && asked !== granted) {
      narrowed.push({
        key,
        asked,
        granted: granted ?? `the default; ${layerNames.operator} allows ${allowed?.join(', ') || 'none by name'}`,
        by: 'operator',
      });
    }
    return granted;
  };
  const perStage: Walls['model']['perStage'] = {};
  for (const stage of modelStages) {
    const name = within(`model.${stage}.name`, ({ model }) => model?.[stage]?.name);
    const effort = nearest(layers, ({ model }) => model?.[stage]?.effort);
    if (name !== undefined || effort !== undefined)
      perStage[stage] = { ...(name && { name }), ...(effort && { effort }) };
  }
  const prices: Walls['model']['prices'] = {};
  for (const { value } of namedBy(operators, ({ model }) => model?.prices)) {
    for (const [name, { input, output, cached_input: cached }] of Object.entries(value)) {
      prices[name] = {
        inputPerMillion: input,
        outputPerMillion: output,
        ...(cached !== undefined && { cachedInputPerMillion: cached }),
      };
    }
  }
  const name = within('model.name', ({ model }) => model?.name) ?? null;
  return { name, effort: nearest(layers, ({ model }) => model?.effort) ?? null, perStage, prices, allowed };
}
