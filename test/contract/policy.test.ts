import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parsePolicyFile } from '../../src/contract/policy.ts';
import { formatDuration, formatSize, parseDuration, parseSize } from '../../src/contract/units.ts';

function problemsOf(text: string, layer: 'operator' | 'organization' | 'repository' = 'repository') {
  const result = parsePolicyFile(text, '.github/millwright.yml', layer);
  return 'problems' in result ? result.problems : [];
}

function policyOf(text: string, layer: 'operator' | 'organization' | 'repository' = 'repository') {
  const result = parsePolicyFile(text, '.github/millwright.yml', layer);
  if ('problems' in result) throw new Error(JSON.stringify(result.problems));
  return result.policy;
}

describe('a policy file', () => {
  test('is read whole', () => {
    const policy = policyOf(`image: millwright/sandbox
setup: { command: npm ci, hosts: ["registry.example.org:443"], inputs: [package.json, package-lock.json, .npmrc] }
files: { allow: ["src/**", "test/", "docs/**"], deny: ["src/generated/**"], companions: [package-lock.json] }
commands: { allow: ["npm *", "node *", "git diff *"], deny: ["npm publish *"] }
network: { hosts: [] }
secrets: [STAGING_TOKEN]            # only if the operator grants it too
mcp: { docs: [search, read] }       # servers and tools of the operator's list
checks:
  format: npm run format:check
  lint: { command: npm run lint, optional: true }
  unit: { command: npm test, timeout: 5m }
  migration: npm run migrate:check
limits: { minutes: 20, turns: 50, tokens: 800000, dollars: 3, files: 15, lines: 500, memory: 512m, tool_timeout: 90s }
budget: { dollars_per_issue: 5, dollars_per_day: 40 }
concurrency: { repository: 2 }
roles: { start: maintain, command: write, stop: triage, waive: maintain, bots: [] }
plan: approve
pull_request: { draft: true, labels: [agent], reviewers: [acme/core] }
learn: propose
`);

    expect(policy).toMatchObject({
      setup: { command: 'npm ci', hosts: ['registry.example.org:443'] },
      files: { allow: ['src/**', 'test/**', 'docs/**'] },
      checks: { lint: { command: 'npm run lint', optional: true }, unit: { command: 'npm test', timeout: 300_000 } },
      limits: { memory: 512 * 1024 ** 2, tool_timeout: 90_000 },
    });
  });

  test('of the operator may hold what the others may not', () => {
    const policy = policyOf(
      `images: ["millwright/*"]
retention: { days: 30, size: 10g }
network: { addresses: [10.1.0.0/16], ca: /etc/ca.pem }
files: { unprotect: [".github/workflows/**"] }
concurrency: { global: 8, worker: 3 }
model: { name: small, plan: { effort: high }, prices: { small: { input: 1, output: 4 } }, allowed: [small] }
mcp: { docs: { url: "https://docs.example.org/mcp", headers: { Authorization: "Bearer \${DOCS}" }, tools: { search: read-only, write: mutating } } }
for:
  - match: acme/*
    secrets: [STAGING_TOKEN]
    limits: { dollars: 2 }
`,
      'operator',
    );

    expect(policy.for).toEqual([{ match: 'acme/*', secrets: ['STAGING_TOKEN'], limits: { dollars: 2 } }]);
    expect(policy.retention).toEqual({ days: 30, size: 10 * 1024 ** 3 });
  });

  test.each(['', '# nothing yet\n', '---\n'])('may be empty: %j', (text) => {
    expect(policyOf(text)).toEqual({});
  });

  test.each(['10.0.0.0/8', '192.168.1.7/32', 'fd00::/8', '::1/128'])('may name a range of addresses: %s', (range) => {
    expect(problemsOf(`network: { addresses: ["${range}"] }`, 'operator')).toEqual([]);
  });

  test.each([
    'millwright/sandbox',
    'node:24',
    'ghcr.io/acme/app_1.x:v2-B',
    'localhost:5000/a/b',
    `node@sha256:${'a'.repeat(64)}`,
  ])('may name an image: %s', (image) => {
    expect(problemsOf(`image: ${image}`)).toEqual([]);
  });

  test('may name reviewers as people mention them', () => {
    expect(policyOf('pull_request: { reviewers: ["@maya", "@acme/core", rita] }').pull_request?.reviewers).toEqual([
      'maya',
      'acme/core',
      'rita',
    ]);
  });

  test('knows kinds of checks by their usual other names', () => {
    expect(policyOf('checks: { test: npm test, typecheck: tsc }').checks).toEqual({ unit: 'npm test', types: 'tsc' });
  });
});

