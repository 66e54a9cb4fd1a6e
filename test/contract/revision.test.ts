import { describe, expect, test } from 'vitest';
import { amendFiles } from '../../src/contract/globs.ts';
import { parseContract } from '../../src/contract/parse.ts';
import { normaliseContract, revisionOf, revisionOfContract } from '../../src/contract/revision.ts';

const body = `## Goal

Slugs keep their letters.

## Acceptance criteria

- Given a
- When b
- Then c

## Execution boundaries

- Allowed files: src/**, test/**

## Checks before review

- Unit tests: npm test

## Background

For a customer.
`;

describe('a revision', () => {
  test('is named by a SHA-256 of the normalised form', () => {
    expect(revisionOf(body)).toMatch(/^sha256:[0-9a-f]{64}$/u);
  });

  test.each([
    ['carriage returns', body.replaceAll('\n', '\r\n')],
    ['spaces at line ends', body.replaceAll(/(\S)$/gmu, '$1  ')],
    ['more empty lines', body.replaceAll('\n\n', '\n\n\n\n')],
    ['other list markers', body.replaceAll(/^- /gmu, '* ')],
    ['headings in capitals', body.replaceAll('## Goal', '## GOAL:')],
    ['items on lines of their own', body.replace('src/**, test/**', '\n    - `src/**`\n    - test/')],
    ['a comment', `${body}<!-- nothing -->\n`],
    ['a byte order mark', `\ufeff${body}`],
  ])('does not change with %s', (_what, other) => {
    expect(revisionOf(other)).toBe(revisionOf(body));
  });

  test.each([
    ['the goal', body.replace('letters', 'accents')],
    ['the order of steps', body.replace('- When b\n- Then c', '- Then c\n- When b')],
    ['an allowed file', body.replace('test/**', 'tests/**')],
    ['the case of a path', body.replace('src/**', 'Src/**')],
    ['a command', body.replace('npm test', 'npm  test')],
    ['a note', body.replace('a customer', 'the customer')],
    ['a note’s heading', body.replace('Background', 'Reasons')],
    ['a further field', `${body}\n## Non-goals\n\n- The API\n`],
    ['a limit', `${body}\n## Stop condition\n\nmax turns: 3\n`],
    ['a second value of a field', `${body}\n## Goal\n\nAnother.\n`],
    ['something that cannot be understood', body.replace('- Allowed files:', '- Databases: all\n- Allowed files:')],
    ['another thing that cannot be understood', body.replace('src/**, test/**', 'src/**, test/**, only the best ones')],
  ])('changes with %s', (_what, other) => {
    expect(revisionOf(other)).not.toBe(revisionOf(body));
  });

  test('of a body that is no contract is a revision as well', () => {
    expect(revisionOf('Please fix  it.')).toBe(revisionOf('Please fix it.\r\n'));
    expect(revisionOf('Please fix it.')).not.toBe(revisionOf('Please mend it.'));
  });

  test('of a contract is that of the body it was read from, and another once amended', () => {
    const { contract } = parseContract(body);
    if (!contract) throw new Error('the body should have been a contract');
    const amended = amendFiles(contract, 'docs/**');
    if (!amended.ok) throw new Error(amended.message);

    expect(revisionOfContract(contract)).toBe(revisionOf(body));
    expect(revisionOfContract(amended.contract)).not.toBe(revisionOf(body));
  });

  test('knows no line numbers', () => {
    expect(normaliseContract(body)).not.toContain('"line"');
  });
});
