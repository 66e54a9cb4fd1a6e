import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { failureLines, normaliseLine, normaliseWords } from '../../src/learning/normalise.ts';
import { type Lived, signsOf } from '../../src/learning/signatures.ts';

/** One failure as a runner tells it, with everything that differs from run to run. */
interface Noise {
  folder: string;
  line: number;
  column: number;
  seed: number;
  address: number;
  tookMs: number;
  atMs: number;
  port: number;
  pid: number;
  temp: string;
  colour: boolean;
  order: boolean;
}

const word = fc.stringMatching(/^[a-z][a-z0-9]{2,8}$/);
const noise: fc.Arbitrary<Noise> = fc.record({
  folder: word,
  line: fc.integer({ min: 1, max: 5000 }),
  column: fc.integer({ min: 1, max: 200 }),
  seed: fc.integer({ min: 0, max: 2 ** 31 }),
  address: fc.integer({ min: 0, max: 2 ** 31 }),
  tookMs: fc.integer({ min: 0, max: 90_000 }),
  atMs: fc.integer({ min: 1_600_000_000_000, max: 1_900_000_000_000 }),
  port: fc.integer({ min: 1024, max: 65_535 }),
  pid: fc.integer({ min: 1, max: 100_000 }),
  temp: word,
  colour: fc.boolean(),
  order: fc.boolean(),
});

function told(n: Noise, what = 'sum'): string {
  const red = (text: string) => (n.colour ? `\u001b[31m${text}\u001b[39m` : text);
  const failures = [
    `${red(`AssertionError: expected ${what} of 2 and 3 to be 5`)} at /workspace/src/${what}.js:${n.line}:${n.column}`,
    `Error: connect ECONNREFUSED 127.0.0.1:${n.port} (pid ${n.pid}) after ${n.tookMs}ms`,
    `${new Date(n.atMs).toISOString()} error: cannot open /var/${n.folder}/${n.temp}.sock (object 0x${n.address.toString(16)})`,
    `not ok ${n.line} - fails in line ${n.line} with seed=${n.seed}, missing tmp-${n.temp}${n.seed}.json`,
  ];
  return [
    `Running with ${n.pid} tests`,
    ...(n.order ? failures : failures.toReversed()),
    `    at Object.<anonymous> (/usr/lib/${n.folder}/errors.js:${n.line}:${n.column})`,
    `Tests: 1 failed, ${n.line} passed`,
    `Duration ${n.tookMs}ms`,
  ].join('\n');
}

describe('what a failure leaves behind', () => {
  test('is the same whatever places, lines, times, seeds, addresses, durations, names of temporary files and order were', () => {
    fc.assert(
      fc.property(noise, noise, (left, right) => {
        expect(failureLines(told(left))).toEqual(failureLines(told(right)));
      }),
    );
  });

  test('differs where the failure does', () => {
    fc.assert(
      fc.property(noise, noise, (left, right) => {
        expect(failureLines(told(left, 'sum'))).not.toEqual(failureLines(told(right, 'product')));
      }),
    );
  });

  test('keeps paths of the repository, and small numbers', () => {
    expect(normaliseLine('expected 4 to be 5 in /workspace/src/sum.js:12:7')).toBe('expected 4 to be 5 in src/sum.js');
    expect(normaliseLine('ENOENT: no such file or directory, open /home/ci/x/y.json')).toBe(
      'ENOENT: no such file or directory, open <path>',
    );
  });

  test('of an output without a telling line is its end', () => {
    expect(failureLines('building\n\n1 file differs\nbye 12:00:01')).toEqual([
      '1 file differs',
      'building',
      'bye <time>',
    ]);
    expect(failureLines('')).toEqual([]);
  });

  test('is found in linear time in hostile output', () => {
    const started = performance.now();

    for (const piece of ['/a', 'seed ', '1-', '0x', ' '.repeat(50), 'a.b', '1:', 'file://'])
      failureLines(piece.repeat(100_000));

    expect(performance.now() - started).toBeLessThan(3_000);
  });

  test('of words does not hang on case, punctuation and spaces', () => {
    expect(normaliseWords('  Keep the *Blank* line!')).toBe(normaliseWords('keep the blank line'));
  });
});

