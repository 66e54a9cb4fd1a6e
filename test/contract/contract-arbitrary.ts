import fc from 'fast-check';
import type { Contract, ContractCheck, ToolGrant } from '../../src/contract/contract.ts';
import { checkLabel } from '../../src/contract/fields.ts';

/** Words that mean nothing to the parser, next to some that could be mistaken for syntax. */
const word = fc.constantFrom(
  'slug',
  'Café',
  '`code`',
  '#12',
  'a:b',
  '*star*',
  'x|y',
  '(maybe)',
  '10%',
  'ünï',
  '<b>',
  'and',
  'when',
  '“q”',
  '✓',
);
const sentence = fc.array(word, { minLength: 1, maxLength: 6 }).map((words) => `Text ${words.join(' ')}`);

/** Free text with lists, code and paragraphs. */
const prose = fc
  .array(
    fc.oneof(
      { weight: 4, arbitrary: sentence },
      fc.tuple(sentence, sentence).map(([first, second]) => `- ${first}\n- ${second}`),
      fc.tuple(sentence, sentence).map(([first, second]) => `- ${first}\n    - ${second}`),
      fc.constant('```sh\n## not a heading\n  npm test\n\n- Files: x\n```'),
      fc.constant('| a | b |\n| --- | --- |\n| 1 | 2 |'),
    ),
    { minLength: 1, maxLength: 4 },
  )
  // A value that is one code block alone is read as its content.
  .map((parts) => (parts.length === 1 && parts[0]?.startsWith('```') ? `Text\n\n${parts[0]}` : parts.join('\n\n')));

const steps = fc
  .tuple(sentence, sentence, sentence, fc.boolean())
  .map(([given, when, then, and]) =>
    [`Given ${given}`, `When ${when}`, `Then ${then}`, ...(and ? [`And ${then}`] : [])].join('\n'),
  );
const nested = fc.tuple(sentence, sentence).map(([first, second]) => `${first}\n- ${second}`);
const statement = fc.oneof({ weight: 3, arbitrary: sentence }, nested);

const segment = fc.constantFrom('src', 'test', '.github', '[id]', '(group)', 'a b', '*', '**', '*.ts', '{a,b}.ts', 'ö');
const path = fc.array(segment, { minLength: 2, maxLength: 4 }).map((parts) => parts.join('/'));
const reference = fc.oneof(
  path,
  fc.constantFrom('#12', 'acme/core#3', 'https://github.com/acme/core/issues/1', 'README.md'),
);
const command = fc.constantFrom(
  'npm test',
  'npm run "a, b"',
  'npm test *',
  "echo 'it,s'",
  'git diff *',
  'echo `date`',
  'x, y',
  'make -j 4',
);
const script = fc.oneof(
  command,
  fc.constant('set -e\nnpm run a\nnpm run b'),
  fc.constant('set -e\nif true; then\n  echo "# x"\nfi'),
);
const host = fc.constantFrom('registry.example.org:443', 'a.b:8080', 'localhost:5432');
const secret = fc.constantFrom('STAGING_TOKEN', 'A', 'B_2');
const toolName = fc.constantFrom('docs.search', 'gh pr view', 'rg', 'npm');
const grant: fc.Arbitrary<ToolGrant> = fc.record({
  name: fc.constantFrom('gh', 'docs', 'npm', 'aws logs'),
  access: fc.constantFrom('read-only' as const, 'mutating' as const, 'unstated' as const),
});

const check: fc.Arbitrary<ContractCheck> = fc
  .record({
    kind: fc.constantFrom('format', 'lint', 'unit', 'types', 'build', 'smoke', 'migration', 'end-to-end', 'e2e'),
    command: fc.option(script),
    skip: sentence,
  })
  .map(({ kind, command: written, skip }) => ({
    kind,
    label: checkLabel(kind),
    command: written,
    skip: written === null ? skip : null,
    line: null,
  }));

const whole = fc.integer({ min: 1, max: 5_000_000 });
const list = <Value>(item: fc.Arbitrary<Value>) => fc.array(item, { maxLength: 4 });

/** Contracts that an issue can spell. */
export const contractArbitrary: fc.Arbitrary<Contract> = fc
  .record({
    goal: prose,
    criteria: fc.array(fc.oneof(steps, statement), { minLength: 1, maxLength: 5 }),
    nonGoals: list(statement),
    context: fc.record({
      files: list(reference),
      tests: list(reference),
      docs: list(reference),
      decisions: list(reference),
    }),
    tools: fc.record({
      mcps: list(grant),
      clis: list(grant),
      readOnly: list(toolName),
      mutating: list(toolName),
      denied: list(toolName),
    }),
    boundaries: fc.record({ files: list(path), commands: list(command), network: list(host), secrets: list(secret) }),
    checks: fc.uniqueArray(check, { maxLength: 5, selector: ({ kind }) => kind }),
    stop: fc.record({
      text: fc.oneof(fc.constant(''), prose),
      limits: fc.record(
        {
          minutes: whole,
          turns: whole,
          rounds: whole,
          tokens: whole,
          files: whole,
          lines: whole,
          dollars: fc.constantFrom(3, 2.5, 0.01),
        },
        { requiredKeys: [] },
      ),
    }),
    reviewNote: fc.oneof(fc.constant(''), prose),
    notes: list(
      fc.record({
        heading: fc.constantFrom('Background', 'Some thoughts', 'Links'),
        text: fc.oneof(fc.constant(''), prose),
      }),
    ),
  })
  .map((parts) => ({ ...parts, criteria: parts.criteria.map((text, index) => ({ id: `AC${index + 1}`, text })) }));

/** Bodies of lines that authors, careless ones and spoofers write. */
export const bodyArbitrary: fc.Arbitrary<string> = fc
  .array(
    fc.oneof(
      fc.constantFrom(
        '# Agent handoff contract',
        '## Goal',
        '### Goal',
        'GOAL:',
        '## Acceptance criteria',
        '## Non-goals',
        '## Context in scope',
        '## Tools in scope',
        '## Execution boundaries',
        '## Checks before review',
        '### Unit tests',
        '### Migration check',
        '## Stop condition',
        '## Notes of mine',
        'Goal',
        '----',
        '====',
      ),
      fc.constantFrom(
        '- Files: src/a.ts, `b,c`',
        '- Allowed files:',
        '  - src/**',
        '- **Allowed commands:** npm test *',
        '- Network or service access: none',
        '- Secrets and credentials: TOKEN',
        '- Databases: all of them',
        '- Lint: npm run lint',
        '- Build: skip: nothing to build',
        '- CLIs: gh (read-only), aws (careful)',
        '- Given a',
        'When b',
        '- Then c',
        '- max turns: 20',
        'max tokens: lots',
        '_No response_',
        '- Given ...',
      ),
      fc.constantFrom(
        '',
        '',
        '```',
        '```sh',
        '<!--',
        '-->',
        '<!-- x -->',
        '> quote',
        '<details>',
        '| a | b |',
        '    code',
        '\tcode',
        '---',
      ),
      fc.string({ unit: 'binary', maxLength: 30 }),
    ),
    { maxLength: 30 },
  )
  .chain((lines) => fc.constantFrom('\n', '\r\n').map((end) => lines.join(end)));
