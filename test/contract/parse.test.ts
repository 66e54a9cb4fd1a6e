import { describe, expect, test } from 'vitest';
import { judgeTestable, parseContract } from '../../src/contract/parse.ts';
import { problemsOf, read, withPart } from './reading.ts';

const essayTemplate = `# Agent handoff contract

## Goal

Change one observable behavior:

## Acceptance criteria

- Given ...
- When ...
- Then ...

## Non-goals

- Do not change ...
- Do not refactor ...

## Context in scope

- Files:
- Tests:
- Docs:
- Prior decisions:

## Tools in scope

- MCPs:
- CLIs:
- Read-only tools:
- Mutating tools:
- Tools explicitly denied:

## Execution boundaries

- Allowed files:
- Allowed commands:
- Network or service access:
- Secrets and credentials:

## Checks before review

- Format:
- Lint:
- Unit tests:
- Type checks:
- Build:
- Smoke test:

## Stop condition

Stop and ask for review if ...

## Review note

Report what changed, what passed, what failed, what was skipped, and the smallest rollback.
`;

describe('the pasted form', () => {
  test('reads every field of a filled contract', () => {
    const parsed = parseContract(`# Agent handoff contract

## Goal

Change one observable behavior: slugs of titles keep accented letters.

## Acceptance criteria

- Given a title "Café"
- When the slug is made
- Then it is "cafe"
- Given an empty title
- When the slug is made
- Then it is "untitled"
- The change log names the change

## Non-goals

- Do not change the public API
- Do not refactor ...

## Context in scope

- Files: src/slug.ts, \`src/titles/**\`
- Tests:
  - test/slug.test.ts
  - test/{titles,ids}.test.ts
- Docs: [the guide](docs/slugs.md)
- Prior decisions: #12, https://github.com/acme/core/issues/3

## Tools in scope

- MCPs: docs (read-only)
- CLIs: \`git\` (read-only), npm (mutating), make
- Read-only tools: docs.search
- Mutating tools: npm
- Tools explicitly denied: curl, npm publish

## Execution boundaries

- Allowed files: src/, test/**
- Allowed commands: \`npm test *\`, git diff *
- Network or service access: https://registry.example.org/, db.example.org:5432
- Secrets and credentials: STAGING_TOKEN, $OTHER

## Checks before review

- Format: npm run format:check
- Lint: skip: no linter here
- **Unit tests:** \`npm test\`.
- Migration check: npm run migrate:check

## Stop condition

Stop and ask if the schema has to change.

- max turns: 40
- max tokens: 800k, max dollars: $2.50

## Review note

Say how existing slugs change.

## Background

A customer asked.
`);

    expect(parsed.problems).toEqual([]);
    expect(parsed.form).toBe('pasted');
    expect(parsed.contract).toEqual({
      goal: 'slugs of titles keep accented letters.',
      criteria: [
        { id: 'AC1', text: 'Given a title "Café"\nWhen the slug is made\nThen it is "cafe"' },
        { id: 'AC2', text: 'Given an empty title\nWhen the slug is made\nThen it is "untitled"' },
        { id: 'AC3', text: 'The change log names the change' },
      ],
      nonGoals: ['Do not change the public API'],
      context: {
        files: ['src/slug.ts', 'src/titles/**'],
        tests: ['test/slug.test.ts', 'test/{titles,ids}.test.ts'],
        docs: ['docs/slugs.md'],
        decisions: ['#12', 'https://github.com/acme/core/issues/3'],
      },
      tools: {
        mcps: [{ name: 'docs', access: 'read-only' }],
        clis: [
          { name: 'git', access: 'read-only' },
          { name: 'npm', access: 'mutating' },
          { name: 'make', access: 'unstated' },
        ],
        readOnly: ['docs.search'],
        mutating: ['npm'],
        denied: ['curl', 'npm publish'],
      },
      boundaries: {
        files: ['src/**', 'test/**'],
        commands: ['npm test *', 'git diff *'],
        network: ['registry.example.org:443', 'db.example.org:5432'],
        secrets: ['STAGING_TOKEN', 'OTHER'],
      },
      checks: [
        { kind: 'format', label: 'Format', command: 'npm run format:check', skip: null, line: 48 },
        { kind: 'lint', label: 'Lint', command: null, skip: 'no linter here', line: 49 },
        { kind: 'unit', label: 'Unit tests', command: 'npm test', skip: null, line: 50 },
        { kind: 'migration', label: 'Migration check', command: 'npm run migrate:check', skip: null, line: 51 },
      ],
      stop: { text: 'Stop and ask if the schema has to change.', limits: { turns: 40, tokens: 800_000, dollars: 2.5 } },
      reviewNote: 'Say how existing slugs change.',
      notes: [{ heading: 'Background', text: 'A customer asked.' }],
    });
  });

  test('takes the unfilled template for empty', () => {
    const { contract, problems } = parseContract(essayTemplate);

    expect(problems.map(({ field, line, blocking }) => ({ field, line, blocking }))).toEqual([
      { field: 'Goal', line: 3, blocking: true },
      { field: 'Acceptance criteria', line: 7, blocking: true },
    ]);
    expect(contract).toMatchObject({ goal: '', criteria: [], nonGoals: [], checks: [], reviewNote: '', notes: [] });
    expect(contract?.stop).toEqual({ text: '', limits: {} });
  });

  test('does not mind heading case, colons, levels, markers, fences and line ends', () => {
    const odd =
      '#  GOAL: ##\r\n\r\nA\r\n\r\n#### acceptance   Criteria\r\n\r\n```gherkin\r\nGiven a\r\nWhen b\r\nThen c\r\n```\r\n\r\n## **Non-Goals**\r\n1. one\r\n2) two\r\n* [ ] three\r\n';

    expect(read(odd)).toMatchObject({
      goal: 'A',
      criteria: [{ id: 'AC1', text: 'Given a\nWhen b\nThen c' }],
      nonGoals: ['one', 'two', 'three'],
    });
  });

  test('takes underlined headings that name a field', () => {
    expect(read('Goal\n====\n\nA\n\nAcceptance criteria\n---\n\nB\n')).toMatchObject({
      goal: 'A',
      criteria: [{ text: 'B' }],
    });
  });

  test('takes fields as deeper headings of their section', () => {
    const contract = read(
      withPart(
        '## Execution boundaries\n\n### Allowed files\n\nsrc/**\n\n## Checks before review\n\n### Tests\n\nnpm test\n\n### Docs\n\nnpm run docs',
      ),
    );

    expect(contract.boundaries.files).toEqual(['src/**']);
    expect(contract.checks).toMatchObject([
      { kind: 'unit', command: 'npm test' },
      { kind: 'docs', command: 'npm run docs' },
    ]);
  });

  test('takes a field under its own heading once more labelled', () => {
    expect(read('## Goal\n\n- Goal: A\n\n## Acceptance criteria\n\n- Acceptance criteria:\n  - B\n')).toMatchObject({
      goal: 'A',
      criteria: [{ text: 'B' }],
    });
  });
});

