import { describe, expect, test } from 'vitest';
import type { Contract } from '../../src/contract/contract.ts';
import { parseContract } from '../../src/contract/parse.ts';
import { problemsOf, read, withPart } from './reading.ts';

const boundaries = (lines: string) => withPart(`## Execution boundaries\n\n${lines}`);
const tools = (lines: string) => read(withPart(`## Tools in scope\n\n${lines}`)).tools;
const check = (value: string) => read(withPart(`## Checks before review\n\n- Unit tests: ${value}`)).checks[0];
const criteria = (value: string) =>
  read(`## Goal\n\nG\n\n## Acceptance criteria\n\n${value}\n`).criteria.map(({ text }) => text);

describe('names of fields', () => {
  const expected = { files: ['src/**', 'test/**'], commands: ['npm test'] };

  test.each([
    ['in bold', '- **Allowed files:** src/**, test/**\n- **Allowed commands**: npm test'],
    ['in bold lines', '**Allowed files:** src/**, test/**\n\n**Allowed commands:** npm test'],
    ['in bold lines of their own', '**Allowed files**\n\nsrc/**\ntest/**\n\n**Allowed commands**\n\nnpm test'],
    ['in plain lines', 'Allowed files: src/**, test/**\nAllowed commands: npm test'],
    ['in a numbered list', '1. Allowed files: src/**, test/**\n2. Allowed commands: npm test'],
    ['in a list of stars', '* Allowed files: `src/**`, `test/**`\n* Allowed commands: `npm test`'],
    ['in check boxes', '- [ ] Allowed files: src/**, test/**\n- [x] Allowed commands: npm test'],
    [
      'without a colon, their values beneath',
      '- Allowed files\n  - src/**\n  - test/**\n- Allowed commands\n  - npm test',
    ],
    [
      'without a colon, their values on the next line',
      '- __Allowed files__\n  src/**, test/**\n- `Allowed commands`\n  npm test',
    ],
    ['as deeper headings', '### Allowed files:\n\nsrc/**\ntest/**\n\n### `Allowed commands`\n\nnpm test'],
  ])('are read %s', (_how, lines) => {
    const { contract, problems } = parseContract(boundaries(lines));

    expect(contract?.boundaries).toMatchObject(expected);
    expect(problems).toEqual([]);
  });

  test.each([1, 2, 3, 4, 5, 6])('are read under sections of level %i', (level) => {
    const mark = '#'.repeat(level);
    const body = `${mark} Goal\n\nG\n\n${mark} Acceptance criteria:\n\n- C\n\n${mark} EXECUTION BOUNDARIES\n\n- Allowed files: src/**`;

    expect(read(body)).toMatchObject({ goal: 'G', criteria: [{ text: 'C' }], boundaries: { files: ['src/**'] } });
  });

  test('are read behind a picture, and under numbered headings', () => {
    const contract = read(
      '## 🎯 Goal\n\nG\n\n## ✅ Acceptance criteria:\n\n- C\n\n## 3. ⚙️ Checks before review\n\n- 🧪 Unit tests: npm test',
    );

    expect(contract).toMatchObject({
      goal: 'G',
      criteria: [{ text: 'C' }],
      checks: [{ kind: 'unit', command: 'npm test' }],
    });
  });

  test('are no names where they are values', () => {
    const { context } = read(withPart('## Context in scope\n\n- Files:\n  - docs\n  - tests\n- Docs:\ntests'));

    expect(context).toMatchObject({ files: ['docs', 'tests'], docs: ['tests'], tests: [] });
  });

  test('of a check may stand above their command', () => {
    const { checks } = read(
      withPart('## Checks before review\n\n- Lint\n  npm run lint\n- **Unit tests**\n  - `npm test`'),
    );

    expect(checks).toMatchObject([
      { kind: 'lint', command: 'npm run lint' },
      { kind: 'unit', command: 'npm test' },
    ]);
  });

  test('that bound the work stop intake where they stand in a section that only informs', () => {
    expect(problemsOf('## Context in scope\n\n- Files: src/a.ts\n- Allowed files: src/**')).toEqual([
      { field: 'Context in scope', line: 12, text: 'Allowed files: src/**', blocking: true },
    ]);
  });
});

