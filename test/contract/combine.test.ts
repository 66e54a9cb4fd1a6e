import { describe, expect, test } from 'vitest';
import { commandPolicy } from '../../src/agent/command-tool.ts';
import { type CombinedWalls, combineWalls } from '../../src/contract/combine.ts';
import { parseContract } from '../../src/contract/parse.ts';
import { type PolicyLayer, parsePolicyFile } from '../../src/contract/policy.ts';
import { wallsSchema } from '../../src/contract/walls.ts';
import { judgeCommand } from '../../src/sandbox/command-policy.ts';

interface Given {
  operator?: string;
  organization?: string;
  repository?: string;
  contract?: string;
  name?: string;
  held?: string[];
}

function layer(text: string | undefined, name: 'operator' | 'organization' | 'repository'): PolicyLayer | null {
  if (text === undefined) return null;
  const result = parsePolicyFile(text, name, name);
  if ('problems' in result) throw new Error(JSON.stringify(result.problems));
  return result.policy;
}

function combine(given: Given): CombinedWalls {
  const { contract, problems } = parseContract(
    `## Goal\n\ng\n\n## Acceptance criteria\n\n- c\n\n${given.contract ?? ''}`,
  );
  if (!contract || problems.some(({ blocking }) => blocking)) throw new Error(JSON.stringify(problems));
  return combineWalls({
    operator: layer(given.operator, 'operator'),
    organization: layer(given.organization, 'organization'),
    repository: layer(given.repository, 'repository'),
    contract,
    repositoryName: given.name ?? 'acme/core',
    heldSecrets: given.held ?? [],
  });
}

const boundaries = (lines: string) => `## Execution boundaries\n\n${lines}`;
const checks = (lines: string) => `## Checks before review\n\n${lines}`;

describe('walls without any policy', () => {
  test('are the defaults of the specification', () => {
    const { walls, narrowed, refused } = combine({});

    expect(wallsSchema.parse(walls)).toEqual(walls);
    expect(walls.limits).toEqual({
      minutes: 30,
      turns: 60,
      rounds: 3,
      tokens: 1_000_000,
      dollars: null,
      files: 20,
      lines: 800,
      memoryBytes: 2 * 1024 ** 3,
      cpus: 2,
      pids: 512,
      diskBytes: 4 * 1024 ** 3,
      outputBytes: 64 * 1024 ** 2,
      toolTimeoutMs: 120_000,
      checkTimeoutMs: 600_000,
      waitDays: 14,
      findings: 5,
    });
    expect(walls).toMatchObject({
      files: { allow: [], deny: [], unprotect: [] },
      network: { hosts: [], addresses: [], ca: null },
      secrets: [],
      mcp: {},
      image: 'millwright/sandbox',
      setup: null,
      concurrency: { repository: 1, organization: 4, checks: 1, global: null, worker: 2 },
      roles: { start: 'write', command: 'write', stop: 'triage', waive: 'maintain', bots: [] },
      plan: 'auto',
      flaky: 'wait',
      runtime: null,
      learn: 'propose',
      retention: { days: 90, bytes: 20 * 1024 ** 3 },
    });
    expect([narrowed, refused]).toEqual([[], []]);
  });
});