describe('the form of the issue template', () => {
  test('reads what GitHub renders', () => {
    const parsed = parseContract(`### Goal

Slugs keep their letters.

### Acceptance criteria

Given a title "Café"
When the slug is made
Then it is "cafe"

### Non-goals

_No response_

### Files

src/slug.ts

### Tests

_No response_

### Allowed files

src/**
test/**

### Network or service access

None

### Unit tests

\`\`\`shell
npm test
\`\`\`

### Build

\`\`\`shell
skip: nothing to build
\`\`\`

### Smoke test

_No response_

### Migration check

npm run migrate:check

### Stop condition

_No response_`);

    expect(parsed.problems).toEqual([]);
    expect(parsed.form).toBe('issue-form');
    expect(parsed.contract).toMatchObject({
      goal: 'Slugs keep their letters.',
      criteria: [{ id: 'AC1', text: 'Given a title "Café"\nWhen the slug is made\nThen it is "cafe"' }],
      nonGoals: [],
      context: { files: ['src/slug.ts'], tests: [] },
      boundaries: { files: ['src/**', 'test/**'], network: [] },
      checks: [
        { kind: 'unit', command: 'npm test', skip: null },
        { kind: 'build', command: null, skip: 'nothing to build' },
        { kind: 'migration', command: 'npm run migrate:check', skip: null },
      ],
    });
  });

  test('reads checks given as lines of one field', () => {
    const contract = read(
      withPart('### Checks before review\n\n```\nUnit tests: npm test\nLoad test: k6 run load.js\n```'),
    );

    expect(contract.checks).toMatchObject([
      { kind: 'unit', label: 'Unit tests', command: 'npm test' },
      { kind: 'load', label: 'Load test', command: 'k6 run load.js' },
    ]);
  });
});

