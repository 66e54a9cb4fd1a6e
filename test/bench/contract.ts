import { parseContract } from '../../src/contract/parse.ts';
import type { BenchRow } from './row.ts';

const rounds = 40;
const largestChars = 65_536;
const fill = (start: string, unit: string): string =>
  start + unit.repeat(Math.floor((largestChars - start.length) / unit.length));
const bodies: readonly [string, string][] = [
  [
    'criteria',
    fill(
      '## Goal\n\nx\n\n## Acceptance criteria\n\n',
      '- Given a long title, When the slug is made, Then it is short\n',
    ),
  ],
  [
    'prose',
    fill('### Goal\n\n', 'Kürzel von Überschriften behalten ihre Buchstaben, damit Verweise lesbar bleiben.\n\n'),
  ],
  ['a heading, thousands of times', fill('', '## Goal\nx\n')],
  ['a field, thousands of times', fill('## Execution boundaries\n', '- Allowed files: src/**\n')],
  ['headings with accents', fill('', '# áé\n')],
  [
    'checks, each another',
    `## Checks before review\n${Array.from({ length: 5_400 }, (_, n) => `- L${n.toString(36)}: x\n`).join('')}`,
  ],
  ['a word a line', fill('## Acceptance criteria\n', 'x\n')],
  ['lists in lists', fill('## Goal\n', `${'- '.repeat(100)}a\n`)],
  ['one line of list markers', `${fill('## Goal\n', '- ')}a`],
  ['labels with accents', fill('## Context in scope\n- Files: ', '- áé: x\n')],
  ['a line of limits', fill('## Stop condition\n', 'max 1 min ')],
  ['a line of paths', fill('## Execution boundaries\n- Allowed files: ', 'é,')],
  ['items in bold type', fill('## Acceptance criteria\n', '- **x**\n')],
];

/** Reading the longest contract that an issue can hold, against 5 ms: the best of some rounds. */
export async function contractBench(): Promise<BenchRow[]> {
  return bodies.map(([name, body]) => {
    const times = Array.from({ length: rounds }, () => {
      const startedAt = performance.now();
      parseContract(body);
      return performance.now() - startedAt;
    });
    return { name: `contract of 64 KB, ${name} / 5 ms`, figure: Math.min(...times), floor: 5, target: 1, unit: 'ms' };
  });
}
