import { checkVerdict, record, sampleVerdict } from '../report/sample-input.ts';
import { base } from './scene-texts.ts';

const criteria = [
  ['AC1', 'Given the text `1h30`, When it is parsed, Then a RangeError is thrown that quotes the text'],
  ['AC2', 'Given the texts `1h30m` and `2d 4h`, When they are parsed, Then the results are 5400 and 187200 as before'],
] as const;
const green = (ms: number) => record(0, '# pass 31\n# fail 0', { durationMs: ms });

export function passed() {
  return sampleVerdict({
    base,
    tree: '2'.repeat(40),
    notes: [],
    findings: [],
    annotations: [],
    blocked: [],
    conclusion: 'success',
    checks: [
      checkVerdict('format', 'passed', {
        label: 'Format',
        command: 'npm run format:check',
        head: green(900),
        base: green(880),
      }),
      checkVerdict('lint', 'passed', { label: 'Lint', command: 'npm run lint', head: green(1400), base: green(1380) }),
      checkVerdict('unit', 'passed', {
        label: 'Unit tests',
        command: 'npm test',
        head: green(2100),
        base: green(2050),
      }),
      checkVerdict('types', 'not-configured', {
        label: 'Type checks',
        command: null,
        head: null,
        reason: 'neither the contract nor the repository names one',
      }),
    ],
    criteria: [
      { id: criteria[0][0], text: criteria[0][1], state: 'red-green', by: 'test/duration.test.js', note: null },
      { id: criteria[1][0], text: criteria[1][1], state: 'shown', by: 'Unit tests', note: null },
    ],
    tests: [{ path: 'test/duration.test.js', state: 'fails-before-passes-after', note: null }],
  });
}

const failure =
  'not ok 14 - a text of several parts is the sum of them\n  Expected values to be strictly equal:\n  5400 !== 3600\n    at test/duration.test.js:22:10\n# pass 30\n# fail 1';
export function sentBack() {
  return {
    ...passed(),
    next: 'build',
    feedback: 'unit failed',
    checks: passed().checks.map((each) =>
      each.kind === 'unit'
        ? {
            ...each,
            state: 'failed',
            head: record(1, failure, { durationMs: 2200 }),
            newFailures: ['a text of several parts is the sum of them'],
          }
        : each,
    ),
    findings: [
      {
        name: 'unit',
        gate: 'check',
        message: 'Unit tests failed.',
        paths: [],
        next: 'build',
        waivedBy: null,
        waiveReason: null,
      },
    ],
  };
}

export function outOfScope() {
  return {
    ...passed(),
    next: 'wait',
    conclusion: 'neutral',
    question: 'May this path change: docs/duration.md?',
    findings: [
      {
        name: 'scope',
        gate: 'scope',
        message: 'The patch changes a file that the contract does not allow.',
        paths: ['docs/duration.md'],
        next: 'wait',
        waivedBy: null,
        waiveReason: null,
      },
    ],
  };
}