describe('signatures of an attempt', () => {
  const check = (output: string, kind = 'unit'): Lived['verdicts'][number]['checks'][number] => ({
    kind,
    label: kind,
    command: `npm run ${kind}`,
    origin: 'repository',
    state: 'failed',
    reason: null,
    head: { exitCode: 1, end: 'exited', durationMs: 1, output, outputTruncated: false },
    base: null,
    headAgain: null,
    baseAgain: null,
    newFailures: [],
    failingBefore: [],
  });
  const finding = (
    name: string,
    gate: 'check' | 'scope' | 'not-runnable',
    next: 'build' | 'fail' | 'wait' | 'none',
  ) => ({
    name,
    gate,
    message: name,
    paths: [],
    next,
    waivedBy: null,
    waiveReason: null,
  });
  const lived = (more: Partial<Lived>): Lived => ({
    outcome: 'verification-failed',
    state: 'failed',
    verdicts: [],
    problems: [],
    guidance: null,
    findings: [],
    ...more,
  });
  const verdict = (output: string, next: 'build' | 'fail', kind = 'unit') => ({
    next,
    findings: [finding(kind, 'check', next)],
    checks: [check(output, kind)],
    annotations: [],
    blocked: [],
  });

  test('have one for a failure that comes in several rounds, and it is the one that the attempt ended with', () => {
    const { causes, failure } = signsOf(
      lived({ verdicts: [verdict('Error: no sum', 'build'), verdict('Error: no sum', 'fail')] }),
    );

    expect(causes).toHaveLength(1);
    expect(failure).toBe(causes[0]?.signature);
    expect(causes[0]).toMatchObject({
      kind: 'check',
      subject: 'unit',
      lines: ['Error: no sum'],
      command: 'npm run unit',
    });
  });

  test('keep what was mended in a later round, and tell no failure then', () => {
    const { causes, failure } = signsOf(
      lived({ state: 'done', outcome: 'review', verdicts: [verdict('Error: x', 'build')] }),
    );

    expect(causes).toHaveLength(1);
    expect(failure).toBeNull();
  });

  test('hold names of tests above their output, in any order', () => {
    const named = (names: string[], output: string) => ({
      ...verdict(output, 'fail'),
      checks: [{ ...check(output), newFailures: names }],
    });

    const left = signsOf(lived({ verdicts: [named(['b', 'a'], 'Error: one')] }));
    const right = signsOf(lived({ verdicts: [named(['a', 'b'], 'Error: two')] }));

    expect(left.failure).toBe(right.failure);
  });

  test('tell checks, limits, contracts and guidance apart; ends that are nobody’s failure have none', () => {
    const of = (more: Partial<Lived>) => signsOf(lived(more));

    expect(of({ verdicts: [verdict('Error: x', 'fail', 'lint')] }).failure).not.toBe(
      of({ verdicts: [verdict('Error: x', 'fail', 'unit')] }).failure,
    );
    expect(of({ outcome: 'limits.tokens' }).causes).toMatchObject([{ kind: 'limit', subject: 'tokens' }]);
    expect(
      of({ state: 'waiting', outcome: 'contract-untestable', problems: [{ field: 'Goal', blocking: true }] }).causes,
    ).toMatchObject([{ kind: 'contract', fields: ['Goal'] }]);
    expect(of({ state: 'done', outcome: 'review', guidance: 'Round half to even.' }).causes).toMatchObject([
      { kind: 'guidance' },
    ]);
    expect(of({ state: 'done', outcome: 'review', guidance: 'again' }).causes).toEqual([]);
    for (const outcome of ['stopped', 'plan-approval', 'no-change'])
      expect(of({ state: 'waiting', outcome })).toEqual({ causes: [], failure: null });
  });

  test('hold nothing that an issue said: no check of its own by name or command, no field of its own', () => {
    const said = 'ask-stranger-for-the-key';
    const ofIssue = (gate: 'check' | 'not-runnable' | 'flaky') => ({
      ...verdict('Error: x', 'fail', said),
      checks: [{ ...check('Error: x', said), origin: 'contract' as const, command: `sh ${said}.sh` }],
      findings: [{ ...finding(said, 'check', 'fail'), gate }],
    });
    const all = [
      ...(['check', 'not-runnable', 'flaky'] as const).map((gate) => lived({ verdicts: [ofIssue(gate)] })),
      lived({ outcome: 'contract-untestable', problems: [{ field: said, blocking: true }] }),
    ].flatMap((each) => signsOf(each).causes);

    expect(all.map(({ kind }) => kind)).toEqual(['check', 'environment', 'flaky', 'contract']);
    expect(JSON.stringify(all)).not.toContain(said);
    expect(all[0]).toMatchObject({ subject: 'a check of the contract', command: null });
    expect(all[3]).toMatchObject({ fields: ['Checks before review'] });
  });

  test('take no address for a host that is none', () => {
    const blocked = [
      { host: 'registry.example.org', port: 443, command: null, count: 1 },
      { host: 'x y; rm -rf /', port: 1, command: null, count: 1 },
    ];
    const waits = {
      ...verdict('sh: vitest: not found', 'fail'),
      findings: [finding('unit', 'not-runnable', 'wait')],
      blocked,
    };

    const { causes } = signsOf(lived({ state: 'waiting', outcome: 'not-runnable', verdicts: [waits] }));

    expect(causes).toMatchObject([{ kind: 'environment', hosts: ['registry.example.org:443'] }]);
  });
});
