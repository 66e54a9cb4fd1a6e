import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Contract, contractSchema } from '../../src/contract/contract.ts';
import { parseContract } from '../../src/contract/parse.ts';
import { renderContract } from '../../src/contract/render.ts';
import { revisionOf, revisionOfContract } from '../../src/contract/revision.ts';
import { bodyArbitrary, contractArbitrary } from './contract-arbitrary.ts';

function withoutLines(contract: Contract | null): unknown {
  return contract && { ...contract, checks: contract.checks.map((check) => ({ ...check, line: null })) };
}

describe('parsing any contract', () => {
  test.each(['issue-form', 'pasted'] as const)('gives back what was rendered as %s, without a problem', (form) => {
    fc.assert(
      fc.property(contractArbitrary, (contract) => {
        const parsed = parseContract(renderContract(contract, form));

        expect(parsed.problems).toEqual([]);
        expect(withoutLines(parsed.contract)).toEqual(contract);
        expect(parsed.form).toBe(form);
      }),
      { numRuns: 400 },
    );
  });

  test('names the same revision whatever the form, the line ends and the spacing', () => {
    fc.assert(
      fc.property(contractArbitrary, (contract) => {
        const pasted = renderContract(contract, 'pasted');
        const revisions = [
          revisionOf(pasted),
          revisionOf(pasted.replaceAll('\n', '\r\n')),
          revisionOf(`\n\n${pasted.replaceAll(/^(## [A-Z].*)$/gmu, '$1  \n')}\n\n`),
          revisionOf(`${pasted}\n<!-- seen -->`),
          revisionOf(renderContract(contract, 'issue-form')),
          revisionOfContract(contract),
        ];

        expect(new Set(revisions).size).toBe(1);
      }),
      { numRuns: 100 },
    );
  });
});

describe('parsing any text', () => {
  test('never throws, and what it gives fits the schema', () => {
    fc.assert(
      fc.property(fc.oneof(bodyArbitrary, fc.string({ unit: 'binary', maxLength: 300 })), (body) => {
        const { contract } = parseContract(body);

        if (contract) expect(contractSchema.parse(contract)).toEqual(contract);
        expect(revisionOf(body)).toMatch(/^sha256:[0-9a-f]{64}$/u);
      }),
      { numRuns: 2000 },
    );
  });

  test('drops no word silently: each is in the contract, in a problem, or in a comment', () => {
    const marked = fc.array(
      fc.constantFrom(
        '- zzMARKzz',
        'zzMARKzz',
        '- Files: zzMARKzz',
        '- Zap: zzMARKzz',
        '- Lint: zzMARKzz',
        '  - zzMARKzz',
      ),
      {
        minLength: 1,
        maxLength: 3,
      },
    );
    const bodies = fc.tuple(bodyArbitrary, marked, bodyArbitrary).map(([before, lines, after]) => {
      const visible = before.replaceAll(/<!--|<[a-z]+>|```/gu, '');
      let next = 0;
      const text = lines.join('\n').replaceAll('MARK', () => `${next++}`);
      return {
        body: `${visible}\n\n## Goal\n\nx\n\n${text}\n\n${after.replaceAll('<!--', '')}`,
        marks: Array.from({ length: next }, (_none, mark) => `zz${mark}zz`),
      };
    });

    fc.assert(
      fc.property(bodies, ({ body, marks }) => {
        const { contract, problems } = parseContract(body);
        const seen = JSON.stringify({ contract, problems });
        const duplicated = problems.filter(({ message }) => / is given (?:twice|\d+ times), /u.test(message));

        for (const mark of marks) if (!seen.includes(mark)) expect(duplicated).not.toEqual([]);
      }),
      { numRuns: 1500 },
    );
  });

  test('reads its own rendering of a criterion with a mark of code in its code', () => {
    const body = '## Goal\n\nx\n\n## Acceptance criteria\n\n- y\n\n- Then c\n```sh\n```sh\nWhen b';
    const first = parseContract(body).contract as Contract;

    expect(withoutLines(parseContract(renderContract(first, 'pasted')).contract)).toEqual(withoutLines(first));
  });

  test('reads its own rendering of what it understood the same way again', () => {
    const bodies = bodyArbitrary.map((body) => {
      const rest = body.replaceAll(/goal|acceptance criteria|<details>|^(?: {4}|\t)code/gimu, 'Other');
      return `## Goal\n\nx\n\n## Acceptance criteria\n\n- y\n\n${rest}`;
    });

    fc.assert(
      fc.property(bodies, (body) => {
        const first = parseContract(body);
        fc.pre(first.problems.length === 0);
        const second = parseContract(renderContract(first.contract as Contract, 'pasted'));

        expect(withoutLines(second.contract)).toEqual(withoutLines(first.contract));
      }),
      { numRuns: 300 },
    );
  });
});