describe('an error in a policy file', () => {
  test.each([
    ['an unknown key', 'limits:\n  minutes: 5\n  memry: 2g\n', 3, 'limits.memry', 'Did you mean `memory`?'],
    ['an unknown key at the top', '\nimge: x\n', 2, 'imge', 'Did you mean `image`?'],
    [
      'an unknown key of a check',
      'checks:\n  unit:\n    command: x\n    timout: 5m\n',
      4,
      'checks.unit.timout',
      'is no key',
    ],
    ['a size without a unit', 'limits: { memory: 2 }', 1, 'limits.memory', 'must be a size such as `256m` or `2g`'],
    [
      'a duration in words',
      'limits: { tool_timeout: two minutes }',
      1,
      'limits.tool_timeout',
      'must be a duration such as',
    ],
    ['zero', 'limits: { turns: 0 }', 1, 'limits.turns', 'must be a whole number above zero'],
    ['a list that is none', 'files:\n  allow: src/**\n', 2, 'files.allow', 'must be paths or globs, as a list'],
    ['a path that leaves', 'files:\n  deny:\n    - a\n    - ../b\n', 4, 'files.deny[1]', 'has a `..`'],
    ['a role', 'roles: { start: owner }', 1, 'roles.start', 'must be one of read, triage, write, maintain, admin'],
    ['nothing after a key', 'secrets:\nplan: auto\n', 1, 'secrets', 'Nothing is written there'],
    ['a value with a secret’s looks', 'secrets: ["a b"]', 1, 'secrets[0]', 'a name such as `STAGING_TOKEN`'],
    [
      'a numeric address',
      'network: { hosts: ["10.0.0.1:443"] }',
      1,
      'network.hosts[0]',
      '`host:port` with a host name',
    ],
    ['a kind in capitals', 'checks: { Unit: x }', 1, 'checks.Unit', 'in small letters'],
    ['one kind by two names', 'checks:\n  unit: a\n  test: b\n', 3, 'checks.test', 'are the same kind, `unit`'],
    ['a key twice', 'plan: auto\nplan: approve\n', 2, 'plan', 'stands here a second time'],
    ['a list at the top', '- a\n', 1, '', 'It must be keys with values'],
    ['a number in quotes', 'limits:\n  turns: "50"\n', 2, 'limits.turns', 'Take the quotes off'],
    ['broken YAML', 'files: { allow: [\n', 2, '', 'This is not valid YAML'],
    [
      'a glob that reads as an alias',
      'files:\n  allow:\n    - src/**\n    - **/*.md\n',
      4,
      'files.allow[1]',
      'put it in quotes',
    ],
    [
      'a glob that reads as an alias, in a line',
      'checks: { unit: x }\nfiles: { allow: [*.ts] }\n',
      2,
      'files.allow[0]',
      '`*.ts`',
    ],
    ['a glob that reads as a tag', 'files:\n  deny:\n    - !src/x\n', 3, 'files.deny[0]', 'globs know no negation'],
    [
      'a key twice, deep down',
      'limits:\n  turns: 5\n  turns: 6\n',
      3,
      'limits.turns',
      '`turns` stands here a second time',
    ],
    [
      'a key twice, in quotes',
      'limits:\n  turns: 5\n  "turns": 6\n',
      3,
      'limits.turns',
      '`turns` stands here a second time',
    ],
    [
      'an operator’s key',
      'network:\n  hosts: []\n  ca: /x\n',
      3,
      'network.ca',
      'may only stand in the operator ceiling',
    ],
    ['a list for keys', 'files:\n  - src/**\n', 1, 'files', 'must be keys with values: `allow`, `deny`'],
    ['a word for keys', 'plan: auto\nsetup: npm ci\n', 2, 'setup', 'must be keys with values: `command`'],
    ['a list for names', 'checks: [npm test]\n', 1, 'checks', 'must be names with values'],
    ['nothing for keys', 'plan: auto\nlimits:\n', 2, 'limits', 'Nothing is written there'],
    [
      'a tool’s access',
      'mcp:\n  docs:\n    search: read-only\n    write: yes\n',
      4,
      'mcp.docs.write',
      'must be one of read-only, mutating',
    ],
    ['a second document', 'plan: auto\n---\nplan: approve\n', 2, '', 'holds two documents'],
    ['an image that no engine knows', 'image: Node:20\n', 1, 'image', 'must be the name of an image'],
    ['entries for others', 'for: []\n', 1, 'for', 'may only stand in the operator ceiling'],
    [
      'an address of a server',
      'mcp: { docs: { url: "https://x.example", tools: [a] } }',
      1,
      'mcp.docs.url',
      'may only stand in the operator ceiling',
    ],
  ])('names file, line and key: %s', (_what, text, line, key, message) => {
    const [first] = problemsOf(text);

    expect(first).toMatchObject({ file: '.github/millwright.yml', line, key });
    expect(first?.message).toContain(message);
    expect(first?.expected).not.toBe('');
  });

  test('is listed with all others, in order, once each', () => {
    const problems = problemsOf('limits: { turns: x }\nplan: maybe\nlearn: 3\nfoo: 1\n');

    expect(problems.map(({ line, key }) => [line, key])).toEqual([
      [1, 'limits.turns'],
      [2, 'plan'],
      [3, 'learn'],
      [4, 'foo'],
    ]);
  });

  test.each(['10.0.0.0/33', '10.0.0/8', '10.0.0.300/8', 'fd00::/200', '10.0.0.1'])(
    'is a range that cannot be: %s',
    (range) => {
      expect(problemsOf(`network: { addresses: ["${range}"] }`, 'operator')).toMatchObject([
        { line: 1, key: 'network.addresses[0]', message: expect.stringContaining('a CIDR range such as') },
      ]);
    },
  );

  test('inside an entry of the operator names its place', () => {
    const problems = problemsOf('for:\n  - match: acme/*\n    limits: { memry: 1g }\n  - limits: {}\n', 'operator');

    expect(problems.map(({ line, key }) => [line, key])).toEqual([
      [3, 'for[0].limits.memry'],
      [4, 'for[1].match'],
    ]);
  });

  test.each([
    ['Cyrillic letters', 'acme/*'.replace('a', '\u0430')],
    ['a Kelvin sign', 'shop\u212a/*'],
    ['a full-width slash', 'acme\uff0f*'],
    ['a zero-width space', 'ac\u200bme/*'],
    ['a direction mark', '\u202eacme/*'],
    ['a combining mark', 'acme\u0301/*'],
  ])('names a repository of the operator that only looks like another: %s', (_what, match) => {
    const problems = problemsOf(`for:\n  - match: "${match}"\n    secrets: [TOKEN]\n`, 'operator');

    expect(problems.map(({ line, key }) => [line, key])).toEqual([[2, 'for[0].match']]);
  });

  test('is an answer, never an exception, whatever the file holds', () => {
    const bomb = `a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c]\nsecrets: [*d,*d,*d,*d,*d,*d]`;
    const pieces = fc.array(
      fc.constantFrom(
        'files',
        ':',
        ' ',
        '\n',
        '  ',
        '- ',
        '{',
        '}',
        '[',
        ']',
        '&a',
        '*a',
        '!!js',
        '"',
        "'",
        '#',
        '|',
        '>',
        '? ',
        '__proto__',
        'constructor',
        'mcp',
        'checks',
        'for',
        '1',
        'null',
        '\t',
      ),
    );

    expect(problemsOf(bomb)).not.toEqual([]);
    expect(problemsOf('x'.repeat(300_000))).toHaveLength(1);
    fc.assert(
      fc.property(
        fc.oneof(
          pieces.map((parts) => parts.join('')),
          fc.string({ unit: 'binary' }),
        ),
        (text) => {
          expect(() => parsePolicyFile(text, 'f', 'operator')).not.toThrow();
        },
      ),
      { numRuns: 1500 },
    );
  });
});