describe('a body that is no contract', () => {
  test.each(['', 'Please fix the slugs.', '## Steps to reproduce\n\n1. x'])(
    'is no contract and says what is missing: %j',
    (body) => {
      const { contract, form, problems } = parseContract(body);

      expect(contract).toBeNull();
      expect(form).toBe('none');
      expect(problems.map(({ field, blocking }) => [field, blocking])).toEqual([
        ['Goal', true],
        ['Acceptance criteria', true],
      ]);
      expect(problems.every(({ example }) => example !== '')).toBe(true);
    },
  );

  test('is read to GitHub’s limit and refused beyond it', () => {
    const { problems } = parseContract(withPart(`## Background\n\n${'x'.repeat(70_000)}`));

    expect(problems).toMatchObject([{ field: 'Contract', blocking: true }]);
  });
});

test('a field whose text stands in its heading is told so', () => {
  const { problems } = parseContract('## Goal: shorter slugs\n\n## Acceptance criteria: they are short\n\nMore.');

  expect(problems).toMatchObject([
    { field: 'Goal', line: 1, text: 'Goal: shorter slugs', message: expect.stringContaining('heading') },
    { field: 'Acceptance criteria', line: 3, text: 'Acceptance criteria: they are short' },
  ]);
});

describe('acceptance criteria', () => {
  test.each([
    ['one statement a line', 'A\nB', ['A', 'B']],
    ['items that go on', '- A is\n  long\n- B', ['A is long', 'B']],
    ['nested items', '- A:\n  - x\n  - y\n- B', ['A:\n- x\n- y', 'B']],
    ['items under a line that announces them', 'A:\n- x\n- y', ['A:\n- x\n- y']],
    [
      'items after a plain line',
      'It adds.\n- It subtracts.\n- It multiplies.',
      ['It adds.', 'It subtracts.', 'It multiplies.'],
    ],
    ['items after steps', 'Given a\nWhen b\nThen c\n\n- d\n- e', ['Given a\nWhen b\nThen c', 'd', 'e']],
    ['items right under a step', 'Given a\nThen it shows\n- d\n- e', ['Given a\nThen it shows\n- d\n- e']],
    ['steps in underscores', '_Given_ a\n_When_ b\n_Then_ c', ['_Given_ a\n_When_ b\n_Then_ c']],
    ['steps in backticks', '`Given` a\n`When` b\n`Then` c', ['`Given` a\n`When` b\n`Then` c']],
    ['steps in a nested list', '1. Given a\n   - When b\n   - Then c', ['Given a\nWhen b\nThen c']],
    [
      'steps on one line each',
      '- Given a, When b, Then c\n- Given d, When e, Then f',
      ['Given a, When b, Then c', 'Given d, When e, Then f'],
    ],
    [
      'And and But',
      '**Given** a\n**When** b\n**Then** c\n**And** d\n**But** e',
      ['**Given** a\n**When** b\n**Then** c\n**And** d\n**But** e'],
    ],
    [
      'steps parted by empty lines',
      'Given a\n\nWhen b\n\nThen c\n\nWhen d\n\nThen e',
      ['Given a\nWhen b\nThen c', 'When d\nThen e'],
    ],
    ['task lists with ids', '- [ ] AC1: A\n- [x] AC2: B\n- [ ] AC7: C', ['A', 'B', 'AC7: C']],
    [
      'a table after a line',
      'These hold:\n\n| in | out |\n| - | - |\n| a | b |',
      ['These hold:\n| in | out |\n| - | - |\n| a | b |'],
    ],
    ['code in an item', '- It prints:\n\n  ```\n  # ok\n  ```\n- B', ['It prints:\n```\n# ok\n```', 'B']],
    ['half-filled steps', '- Given ...\n- When b\n- Then c', ['When b\nThen c']],
  ])('are read from %s', (_what, value, expected) => {
    expect(read(`## Goal\n\nG\n\n## Acceptance criteria\n\n${value}\n`).criteria.map(({ text }) => text)).toEqual(
      expected,
    );
  });
});