describe('acceptance criteria', () => {
  test.each([
    ['scenarios', 'Scenario: one\nGiven a\nWhen b\nThen c\n\nScenario: two\nWhen e\nThen f', 2],
    [
      'scenarios in a code block',
      '```gherkin\nScenario: one\n  Given a\n  Then c\n\nScenario: two\n  Given d\n  Then f\n```',
      2,
    ],
    ['steps under bold titles', '**One**\n- Given a\n- Then c\n\n**Two**\n- Given d\n- Then f', 2],
    ['bare words of the template', '- Given\n- When\n- Then', 0],
    ['a template in italics', '_Given ..._\n_When ..._\n_Then ..._', 0],
    ['a criterion beside an unfilled template', '- Given ...\n- When ...\n- Then ...\n- Slugs are short', 1],
  ])('are counted as a reader would: %s', (_what, value, count) => {
    const { contract } = parseContract(`## Goal\n\nG\n\n## Acceptance criteria\n\n${value}\n`);

    expect(contract?.criteria).toHaveLength(count);
  });

  test('with a title for each scenario keep it', () => {
    expect(criteria('Scenario: one\nGiven a\nWhen b\nThen c')).toEqual(['Scenario: one\nGiven a\nWhen b\nThen c']);
  });

  test.each(['## Goal\n\nG\n\n## Acceptance criteria', '### Goal\n\nG\n\n### Acceptance criteria'])(
    'go on under deeper headings, which are kept as notes: %j',
    (start) => {
      const contract = read(`${start}\n\n- A\n\n#### Edge cases\n\n- Given b\n- Then c\n\n#### Others\n\n- D\n`);

      expect(contract.criteria.map(({ text }) => text)).toEqual(['A', 'Given b\nThen c', 'D']);
      expect(contract.notes).toEqual([
        { heading: 'Edge cases', text: '' },
        { heading: 'Others', text: '' },
      ]);
    },
  );

  test('end at a heading of the same level', () => {
    const contract = read('## Goal\n\nG\n\n## Acceptance criteria\n\n- A\n\n## Background\n\n- B\n');

    expect(contract.criteria).toHaveLength(1);
    expect(contract.notes).toEqual([{ heading: 'Background', text: '- B' }]);
  });
});

describe('the goal', () => {
  test.each([
    'Change one observable behavior: slugs are short',
    '- Change one observable behavior: slugs are short',
    '**Change one observable behavior:** slugs are short',
    '_Change one observable behaviour_: slugs are short',
    'Change one observable behavior:\n\nslugs are short',
  ])('is read without the prompt of the template: %j', (value) => {
    expect(read(`## Goal\n\n${value}\n\n## Acceptance criteria\n\n- A`).goal).toBe('slugs are short');
  });

  test.each([
    'Change one observable behavior:',
    '- Change one observable behavior:',
    '**Change one observable behavior:**',
    '_Change one observable behavior: ..._',
    'Change one observable behavior: TBD',
  ])('is missing in %j', (value) => {
    expect(read(`## Goal\n\n${value}\n\n## Acceptance criteria\n\n- A`).goal).toBe('');
  });
});

describe('none', () => {
  test.each(['none', 'None.', '(none)', '_none_', 'no', 'No network access', 'not needed', 'None required', 'nothing'])(
    'is none for network and secrets as %j',
    (word) => {
      const { contract, problems } = parseContract(
        boundaries(`- Network or service access: ${word}\n- Secrets and credentials: ${word}`),
      );

      expect(contract?.boundaries).toMatchObject({ network: [], secrets: [] });
      expect(problems).toEqual([]);
    },
  );

  test.each(['none', '(none)', 'no', 'not needed', 'no MCPs'])('is none for MCP servers as %j', (word) => {
    expect(tools(`- MCPs: ${word}`).mcps).toEqual([{ name: 'none', access: 'unstated' }]);
  });

  test.each(['nothing', 'Not needed.', 'not applicable'])('is no non-goal and no check as %j', (word) => {
    const contract = read(
      withPart(`## Non-goals\n\n- ${word}\n\n## Checks before review\n\n- Lint: ${word}\n- Build: no`),
    );

    expect(contract).toMatchObject({ nonGoals: [], checks: [] });
  });

  test.each(['all', 'any', '(none)'])(
    'and its opposite bound nothing: %j is reported for files and commands',
    (word) => {
      expect(problemsOf(`## Execution boundaries\n\n- Allowed files: ${word}\n- Allowed commands: ${word}`)).toEqual([
        { field: 'Allowed files', line: 11, text: word, blocking: true },
        { field: 'Allowed commands', line: 12, text: word, blocking: true },
      ]);
    },
  );
});