test('days may be written as durations are', () => {
  const read = (days: string) => parsePolicyFile(`retention: { days: ${days} }`, 'f', 'operator');

  expect(read('90d')).toMatchObject({ policy: { retention: { days: 90 } } });
  expect(read('90h')).toMatchObject({ problems: [{ key: 'retention.days', expected: 'days, such as `90` or `90d`' }] });
});

test('of very many problems the first are told, and how many more there are', () => {
  const parsed = parsePolicyFile(Array.from({ length: 50 }, (_, at) => `k${at}: 1`).join('\n'), 'f', 'repository');

  const problems = 'problems' in parsed ? parsed.problems : [];
  expect(problems).toHaveLength(20);
  expect(problems.at(-1)?.message).toContain('31 more problems');
});

describe('a hostile policy file', () => {
  const chars = 32_000;
  test.each(
    Object.entries({
      'unknown keys': Array.from({ length: 2_700 }, (_, index) => `k${index}: 1`).join('\n'),
      'the same key': 'a: 1\n'.repeat(chars / 5),
      'open brackets': '['.repeat(chars),
      'closed brackets': '['.repeat(chars / 2) + ']'.repeat(chars / 2),
      'lists in lists': '- '.repeat(chars / 2),
      tags: '!!a '.repeat(chars / 4),
      aliases: `a: &a 1\nb: [${'*a,'.repeat(10_000)}]`,
    }),
  )('of %s is refused soon', (_name, text) => {
    const startedAtMs = performance.now();
    const parsed = parsePolicyFile(text, 'f', 'repository');

    expect(parsed).toHaveProperty('problems');
    expect(performance.now() - startedAtMs).toBeLessThan(6_000);
  });

  test('is read to a length that is less for a repository than for the operator', () => {
    const text = `# ${'x'.repeat(chars)}\n`;

    expect(parsePolicyFile(text, 'f', 'repository')).toHaveProperty('problems');
    expect(parsePolicyFile(text, 'f', 'operator')).toHaveProperty('policy');
  });
});

describe('sizes and durations', () => {
  test.each([
    ['256m', 268_435_456],
    ['2g', 2_147_483_648],
    ['1.5k', 1536],
    ['2G', 2_147_483_648],
    ['2', null],
    ['0m', null],
    ['-1m', null],
    ['2gb', null],
  ])('%s is a size of %s bytes', (text, bytes) => {
    expect(parseSize(text)).toBe(bytes);
  });

  test.each([
    ['90s', 90_000],
    ['10m', 600_000],
    ['2h', 7_200_000],
    ['90d', 7_776_000_000],
    ['10', null],
    ['10 minutes', null],
  ])('%s is a duration of %s ms', (text, ms) => {
    expect(parseDuration(text)).toBe(ms);
  });

  test('are written in the largest unit that fits', () => {
    expect([
      formatSize(2_147_483_648),
      formatSize(1536),
      formatSize(1),
      formatDuration(90_000),
      formatDuration(600_000),
    ]).toEqual(['2g', '1536 bytes', '1 bytes', '90s', '10m']);
  });
});