describe('checks', () => {
  test.each([
    ['Unit test', 'unit'],
    ['Tests', 'unit'],
    ['Type checks', 'types'],
    ['Typecheck', 'types'],
    ['Formatting', 'format'],
    ['Smoke tests', 'smoke'],
    ['End-to-end tests', 'end-to-end'],
    ['Migration check', 'migration'],
    ['Bundle size', 'bundle-size'],
  ])('named %s are of the kind %s', (label, kind) => {
    expect(read(withPart(`## Checks before review\n\n- ${label}: run it`)).checks).toMatchObject([
      { kind, label, command: 'run it' },
    ]);
  });

  test('of several lines are one script that stops at the first failing line', () => {
    const { checks } = read(withPart('### Unit tests\n\n```sh\nnpm run a\nnpm run b\n```'));

    expect(checks).toMatchObject([{ command: 'set -e\nnpm run a\nnpm run b' }]);
  });

  test.each([
    ['skip without a reason', '- Lint: skip', 'skip'],
    ['words around a command', '- Lint: run `npm run lint` please', 'run `npm run lint` please'],
    ['words around a code block', '- Lint:\n  please run\n  ```\n  npm run lint\n  ```', 'please run'],
  ])('that cannot be understood are reported: %s', (_what, line, text) => {
    expect(problemsOf(`## Checks before review\n\n${line}`)).toMatchObject([{ field: 'Lint', text, blocking: true }]);
  });

  test.each(['none', 'N/A', 'TBD', '-', '...', '_No response_'])('with the value %j are absent', (value) => {
    expect(read(withPart(`## Checks before review\n\n- Lint: ${value}`)).checks).toEqual([]);
  });
});

describe('what is written but not understood', () => {
  test.each([
    ['Allowed files', 'only the slug module'],
    ['Allowed files', '../other/**'],
    ['Allowed files', 'src/** and test/**'],
    ['Allowed files', '`src/**` and `test/**`'],
    ['Allowed files', '/etc/passwd'],
    ['Allowed files', '!src/generated/**'],
    ['Allowed files', 'none'],
    ['Allowed commands', 'none'],
    ['Network or service access', 'the staging database'],
    ['Network or service access', '10.0.0.1:5432'],
    ['Network or service access', '*.example.org'],
    ['Network or service access', 'example.org:99999'],
  ])('is reported with its text and line: %s: %s', (field, text) => {
    expect(problemsOf(`## Execution boundaries\n\n- ${field}: ${text}`)).toEqual([
      { field, line: 11, text, blocking: true },
    ]);
  });

  test('is reported for tools', () => {
    expect(problemsOf('## Tools in scope\n\n- CLIs: gh (carefully)')).toMatchObject([
      { field: 'CLIs', text: 'gh (carefully)' },
    ]);
  });

  test('is reported in a section when it belongs to no field of it', () => {
    expect(problemsOf('## Execution boundaries\n\nBe careful.\n\n- Databases: none of them')).toEqual([
      { field: 'Execution boundaries', line: 11, text: 'Be careful.', blocking: true },
      { field: 'Execution boundaries', line: 13, text: 'Databases: none of them', blocking: true },
    ]);
  });

  test('stops nobody when it is only context', () => {
    expect(problemsOf('## Context in scope\n\n- Docs: the usual ones\n- Known failures: many')).toEqual([
      { field: 'Docs', line: 11, text: 'the usual ones', blocking: false },
      { field: 'Context in scope', line: 12, text: 'Known failures: many', blocking: false },
    ]);
  });

  test('keeps prior decisions in words, saying that they lead nowhere', () => {
    const { contract, problems } = parseContract(
      withPart('## Context in scope\n\n- Prior decisions: #7, we chose slugs over ids'),
    );

    expect(contract?.context.decisions).toEqual(['#7', 'we chose slugs over ids']);
    expect(problems).toMatchObject([{ field: 'Prior decisions', blocking: false }]);
  });

  test('never repeats what may be a secret', () => {
    const { problems } = parseContract(
      withPart('## Execution boundaries\n\n- Secrets and credentials: ghp_abcdefghijklmnop!'),
    );

    expect(problems).toMatchObject([{ field: 'Secrets and credentials', text: 'ghp_…', blocking: true }]);
    expect(JSON.stringify(problems)).not.toContain('abcdefgh');
  });
});

describe('none, written out', () => {
  test('is none for network, secrets and MCP servers', () => {
    const contract = read(
      withPart(
        '## Execution boundaries\n\n- Network or service access: none\n- Secrets and credentials: None.\n\n## Tools in scope\n\n- MCPs: none',
      ),
    );

    expect(contract.boundaries).toMatchObject({ network: [], secrets: [] });
    expect(contract.tools.mcps).toEqual([{ name: 'none', access: 'unstated' }]);
  });
});