describe('numbers', () => {
  test('take the smallest of all layers and the contract, and what was cut is listed', () => {
    const { walls, narrowed } = combine({
      operator:
        'limits: { minutes: 25, memory: 1g }\nfor: [{ match: "Acme/*", limits: { dollars: 2 } }, { match: other/*, limits: { turns: 1 } }]',
      repository: 'limits: { minutes: 90, turns: 50, dollars: 3, memory: 2g }',
      contract: '## Stop condition\n\nmax minutes: 10\nmax turns: 80\nmax tokens: 2m',
    });

    expect(walls.limits).toMatchObject({
      minutes: 10,
      turns: 50,
      dollars: 2,
      memoryBytes: 1024 ** 3,
      tokens: 1_000_000,
    });
    expect(narrowed).toEqual([
      { key: 'limits.turns', asked: '80', granted: '50', by: 'repository' },
      { key: 'limits.tokens', asked: '2000000', granted: '1000000', by: 'default' },
      { key: 'limits.dollars', asked: '3', granted: '2', by: 'operator' },
      { key: 'limits.memory', asked: '2g', granted: '1g', by: 'operator' },
    ]);
  });

  test('may pass the defaults where a policy file says so', () => {
    expect(combine({ repository: 'limits: { minutes: 60 }\nconcurrency: { repository: 3 }' }).walls).toMatchObject({
      limits: { minutes: 60 },
      concurrency: { repository: 3 },
    });
  });

  test('of budgets and concurrency take the smallest too', () => {
    const { walls } = combine({
      operator:
        'budget: { dollars_per_day: 10 }\nconcurrency: { repository: 2, organization: 3, checks: 4, global: 9, worker: 1 }',
      repository: 'budget: { dollars_per_issue: 5, dollars_per_day: 40 }\nconcurrency: { repository: 5, checks: 2 }',
    });

    expect(walls.budget).toEqual({ dollarsPerIssue: 5, dollarsPerDay: 10, orgDollarsPerDay: null });
    expect(walls.concurrency).toEqual({ repository: 2, organization: 3, checks: 2, global: 9, worker: 1 });
  });
});

describe('files and commands', () => {
  test('keep one list per layer, add up what is denied, and list what the contract cannot have', () => {
    const { walls, narrowed, refused } = combine({
      operator: 'files: { deny: ["infra/**"], unprotect: [".github/workflows/**"] }',
      organization:
        'files: { allow: ["src/**", "test/**", "infra/**"] }\ncommands: { allow: ["npm *"], deny: ["npm publish *"] }',
      repository: 'files: { allow: ["src/**", "test/**"], deny: ["src/generated/**"], companions: ["*.lock"] }',
      contract: boundaries(
        '- Allowed files: src/slug.ts, docs/**, infra/a.tf\n- Allowed commands: npm test *, git diff *',
      ),
    });

    expect(walls.files).toEqual({
      allow: [
        ['src/**', 'test/**', 'infra/**'],
        ['src/**', 'test/**'],
        ['src/slug.ts', 'docs/**', 'infra/a.tf'],
      ],
      allowBy: ['organization', 'repository', 'contract'],
      deny: ['infra/**', 'src/generated/**'],
      companions: ['*.lock'],
      companionsBy: 'repository',
      unprotect: ['.github/workflows/**'],
    });
    expect(walls.commands).toEqual({ allow: [['npm *'], ['npm test *', 'git diff *']], deny: ['npm publish *'] });
    expect(narrowed.map(({ key, asked, by }) => [key, asked, by])).toEqual([
      ['commands.allow', 'git diff *', 'organization'],
      ['files.allow', 'docs/**', 'organization'],
      ['files.deny', 'infra/a.tf', 'operator'],
    ]);
    expect(refused).toEqual([]);
  });
});

test('what the contract names although it is protected or denied is listed, not passed over', () => {
  const { narrowed } = combine({
    repository: 'commands: { deny: ["npm publish *"] }',
    contract: boundaries(
      '- Allowed files: src/**, .github/workflows/ci.yml, CODEOWNERS\n- Allowed commands: npm test *, npm publish *',
    ),
  });

  expect(narrowed).toEqual([
    { key: 'commands.deny', asked: 'npm publish *', granted: 'nothing', by: 'repository' },
    { key: 'files.unprotect', asked: '.github/workflows/ci.yml', granted: 'nothing: protected', by: 'operator' },
    { key: 'files.unprotect', asked: 'CODEOWNERS', granted: 'nothing: protected', by: 'operator' },
  ]);
});

