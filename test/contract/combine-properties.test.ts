import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { combineWalls } from '../../src/contract/combine.ts';
import { type Contract, emptyContract } from '../../src/contract/contract.ts';
import { matchesGlob } from '../../src/contract/glob.ts';
import { inScope, matchesAny } from '../../src/contract/globs.ts';
import type { PolicyLayer } from '../../src/contract/policy.ts';
import { roleSatisfies, roles, type Walls } from '../../src/contract/walls.ts';

const globs = fc.subarray(['src/**', 'test/**', 'docs/*.md', '**/*.ts', 'src/a.ts', '*.lock', '**']);
const paths = [
  'src/a.ts',
  'src/b/c.ts',
  'test/a.ts',
  'docs/x.md',
  'a.lock',
  '.github/workflows/x.yml',
  'README.md',
  '.gitmodules',
];
const hosts = fc.subarray(['a.example.org:443', 'b.example.org:443', 'c.example.org:80']);
const secretNames = fc.subarray(['ONE', 'TWO', 'THREE']);
const number = fc.integer({ min: 1, max: 100 });
const role = fc.constantFrom(...roles);
const kinds = ['unit', 'lint', 'migration'];
const access = fc.constantFrom('read-only' as const, 'mutating' as const);
const tools = fc.oneof(
  fc.subarray(['search', 'write', 'read']),
  fc.dictionary(fc.constantFrom('search', 'write', 'read'), access),
);
const optionally = <Shape extends object>(shape: { [Key in keyof Shape]: fc.Arbitrary<Shape[Key]> }) =>
  fc.record(shape, { requiredKeys: [] });

const layer: fc.Arbitrary<PolicyLayer> = optionally({
  files: optionally({ allow: globs, deny: globs, companions: fc.subarray(['*.lock', '**/*.md']) }),
  commands: optionally({ allow: fc.subarray(['npm *', 'git *']), deny: fc.subarray(['npm publish *', 'git push *']) }),
  network: optionally({ hosts }),
  secrets: secretNames,
  mcp: fc.dictionary(fc.constantFrom('docs', 'logs'), tools),
  image: fc.constantFrom('millwright/a', 'acme/b'),
  setup: optionally({ command: fc.constant('npm ci'), hosts, root: fc.boolean() }),
  checks: fc.dictionary(
    fc.constantFrom(...kinds),
    fc.oneof(fc.constant('run'), fc.record({ command: fc.constant('other'), optional: fc.boolean(), timeout: number })),
  ),
  limits: optionally({ minutes: number, turns: number, dollars: number, memory: number, check_timeout: number }),
  budget: optionally({ dollars_per_issue: number, dollars_per_day: number }),
  concurrency: optionally({ repository: number, organization: number, checks: number }),
  roles: optionally({ start: role, stop: role, bots: fc.subarray(['a', 'b']) }),
  plan: fc.constantFrom('auto' as const, 'approve' as const),
  flaky: fc.constantFrom('wait' as const, 'pass' as const),
  learn: fc.constantFrom('propose' as const, 'off' as const),
  model: optionally({
    name: fc.constantFrom('x', 'y', 'z'),
    build: optionally({ name: fc.constantFrom('x', 'y', 'z') }),
  }),
}) as fc.Arbitrary<PolicyLayer>;

const operator: fc.Arbitrary<PolicyLayer> = fc
  .tuple(
    layer,
    optionally({ images: fc.subarray(['millwright/*', 'acme/*']), allowed: fc.subarray(['x', 'y']) }),
    fc.array(fc.tuple(fc.constantFrom('acme/*', 'acme/core', 'other/*'), layer), { maxLength: 2 }),
  )
  .map(([base, { images, allowed }, entries]) => ({
    ...base,
    ...(images && { images }),
    ...(allowed && { model: { ...base.model, allowed } }),
    for: entries.map(([match, entry]) => ({ match, ...entry })),
  }));