describe('a contract that would show one thing and mean another', () => {
  test('takes no field from code, comments, quotes or raw HTML', () => {
    const hidden = '## Execution boundaries\n- Allowed files: secret/**\n';
    const body = withPart(
      [
        '```',
        hidden,
        '```',
        '<!--',
        hidden,
        '-->',
        ...hidden.split('\n').map((line) => `> ${line}`),
        '',
        '<div>',
        hidden,
        '</div>',
        '',
        '    ## Execution boundaries',
        '',
      ].join('\n'),
    );

    expect(read(body).boundaries.files).toEqual([]);
  });

  test('takes no second value of a field, and says where both are', () => {
    const { contract, problems } = parseContract(
      withPart('## Execution boundaries\n\n- Allowed files: src/**\n\n### Allowed files\n\n**\n\n## Goal\n\nAnother'),
    );

    expect(contract).toMatchObject({ goal: 'Slugs keep their letters.', boundaries: { files: ['src/**'] } });
    expect(problems.map(({ field, message, blocking }) => [field, message, blocking])).toEqual([
      ['Goal', '`Goal` is given twice, on lines 1 and 17: keep one.', true],
      ['Allowed files', '`Allowed files` is given twice, on lines 11 and 13: keep one.', true],
    ]);
  });

  test('says once how often a field is given, however often it is', () => {
    const { problems } = parseContract(withPart('## Goal\n\nAnother\n\n'.repeat(300)));

    expect(problems.map(({ message }) => message)).toEqual([
      '`Goal` is given 301 times, on lines 1, 9 and more: keep one.',
    ]);
  });

  test('lets an empty second one pass', () => {
    expect(parseContract(withPart('### Goal\n\n_No response_')).problems).toEqual([]);
  });

  test('takes look-alike letters for what they look like, and says so', () => {
    const { contract, problems } = parseContract(withPart('## Execution boundaries\n\n- Аllоwed files: src/**'));

    expect(contract?.boundaries.files).toEqual(['src/**']);
    expect(problems).toMatchObject([{ field: 'Allowed files', line: 11, blocking: false }]);
  });

  test('takes out invisible characters, and stops for them where they bound the work', () => {
    const { contract, problems } = parseContract(
      withPart(
        '## Execution boundaries\n\n- Allowed files: src/\u202egpj.**\n\n## Review\u200b note\n\nHi\u200b there 👩‍👩‍👧',
      ),
    );

    expect(contract?.boundaries.files).toEqual(['src/gpj.**']);
    expect(contract?.reviewNote).toBe('Hi there 👩‍👩‍👧');
    expect(problems.map(({ field, line, blocking }) => [field, line, blocking])).toEqual([
      ['Allowed files', 11, true],
      ['Review note', 13, false],
    ]);
  });

  test('refuses joiners in names, paths and commands', () => {
    expect(problemsOf('## Checks before review\n\n- Lint: npm\u200d run lint')).toMatchObject([
      { field: 'Lint', blocking: true },
    ]);
    expect(problemsOf('## Execution boundaries\n\n- Allowed files: src/\u200da.ts')).toMatchObject([
      { field: 'Allowed files', blocking: true },
    ]);
  });

  test('stops for a comment that hides the rest', () => {
    expect(problemsOf('<!-- for later\n\n## Execution boundaries\n\n- Allowed files: src/**')).toMatchObject([
      { field: 'Contract', line: 9, blocking: true },
    ]);
  });

  test.each([
    [
      'characters',
      'a'.repeat(66_000),
      'The text is longer than GitHub’s 65536 characters; what comes after was not read.',
    ],
    ['lines', 'a\n'.repeat(5_000), 'The text is longer than 5000 lines; what comes after was not read.'],
    [
      'lines of another system',
      'a\r\n'.repeat(5_000),
      'The text is longer than 5000 lines; what comes after was not read.',
    ],
    ['headings', '# a\n'.repeat(400), 'There are more than 400 headings and fields; what comes after was not read.'],
    [
      'lines of fields',
      `## Context in scope\n- Files: a\n${'  TBD\n'.repeat(1_001)}`,
      'There are more than 1000 lines beneath headings of several fields; what comes after was not read.',
    ],
  ])('says that it does not read more %s than anyone would, and stops', (_what, more, message) => {
    const { contract, problems } = parseContract(withPart(more));

    expect(contract?.goal).toBe('Slugs keep their letters.');
    expect(problems).toMatchObject([{ field: 'Contract', message, blocking: true }]);
  });

  test('names the line from which on headings are not read', () => {
    expect(problemsOf(`${'# a\n'.repeat(400)}## Stop condition\n\nmax turns: 4`)).toMatchObject([{ line: 407 }]);
  });

  test.each([
    ['one a line', `\n${'  - a\n'.repeat(501)}`, 512],
    ['between commas', 'a,'.repeat(40_000).slice(0, 60_000), 11],
  ])('says that it does not read more values of a field than anyone would, %s', (_how, values, line) => {
    const { contract, problems } = parseContract(withPart(`## Execution boundaries\n\n- Allowed files: ${values}`));

    expect(contract?.boundaries.files).toHaveLength(500);
    expect(problems).toMatchObject([
      { line, message: 'A field holds at most 500 values; this one and what follows were not read.', blocking: true },
    ]);
  });

  test('says so of prior decisions too, which may be words', () => {
    const decisions = Array.from({ length: 600 }, (_none, index) => `#${index + 1}`).join(', ');

    const { contract, problems } = parseContract(withPart(`## Context in scope\n\n- Prior decisions: ${decisions}`));

    expect(contract?.context.decisions).toHaveLength(500);
    expect(problems).toMatchObject([{ text: '#501', message: expect.stringContaining('at most 500 values') }]);
  });

  test('counts no values that are not there', () => {
    const files = `${','.repeat(501)}${'TBD,'.repeat(501)}src/a,src/b`;

    expect(read(withPart(`## Execution boundaries\n\n- Allowed files: ${files}`)).boundaries.files).toContain('src/b');
  });

  test.each([
    ['at its end', '\n'.repeat(6_000)],
    ['between the values of a field', `## Execution boundaries\n\n- Allowed files:\n${'\n\n\n  - src/a'.repeat(499)}`],
  ])('counts no empty lines %s', (_where, more) => {
    expect(parseContract(withPart(more)).problems).toEqual([]);
  });

  test('reads no limits in a line of more of them than anyone would write, and says so', () => {
    const { contract, problems } = parseContract(withPart(`## Stop condition\n\n${'max turns: 4 '.repeat(501)}`));

    expect(contract?.stop.limits).toEqual({});
    expect(problems).toMatchObject([
      { line: 11, message: 'Expected at most 500 limits in a line: none of these was read.', blocking: true },
    ]);
  });

  test('lists the blocking problems first when there are too many', () => {
    const context = Array.from({ length: 60 }, (_none, index) => `  - words ${index} here`).join('\n');
    const { problems } = parseContract(
      withPart(`## Context in scope\n\n- Docs:\n${context}\n\n## Execution boundaries\n\n- Allowed files: /etc`),
    );

    expect(problems).toHaveLength(50);
    expect(problems[0]).toMatchObject({ field: 'Allowed files', blocking: true });
    expect(problems.at(-1)?.message).toBe('12 more problems are not listed: mend these first.');
  });
});