describe('hosts and secrets', () => {
  const contract = boundaries(
    '- Network or service access: a.example.org, b.example.org:8080\n- Secrets and credentials: TOKEN, OTHER',
  );

  test('are those asked for and granted by every layer with a list; the rest stops intake by name', () => {
    const { walls, refused } = combine({
      operator: 'network: { hosts: ["a.example.org:443", "b.example.org:8080"] }\nsecrets: [TOKEN, OTHER]',
      repository: 'network: { hosts: ["a.example.org:443", "c.example.org:443"] }\nsecrets: [TOKEN]',
      contract,
      held: ['TOKEN', 'OTHER', 'THIRD'],
    });

    expect(walls.network.hosts).toEqual(['a.example.org:443']);
    expect(walls.secrets).toEqual(['TOKEN']);
    expect(refused.map(({ key, name }) => [key, name])).toEqual([
      ['network.hosts', 'b.example.org:8080'],
      ['secrets', 'OTHER'],
    ]);
  });

  test('are none where no layer names them, and none that nobody asks for', () => {
    expect(combine({ contract }).refused).toHaveLength(4);
    expect(
      combine({ operator: 'network: { hosts: ["a.example.org:443"] }\nsecrets: [TOKEN]', held: ['TOKEN'] }).walls,
    ).toMatchObject({
      network: { hosts: [] },
      secrets: [],
    });
  });

  test('need the operator for secrets: a repository file cannot grant them', () => {
    const { walls, refused } = combine({
      repository: 'secrets: [TOKEN]',
      contract: boundaries('- Secrets and credentials: TOKEN'),
      held: ['TOKEN'],
    });

    expect(walls.secrets).toEqual([]);
    expect(refused).toMatchObject([{ key: 'secrets', name: 'TOKEN', message: expect.stringContaining('operator') }]);
  });

  test('of one tenant are out of another’s reach', () => {
    const operator = 'for: [{ match: acme/*, secrets: [TOKEN] }, { match: other/*, secrets: [THEIRS] }]';
    const asking = { operator, contract: boundaries('- Secrets and credentials: TOKEN'), held: ['TOKEN', 'THEIRS'] };

    expect(combine({ ...asking, name: 'acme/core' }).walls.secrets).toEqual(['TOKEN']);
    expect(combine({ ...asking, name: 'ACME/core' }).walls.secrets).toEqual(['TOKEN']);
    expect(combine({ ...asking, name: 'other/acme' }).refused).toMatchObject([
      { name: 'TOKEN', message: expect.stringContaining('ask the operator') },
    ]);
  });

  test('that nobody holds stop intake, saying what the operator has to set', () => {
    const { refused } = combine({
      operator: 'secrets: [TOKEN]',
      contract: boundaries('- Secrets and credentials: TOKEN'),
    });

    expect(refused[0]?.message).toContain('MILLWRIGHT_SECRET_TOKEN');
  });
});