const contract: fc.Arbitrary<Contract> = fc
  .record({
    files: globs,
    commands: fc.subarray(['npm test *', 'git diff *', 'make']),
    network: hosts,
    secrets: secretNames,
    mcps: fc.uniqueArray(
      fc.record({
        name: fc.constantFrom('docs', 'logs', 'none'),
        access: fc.constantFrom('read-only' as const, 'mutating' as const, 'unstated' as const),
      }),
      { selector: ({ name }) => name },
    ),
    denied: fc.subarray(['search', 'docs.write', 'logs', 'curl']),
    checks: fc.uniqueArray(fc.record({ kind: fc.constantFrom(...kinds, 'build'), skips: fc.boolean() }), {
      selector: ({ kind }) => kind,
    }),
    limits: optionally({ minutes: number, turns: number, dollars: number }),
  })
  .map((parts) => {
    const empty = emptyContract();
    return {
      ...empty,
      tools: { ...empty.tools, mcps: parts.mcps, denied: parts.denied },
      boundaries: { files: parts.files, commands: parts.commands, network: parts.network, secrets: parts.secrets },
      checks: parts.checks.map(({ kind, skips }) => ({
        kind,
        label: kind,
        command: skips ? null : 'mine',
        skip: skips ? 'why' : null,
        line: null,
      })),
      stop: { text: '', limits: parts.limits },
    };
  });

const sources = fc.record({
  operator: fc.option(operator),
  organization: fc.option(layer),
  repository: fc.option(layer),
  contract,
  repositoryName: fc.constant('Acme/core'),
  heldSecrets: secretNames,
});

/** Every layer in force, the operator's matching entries among them. */
function inForce({
  operator: ceiling,
  organization,
  repository,
}: {
  operator: PolicyLayer | null;
  organization: PolicyLayer | null;
  repository: PolicyLayer | null;
}): PolicyLayer[] {
  const entries = (ceiling?.for ?? []).filter(({ match }) => match !== 'other/*');
  return [ceiling, ...entries, organization, repository].filter((each) => each !== null);
}

function atMost(granted: number | null, named: (number | undefined)[]): void {
  for (const limit of named)
    if (limit !== undefined) expect(granted ?? Number.POSITIVE_INFINITY).toBeLessThanOrEqual(limit);
}

function within(granted: readonly string[], list: readonly string[] | undefined): void {
  if (list) for (const name of granted) expect(list).toContain(name);
}

function allows(entry: NonNullable<PolicyLayer['mcp']>[string] | undefined, tool: string, may: string): boolean {
  if (entry === undefined) return false;
  if (Array.isArray(entry)) return entry.includes(tool);
  const granted = (entry as Record<string, string>)[tool];
  return granted === 'mutating' || (granted === 'read-only' && may === 'read-only');
}

function respects(walls: Walls, policy: PolicyLayer): void {
  atMost(walls.limits.minutes, [policy.limits?.minutes]);
  atMost(walls.limits.turns, [policy.limits?.turns]);
  atMost(walls.limits.dollars, [policy.limits?.dollars]);
  atMost(walls.limits.memoryBytes, [policy.limits?.memory]);
  atMost(walls.budget.dollarsPerIssue, [policy.budget?.dollars_per_issue]);
  atMost(walls.budget.dollarsPerDay, [policy.budget?.dollars_per_day]);
  atMost(walls.concurrency.repository, [policy.concurrency?.repository]);
  atMost(walls.concurrency.organization, [policy.concurrency?.organization]);
  atMost(walls.concurrency.checks, [policy.concurrency?.checks]);
  for (const { timeoutMs } of walls.checks) atMost(timeoutMs, [policy.limits?.check_timeout]);
  within(walls.network.hosts, policy.network?.hosts);
  within(walls.secrets, policy.secrets);
  within(walls.roles.bots, policy.roles?.bots);
  within(walls.setup?.hosts ?? [], policy.setup?.hosts);
  if (policy.setup?.root === false) expect(walls.setup?.root ?? false).toBe(false);
  for (const name of ['start', 'stop'] as const)
    expect(roleSatisfies(walls.roles[name], policy.roles?.[name] ?? 'read')).toBe(true);
  if (policy.plan === 'approve') expect(walls.plan).toBe('approve');
  if (policy.flaky === 'wait') expect(walls.flaky).toBe('wait');
  if (policy.learn === 'off') expect(walls.learn).toBe('off');
  if (policy.images && walls.image !== 'millwright/sandbox')
    expect(policy.images.some((glob) => matchesGlob(walls.image, glob))).toBe(true);
  within([walls.model.name ?? [], walls.model.perStage.build?.name ?? []].flat(), policy.model?.allowed);
  for (const [server, granted] of Object.entries(walls.mcp)) {
    for (const [tool, may] of Object.entries(granted))
      if (policy.mcp) expect(allows(policy.mcp[server], tool, may)).toBe(true);
  }
  if (policy.commands?.allow) expect(walls.commands.allow).toContainEqual(policy.commands.allow);
  for (const pattern of policy.commands?.deny ?? []) expect(walls.commands.deny).toContain(pattern);
}