describe('tools', () => {
  test.each<[string, Contract['tools']['mcps'][number]]>([
    ['docs (read-only)', { name: 'docs', access: 'read-only' }],
    ['docs [Read only]', { name: 'docs', access: 'read-only' }],
    ['**docs** (`mutating`)', { name: 'docs', access: 'mutating' }],
    ['docs: read-only', { name: 'docs', access: 'read-only' }],
    ['docs - read-only', { name: 'docs', access: 'read-only' }],
    ['docs — mutating', { name: 'docs', access: 'mutating' }],
    ['docs read-only', { name: 'docs', access: 'read-only' }],
    ['kubectl get', { name: 'kubectl get', access: 'unstated' }],
  ])('say what they may do: %s', (written, grant) => {
    expect(tools(`- CLIs: ${written}`).clis).toEqual([grant]);
  });

  test.each([
    ['CLIs', 'git (carefully)'],
    ['CLIs', 'git - for the history'],
    ['MCPs', 'docs and logs'],
    ['Read-only tools', 'rg or grep'],
    ['Tools explicitly denied', 'wget and ssh'],
    ['Tools explicitly denied', 'any network tool'],
    ['Tools explicitly denied', 'no deploys'],
  ])('in words are reported, for they would deny and grant nothing: %s: %s', (field, text) => {
    expect(problemsOf(`## Tools in scope\n\n- ${field}: ${text}`)).toEqual([{ field, line: 11, text, blocking: true }]);
  });
});

describe('commands', () => {
  test.each([
    ['npm test', 'npm test'],
    ['**npm test**', 'npm test'],
    ['$ npm test', 'npm test'],
    ['\n  ```console\n  $ npm ci\n  $ npm test\n  ```', 'set -e\nnpm ci\nnpm test'],
    ['npm test -- --grep "a: b"', 'npm test -- --grep "a: b"'],
  ])('of a check are read from %j', (written, command) => {
    expect(check(written)).toMatchObject({ command, skip: null });
  });

  test.each([
    ['skip: no tests', 'no tests'],
    ['skip: not applicable', 'not applicable'],
    ['skip: n/a', 'n/a'],
    ['skip: not needed.', 'not needed.'],
    ['Skipped: no tests', 'no tests'],
    ['**skip**: no tests', 'no tests'],
    ['**Skip:** no tests', 'no tests'],
    ['`skip: no tests`', 'no tests'],
    ['skip: no tests\n  in this package', 'no tests in this package'],
  ])('give way to a reason to skip in %j', (written, skip) => {
    expect(check(written)).toMatchObject({ command: null, skip });
  });

  test.each(['skip', 'skipped', 'skip - no tests', 'skip: TBD', 'skip: ...', 'skip: none', 'skip: reason'])(
    'without a reason to skip are reported: %s',
    (text) => {
      expect(problemsOf(`## Checks before review\n\n- Unit tests: ${text}`)).toMatchObject([
        { field: 'Unit tests', line: 11, blocking: true },
      ]);
    },
  );

  test('that are allowed are reported in words, and not where the word is part of one', () => {
    const asked = (text: string) => problemsOf(`## Execution boundaries\n\n- Allowed commands: ${text}`);

    expect(asked('npm test and npm run lint')).toMatchObject([{ text: 'npm test and npm run lint', blocking: true }]);
    expect(asked('pytest -k "a and b"')).toEqual([]);
    expect(asked('`pytest -k a and b`')).toEqual([]);
  });
});

describe('what is only pointed at', () => {
  test('is kept with its words among prior decisions, and not said to lead nowhere', () => {
    const { contract, problems } = parseContract(
      withPart('## Context in scope\n\n- Prior decisions:\n  - #12 (slugs)\n  - PR #13: we keep ids\n  - we like ids'),
    );

    expect(contract?.context.decisions).toEqual(['#12 (slugs)', 'PR #13: we keep ids', 'we like ids']);
    expect(problems.map(({ text }) => text)).toEqual(['we like ids']);
  });

  test('a secret may be written as a variable', () => {
    expect(read(boundaries(`- Secrets and credentials: $ONE, $\{TWO}, \`THREE\``)).boundaries.secrets).toEqual([
      'ONE',
      'TWO',
      'THREE',
    ]);
  });
});

test('a contract inside a code block is none, and says why', () => {
  const { contract, problems } = parseContract(`\`\`\`markdown\n${boundaries('- Allowed files: src/**')}\n\`\`\``);

  expect(contract).toBeNull();
  expect(problems[0]).toMatchObject({ field: 'Goal', line: 2, message: expect.stringMatching(/inside a code block/) });
});