describe('parsing at length', () => {
  const fill = (unit: string, start = '') =>
    `${start}${unit.repeat(Math.floor((65_536 - start.length) / unit.length))}`;
  const criteria =
    '- Given a title such as "Café crème", with accents, When the slug is made, Then it is `cafe-creme`\n';
  const usual: Record<string, string> = {
    criteria: fill(criteria, '## Goal\n\nSlugs keep their letters.\n\n## Acceptance criteria\n\n'),
    prose: fill(
      'Slugs of titles keep their letters, so that links stay readable in every language there is.\n',
      '### Goal\n\n',
    ),
    'prose with umlauts': fill(
      'Kürzel von Überschriften behalten ihre Buchstaben, damit Verweise lesbar bleiben.\n\n',
      '### Goal\n\n',
    ),
  };
  const hostile: Record<string, string> = {
    'small sections': fill('## Note\n\nSome `text`.\n\n- Given a\n- When b\n- Then c\n\n- Files: src/**, test/**\n'),
    'one heading again and again': fill('## Goal\nx\n'),
    'one check again and again': fill('- Lint: x\n', '## Checks before review\n'),
    'labels that are none': fill('- Zap: a\n', '## Execution boundaries\n'),
    'one field of many items': fill('  - src/a.ts, src/b/**\n', '## Execution boundaries\n- Allowed files:\n'),
    'given upon given': fill('- Given a\n', '## Acceptance criteria\n'),
    'open comments': fill('a <!-- b\n'),
    'open backticks': fill('`a ``b\n'),
    brackets: fill('[', '## Goal\n'),
    'nested lists': fill('- ', '## Goal\n'),
    'a heading of spaces': `# a${fill(' ').slice(0, 65_000)}b`,
    'a label of spaces': `## Execution boundaries\n- Files${fill(' ').slice(0, 65_000)}: x`,
    'a limit without end': fill('max turns: ', '## Stop condition\n'),
    'limits upon limits': fill('max turns: 1\n', '## Stop condition\n'),
    'a grant of words': `${fill('a ', '## Tools in scope\n- CLIs: ').slice(0, 65_000)}(`,
    'a path of braces': fill('{a,', '## Execution boundaries\n- Allowed files: '),
    'a check named with colons': `${fill(':', '## Checks before review\n### Unit')}x`,
    'a check named with spaces': `${fill(' ', '## Checks before review\n### Unit')}x`,
    'a code block of spaces': `${fill(' ', '## Goal\n```\na')}b\n\`\`\``,
    'a fence of backticks': `${fill('`', '## Goal\n')}\nx\n\`\`\``,
    'a path of backticks': `${fill('`', '## Execution boundaries\n- Allowed files: ')}x`,
    'comment openings in a heading': fill('<!--', '## '),
    'a goal of stars': `${fill('*', '## Goal\n')}x`,
    'a decision of dots': fill('a.', '## Context in scope\n- Prior decisions: a b '),
    'odd spaces': fill('\u2003', '## Goal\n'),
    'a letter a line': fill('x\n', '## Execution boundaries\n'),
    'checks, each another': `## Checks before review\n${Array.from({ length: 5_400 }, (_none, n) => `- L${n.toString(36)}: x\n`).join('')}`,
    'labels in letters that look alike': fill('Сheck: x\n', '## Execution boundaries\n'),
    'labels with accents': fill('- áé: x\n', '## Context in scope\n- Files: '),
    'headings with accents': fill('# é\n'),
    'a line of paths': fill('é,', '## Execution boundaries\n- Allowed files: '),
    'items in bold type': fill('- **x**\n', '## Acceptance criteria\n'),
    'invisible characters': fill('a\u200b\n', '## Goal\n'),
  };

  /** The best of many, of the processor's time: what the machine does besides is not ours to measure. */
  function bestMs(body: string, enoughMs: number): number {
    let best = Number.POSITIVE_INFINITY;
    for (let round = 0; round < 60 && best >= enoughMs; round++) {
      const start = process.cpuUsage();
      parseContract(body);
      const { user, system } = process.cpuUsage(start);
      best = Math.min(best, (user + system) / 1000);
    }
    return best;
  }

  test.each(Object.entries(usual))('takes under 5 ms for 64 KB of %s', (_name, body) => {
    expect(bestMs(body, 5)).toBeLessThan(5);
  });

  test.each(Object.entries(hostile))('is never slow for long: 64 KB of %s', (_name, body) => {
    expect(bestMs(body, 20)).toBeLessThan(20);
  });
});