describe('combining any layers', () => {
  test('never allows what one of them forbids', () => {
    fc.assert(
      fc.property(sources, (given) => {
        const { walls } = combineWalls(given);

        for (const policy of inForce(given)) respects(walls, policy);
      }),
      { numRuns: 500 },
    );
  });

  test('lets no path pass that a layer denies or leaves out, but companions of that layer or one above', () => {
    fc.assert(
      fc.property(sources, (given) => {
        const { walls } = combineWalls(given);
        const { organization, repository } = given;
        const rank = (policy: PolicyLayer) => (policy === repository ? 2 : policy === organization ? 1 : 0);
        const layers = inForce(given);
        const naming = layers.findLast(({ files }) => files?.companions !== undefined);

        for (const path of paths.filter((each) => inScope(each, walls).ok)) {
          const excused = matchesAny(path, walls.files.companions);
          expect(path).not.toMatch(/^\.git/u);
          for (const policy of layers) {
            const { allow, deny } = policy.files ?? {};
            const isExcused = excused && rank(policy) >= (naming ? rank(naming) : 0);
            expect(matchesAny(path, deny ?? [])).toBe(false);
            if (allow && !isExcused) expect(matchesAny(path, allow)).toBe(true);
          }
          const asked = given.contract.boundaries.files;
          if (asked.length > 0 && !excused) expect(matchesAny(path, asked)).toBe(true);
        }
      }),
      { numRuns: 500 },
    );
  });

  test('gives the contract nothing that it did not ask for, and no secret that nobody holds', () => {
    fc.assert(
      fc.property(sources, (given) => {
        const { walls, refused } = combineWalls(given);
        const { boundaries, tools: asked } = given.contract;

        within(walls.network.hosts, boundaries.network);
        within(walls.secrets, boundaries.secrets);
        within(walls.secrets, given.heldSecrets);
        if (asked.mcps.length > 0)
          within(
            Object.keys(walls.mcp),
            asked.mcps.map(({ name }) => name),
          );
        for (const name of boundaries.secrets)
          expect(
            walls.secrets.includes(name) || refused.some((each) => each.key === 'secrets' && each.name === name),
          ).toBe(true);
        for (const name of boundaries.network)
          expect(walls.network.hosts.includes(name) || refused.some((each) => each.name === name)).toBe(true);
      }),
      { numRuns: 500 },
    );
  });

  test('runs every configured check, but optional ones that the contract skips', () => {
    fc.assert(
      fc.property(sources, (given) => {
        const { walls, refused } = combineWalls(given);

        for (const kind of kinds) {
          const own = inForce(given).findLast(({ checks }) => checks?.[kind] !== undefined)?.checks?.[kind];
          const wish = given.contract.checks.find((check) => check.kind === kind);
          const listed = walls.checks.filter((check) => check.kind === kind);
          if (own !== undefined) {
            const optional = typeof own !== 'string' && own.optional === true;
            const skipped = wish !== undefined && wish.skip !== null;
            const command = typeof own === 'string' ? own : own.command;
            expect(listed.some((check) => check.state === 'run' && check.command === command)).toBe(
              !(optional && skipped),
            );
            expect(refused.some(({ key }) => key === `checks.${kind}`)).toBe(skipped && !optional);
          }
          if (wish && wish.command !== null)
            expect(listed.some(({ command, state }) => command === wish.command && state === 'run')).toBe(true);
        }
      }),
      { numRuns: 500 },
    );
  });

  test('is the same each time, and changes nothing that it was given', () => {
    fc.assert(
      fc.property(sources, (given) => {
        const before = JSON.stringify(given);

        expect(combineWalls(given)).toEqual(combineWalls(given));
        expect(JSON.stringify(given)).toBe(before);
      }),
      { numRuns: 100 },
    );
  });
});