describe('MCP servers and tools', () => {
  const operator =
    'mcp: { docs: { url: "https://d.example/mcp", tools: { search: read-only, read: read-only, write: mutating } }, logs: { url: "https://l.example", tools: [tail] } }';

  test('are those of the repository file when the contract names none', () => {
    expect(combine({ operator, repository: 'mcp: { docs: [search, write] }' }).walls.mcp).toEqual({
      docs: { search: 'read-only', write: 'mutating' },
    });
    expect(combine({ operator }).walls.mcp).toEqual({});
    expect(
      combine({ operator, repository: 'mcp: { docs: [search] }', contract: '## Tools in scope\n\n- MCPs: none' }).walls
        .mcp,
    ).toEqual({});
  });

  test('are cut to the access and the tools that the contract names', () => {
    const tools = (lines: string) => combine({ operator, contract: `## Tools in scope\n\n${lines}` });

    expect(tools('- MCPs: docs (read-only)').walls.mcp).toEqual({ docs: { search: 'read-only', read: 'read-only' } });
    expect(
      tools('- MCPs: docs, logs\n- Read-only tools: docs.search\n- Tools explicitly denied: logs').walls.mcp,
    ).toEqual({ docs: { search: 'read-only' } });
    expect(tools('- MCPs: docs\n- Tools explicitly denied: write').walls.mcp).toEqual({
      docs: { search: 'read-only', read: 'read-only' },
    });
  });

  test('that are not granted stop intake by name', () => {
    const { refused } = combine({
      operator,
      repository: 'mcp: { docs: [search] }',
      contract: '## Tools in scope\n\n- MCPs: docs, tracker\n- Read-only tools: docs.read',
    });

    expect(refused.map(({ key, name }) => [key, name])).toEqual([
      ['mcp', 'tracker'],
      ['tools', 'docs.read'],
    ]);
  });

  test.each([
    ['logs (mutating)', 'grants it for reading only'],
    ['changes (read-only)', 'has no tool that only reads'],
  ])('whose asked access is not granted stop intake by name: %s', (asked, message) => {
    const { refused } = combine({
      operator: `${operator.slice(0, -2)}, changes: { url: "https://c.example", tools: { write: mutating } } }`,
      contract: `## Tools in scope\n\n- MCPs: ${asked}`,
    });

    expect(refused).toEqual([{ key: 'mcp', name: asked, message: expect.stringContaining(message) }]);
  });

  test('need the operator: a repository file cannot bring a server', () => {
    expect(
      combine({ repository: 'mcp: { docs: [search] }', contract: '## Tools in scope\n\n- MCPs: docs' }).refused,
    ).toMatchObject([{ key: 'mcp', name: 'docs' }]);
  });

  test('that change things stay out where a layer grants them for reading alone', () => {
    expect(
      combine({ operator, repository: 'mcp: { docs: { write: read-only, search: mutating } }' }).walls.mcp,
    ).toEqual({ docs: { search: 'read-only' } });
  });

  test('of the command line have to be within the commands of every layer', () => {
    const { walls, refused } = combine({
      repository: 'commands: { allow: ["npm *", "git *"], deny: ["git *"] }',
      contract: '## Tools in scope\n\n- CLIs: npm (mutating), terraform, git (read-only)',
    });

    expect(walls.tools.clis).toEqual([{ name: 'npm', access: 'mutating' }]);
    expect(refused.map(({ name }) => name)).toEqual(['terraform', 'git']);
  });

  test.each(['none', 'not needed'])('of the command line may be none: %s', (word) => {
    const { walls, refused } = combine({
      repository: 'commands: { allow: ["npm *"] }',
      contract: `## Tools in scope\n\n- CLIs: ${word}\n- Read-only tools: ${word}\n- Mutating tools: ${word}`,
    });

    expect(walls.tools.clis).toEqual([]);
    expect(refused).toEqual([]);
  });
});

describe('image and set-up', () => {
  test('take the nearest image within the operator’s patterns', () => {
    const operator = 'images: ["millwright/*", "ghcr.io/acme/*"]';

    expect(
      combine({ operator, organization: 'image: millwright/a', repository: 'image: ghcr.io/acme/b:1' }).walls.image,
    ).toBe('ghcr.io/acme/b:1');
    expect(combine({ operator, repository: 'image: ghcr.io/evil/b' })).toMatchObject({
      walls: { image: 'millwright/sandbox' },
      refused: [{ key: 'image', name: 'ghcr.io/evil/b' }],
    });
    expect(combine({ operator: 'images: [acme]', repository: 'image: acme/evil' }).refused).toHaveLength(1);
  });

  test('take the nearest set-up, with hosts that every layer above grants', () => {
    const repository =
      'setup: { command: npm ci, hosts: ["r.example.org:443", "x.example.org:443"], root: true }\nnetwork: { hosts: [] }';

    expect(combine({ repository }).walls.setup).toMatchObject({
      command: 'npm ci',
      hosts: ['r.example.org:443', 'x.example.org:443'],
      root: true,
    });
    expect(combine({ operator: 'setup: { hosts: ["r.example.org:443"], root: false }', repository })).toMatchObject({
      walls: { setup: { hosts: ['r.example.org:443'], root: false } },
      refused: [{ key: 'setup.hosts', name: 'x.example.org:443' }],
    });
    expect(combine({ operator: 'network: { hosts: ["r.example.org:443"] }', repository }).refused).toMatchObject([
      { name: 'x.example.org:443' },
    ]);
  });

  test('let a set-up see manifests and lock files when it names no inputs', () => {
    expect(combine({ repository: 'setup: { command: npm ci }' }).walls.setup?.inputs).toContain('**/package-lock.json');
  });
});