test('a text without any heading of a contract is told how one begins', () => {
  const { problems } = parseContract('**Goal:** slugs are short\n\n**Acceptance criteria:** they are');

  expect(problems[0]).toMatchObject({ field: 'Goal', line: null, message: expect.stringMatching(/`## Goal`/) });
});

describe('values at the edge', () => {
  test.each(['constructor', 'toString', '__proto__'])('a check may be called %s like any other', (name) => {
    const { checks } = read(withPart(`## Checks before review\n\n### ${name} check\n\nnpm test`));

    expect(checks).toMatchObject([{ kind: name.replaceAll('_', '').toLowerCase(), command: 'npm test' }]);
  });

  test('a grant that is too long to be a name is reported, not cut', () => {
    const long = ['x', 'y', 'z'].map((letter) => letter.repeat(79)).join(' ');

    expect(problemsOf(`## Tools in scope\n\n- CLIs: ${long} (read-only)`)).toMatchObject([
      { field: 'CLIs', text: expect.stringContaining('xxx') },
    ]);
    expect(tools(`- CLIs: ${long} (read-only)`).clis).toEqual([]);
  });
});

describe('what follows a check that has its command', () => {
  const under = (lines: string) => parseContract(withPart(`## Checks before review\n\n${lines}`));
  const namesOf = (lines: string) => under(lines).contract?.checks.map(({ label, command }) => [label, command]);

  test.each([
    '2nd check',
    '404 check',
    'Lint [css]',
    'C# build',
    'Docs, links',
    "Users' flow",
    'Users’ flow',
    'Issue #12',
  ])('is a further check with a name such as %s', (name) => {
    expect(namesOf(`- Unit tests: npm test\n- ${name}: make it`)).toEqual([
      ['Unit tests', 'npm test'],
      [name, 'make it'],
    ]);
  });

  test('is one whose colon touches its command', () => {
    expect(namesOf('- Unit tests: npm test\n- Migration check:true')).toEqual([
      ['Unit tests', 'npm test'],
      ['Migration check', 'true'],
    ]);
  });

  test.each([
    ['an item without a name', '- Unit tests: npm test\n- npm run lint', 'npm run lint'],
    ['a script of npm', '- Unit tests: npm test\n- npm run check:types', 'npm run check:types'],
    ['prose', '- Unit tests: npm test\n\nAll of these must pass.', 'All of these must pass.'],
    ['prose right behind it', '- Unit tests: npm test\nAll of these must pass.', 'All of these must pass.'],
    ['a line of the form', 'Migration check: make it\nthe rest as usual', 'the rest as usual'],
    ['an item under a line', 'Migration check: make it\n- make more', 'make more'],
  ])('is reported and never run with it: %s', (_what, lines, text) => {
    const { contract, problems } = under(lines);

    expect(contract?.checks).toHaveLength(1);
    expect(contract?.checks[0]?.command).not.toContain('\n');
    expect(problems).toMatchObject([{ field: 'Checks before review', text, blocking: true }]);
  });

  test.each([
    ['nested items', '- Unit tests: npm test\n  - npm run more'],
    ['indented lines', '- Unit tests: npm test\n  npm run more'],
    ['items under a name alone', '- Unit tests:\n  - npm test\n  - npm run more'],
    ['lines under a name alone', 'Unit tests:\nnpm test\nnpm run more'],
    ['a deeper heading', '### Unit tests\n\n- npm test\n- npm run more'],
    ['a code block', '- Unit tests:\n\n  ```sh\n  npm test\n  npm run more\n  ```'],
  ])('belongs to it: %s', (_what, lines) => {
    expect(namesOf(lines)).toEqual([['Unit tests', 'set -e\nnpm test\nnpm run more']]);
  });
});

test.each(['ghp_16C7e42F292c6912E7710c838347Ae178B4a', 'AKIAIOSFODNN7EXAMPLE', 'wJalrXUtnFEMIK7MDENGbPxRfiCY'])(
  'a value pasted where names of secrets belong is no name, and is not repeated: %s',
  (value) => {
    const { contract, problems } = parseContract(boundaries(`- Secrets and credentials: STAGING_TOKEN, ${value}`));

    expect(contract?.boundaries.secrets).toEqual(['STAGING_TOKEN']);
    expect(problems).toMatchObject([{ field: 'Secrets and credentials', blocking: true }]);
    expect(JSON.stringify(problems)).not.toContain(value.slice(4));
  },
);