describe('whether a contract is testable', () => {
  const bare = read(withPart(''));

  test('needs allowed files and a check, in the contract or in the repository file', () => {
    expect(judgeTestable(bare, null).map(({ field, blocking }) => [field, blocking])).toEqual([
      ['Allowed files', true],
      ['Checks before review', true],
    ]);
    expect(judgeTestable(bare, { files: { allow: ['src/**'] }, checks: { unit: 'npm test' } })).toEqual([]);
    expect(judgeTestable(read(withPart('### Allowed files\n\nsrc/**\n\n### Lint\n\nnpm run lint')), {})).toEqual([]);
  });

  test('is not when its only check is skipped', () => {
    const skipped = read(withPart('### Allowed files\n\nsrc/**\n\n### Lint\n\nskip: no time'));

    expect(judgeTestable(skipped, null).map(({ field }) => field)).toEqual(['Checks before review']);
  });

  test('is not when it skips the only check of the repository file, which lets it', () => {
    const skipped = read(withPart('### Allowed files\n\nsrc/**\n\n### Lint\n\nskip: no time'));
    const lint = { command: 'npm run lint', optional: true };

    expect(judgeTestable(skipped, { checks: { lint } }).map(({ field }) => field)).toEqual(['Checks before review']);
    expect(judgeTestable(skipped, { checks: { lint, unit: 'npm test' } })).toEqual([]);
    expect(judgeTestable(skipped, { checks: { lint: 'npm run lint' } })).toEqual([]);
  });
});