describe('checks', () => {
  const repository =
    'checks:\n  unit: { command: npm test, timeout: 5m, report: junit.xml }\n  format: npm run format\n  lint: { command: npm run lint, optional: true }\n  migration: npm run migrate';
  const listed = (given: Given) =>
    combine(given).walls.checks.map(({ kind, command, origin, state }) => [kind, command, origin, state]);

  test('are those of contract and repository file together, nothing lost, in the contract’s order', () => {
    expect(
      listed({
        repository,
        contract: checks('- Build: npm run build\n- Unit tests: npm run unit\n- Load test: k6 run'),
      }),
    ).toEqual([
      ['build', 'npm run build', 'contract', 'run'],
      ['unit', 'npm test', 'repository', 'run'],
      ['unit', 'npm run unit', 'contract', 'run'],
      ['load', 'k6 run', 'contract', 'run'],
      ['format', 'npm run format', 'repository', 'run'],
      ['lint', 'npm run lint', 'repository', 'run'],
      ['migration', 'npm run migrate', 'repository', 'run'],
      ['types', null, 'repository', 'not-configured'],
      ['smoke', null, 'repository', 'not-configured'],
    ]);
  });

  test('run once when contract and repository file name the same command', () => {
    expect(listed({ repository: 'checks: { unit: npm test }', contract: checks('- Unit tests: npm test') })[0]).toEqual(
      ['unit', 'npm test', 'repository', 'run'],
    );
    expect(
      listed({ repository: 'checks: { unit: npm test }', contract: checks('- Unit tests: npm test') }),
    ).toHaveLength(6);
  });

  test('are skipped only where they are optional or not configured', () => {
    const { walls, refused } = combine({
      repository,
      contract: checks('- Lint: skip: slow\n- Build: skip: nothing to build\n- Format: skip: no'),
    });

    expect(walls.checks.slice(0, 3)).toMatchObject([
      { kind: 'lint', command: null, state: 'skipped', reason: 'slow', origin: 'repository' },
      { kind: 'build', command: null, state: 'skipped', reason: 'nothing to build', origin: 'contract' },
      { kind: 'format', command: 'npm run format', state: 'run', reason: null },
    ]);
    expect(refused).toMatchObject([{ key: 'checks.format', name: 'Format' }]);
  });

  test('keep their own time within the limit that a layer names', () => {
    const own = combine({ repository }).walls.checks.find(({ kind }) => kind === 'unit');
    const cut = combine({ operator: 'limits: { check_timeout: 2m }', repository });

    expect(own).toMatchObject({ timeoutMs: 300_000, report: 'junit.xml' });
    expect(cut.walls.checks.every(({ timeoutMs }) => timeoutMs === 120_000)).toBe(true);
    expect(cut.narrowed).toEqual([{ key: 'checks.unit.timeout', asked: '5m', granted: '2m', by: 'operator' }]);
  });

  test('take the nearest layer for each kind', () => {
    expect(
      listed({ organization: 'checks: { unit: a, lint: b }', repository: 'checks: { unit: c }' }).slice(0, 2),
    ).toEqual([
      ['lint', 'b', 'repository', 'run'],
      ['unit', 'c', 'repository', 'run'],
    ]);
  });
});

describe('words', () => {
  test('take the stricter', () => {
    const { walls } = combine({
      operator: 'roles: { start: triage, stop: write, bots: [a, b] }\nlearn: "off"\nflaky: pass',
      organization: 'plan: approve\nroles: { start: maintain }',
      repository: 'plan: auto\nlearn: propose\nroles: { start: write, bots: [b, c] }\nflaky: pass',
    });

    expect(walls).toMatchObject({
      roles: { start: 'maintain', command: 'write', stop: 'write', waive: 'maintain', bots: ['b'] },
      plan: 'approve',
      learn: 'off',
      flaky: 'pass',
    });
    expect(combine({ operator: 'flaky: wait', repository: 'flaky: pass' }).walls.flaky).toBe('wait');
  });

  test('take the operator’s runtime, else the nearest', () => {
    expect(combine({ operator: 'runtime: runsc', repository: 'runtime: runc' }).walls.runtime).toBe('runsc');
    expect(combine({ organization: 'runtime: runsc', repository: 'runtime: runc' }).walls.runtime).toBe('runc');
  });

  test('take the nearest model within the operator’s', () => {
    const { walls, narrowed } = combine({
      operator:
        'model: { name: small, allowed: [small, large], prices: { small: { input: 1, output: 4, cached_input: 0.1 } } }',
      organization: 'model: { name: large, effort: low }',
      repository: 'model: { name: huge, plan: { name: small, effort: high }, build: { name: vast } }',
    });

    expect(walls.model).toEqual({
      name: 'large',
      effort: 'low',
      perStage: { plan: { name: 'small', effort: 'high' } },
      prices: { small: { inputPerMillion: 1, outputPerMillion: 4, cachedInputPerMillion: 0.1 } },
      allowed: ['small', 'large'],
    });
    expect(narrowed.map(({ key, asked, granted }) => [key, asked, granted])).toEqual([
      ['model.build.name', 'vast', 'the default; the operator ceiling allows small, large'],
      ['model.name', 'huge', 'large'],
    ]);
  });

  test('take the nearest for pull requests, key by key', () => {
    const { walls } = combine({
      organization: 'pull_request: { draft: true, labels: [a] }',
      repository: 'pull_request: { labels: [b] }',
    });

    expect(walls.pullRequest).toEqual({ draft: true, labels: ['b'], reviewers: [] });
  });
});

describe('programs that the contract names as tools', () => {
  const tools = (lines: string) => combine({ contract: `## Tools in scope\n\n${lines}` });

  test('under Read-only tools are held to reading, whatever CLIs says of them', () => {
    const { walls, refused } = tools(
      '- CLIs: git (mutating), npm\n- Read-only tools: git, kubectl get\n- Mutating tools: npm',
    );

    expect(refused).toEqual([]);
    expect(walls.tools.clis).toEqual([
      { name: 'git', access: 'read-only' },
      { name: 'npm', access: 'mutating' },
      { name: 'kubectl', access: 'read-only' },
    ]);
    const policy = commandPolicy(walls);
    const refusedCommands = [
      'git commit -m x',
      'git -C sub commit',
      'git --no-pager push',
      'kubectl delete pod a',
      'npm ci && git add .',
    ];
    for (const command of refusedCommands) expect(judgeCommand(command, policy).allowed, command).toBe(false);
    for (const command of ['git log', 'kubectl get pods', 'npm ci'])
      expect(judgeCommand(command, policy).allowed, command).toBe(true);
  });

  test('cannot be named as reading and as mutating at once', () => {
    const { refused } = tools('- Read-only tools: git\n- Mutating tools: git');

    expect(refused).toContainEqual(expect.objectContaining({ key: 'tools', name: 'git' }));
  });
});
