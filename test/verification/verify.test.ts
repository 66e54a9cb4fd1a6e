import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Contract, emptyContract } from '../../src/contract/contract.ts';
import type { Sandbox } from '../../src/sandbox/sandbox.ts';
import type { VerifyEvent } from '../../src/verification/verify-request.ts';
import { check, wallsWith } from '../bench/bench-walls.ts';
import { baseFiles } from '../bench/cheats-base.ts';
import { createProvingGround, type ProvingGround } from '../bench/proving-ground.ts';

let ground: ProvingGround;

beforeAll(async () => {
  ground = await createProvingGround(baseFiles, 'verify');
}, 120_000);

afterAll(async () => {
  await ground[Symbol.asyncDispose]();
});

const runner = 'node --test --test-isolation=none';
const unit = check('unit', 'Unit tests', `${runner} "test/**/*.test.js"`);
const red = check('unit', 'Unit tests', `${runner} "red/test/**/*.test.js"`);
const goodSlug = baseFiles['src/slug.js']?.replace('[^a-z0-9]/g', '[^a-z0-9]+/g') ?? '';
const newTest = `import assert from 'node:assert/strict';
import { test } from 'node:test';
import { slug } from '../src/slug.js';

test('one dash for a run', () => {
  assert.equal(slug('a  b'), 'a-b');
});
`;
const oldTruth = newTest.replace('one dash for a run', 'still lowers').replace("slug('a  b'), 'a-b'", "slug('A'), 'a'");

function contractWith(criteria: number): Contract {
  const contract = emptyContract();
  contract.criteria = Array.from({ length: criteria }, (_, index) => ({
    id: `AC${index + 1}`,
    text: `Statement ${index + 1}`,
  }));
  return contract;
}

async function treeWith(patch: Record<string, string | null>): Promise<string> {
  return ground.treeOf(patch);
}

describe('verification of a tree', () => {
  it('shows which tests fail before and pass after, and which pass without the change', async () => {
    const tree = await treeWith({ 'src/slug.js': goodSlug, 'test/run.test.js': newTest, 'test/old.test.js': oldTruth });

    const verdict = await ground.verify({ tree, contract: contractWith(0), walls: wallsWith([unit]) });

    expect(verdict.tests).toEqual([
      { path: 'test/old.test.js', state: 'passes-without-the-change', note: null },
      { path: 'test/run.test.js', state: 'fails-before-passes-after', note: null },
    ]);
    expect(verdict.next).toBe('open');
    expect(verdict.conclusion).toBe('success');
    expect(verdict.rollbackTried).toEqual({ ok: true, note: 'gives the tree of base' });
  });

  it('takes a proposal as evidence only when it has run it, on base too', async () => {
    const tree = await treeWith({ 'src/slug.js': goodSlug, 'test/run.test.js': newTest });
    const probe = `node -e "import('/workspace/src/slug.js').then(({ slug }) => process.exit(slug('a  b') === 'a-b' ? 0 : 1))"`;
    const claims = [
      { criterion: 'AC1', kind: 'test' as const, value: 'test/run.test.js::one dash for a run' },
      { criterion: 'AC2', kind: 'check' as const, value: 'unit' },
      { criterion: 'AC3', kind: 'command' as const, value: probe },
      { criterion: 'AC4', kind: 'command' as const, value: 'echo fine || true' },
      { criterion: 'AC5', kind: 'test' as const, value: 'test/nowhere.test.js' },
      { criterion: 'AC6', kind: 'check' as const, value: 'e2e' },
      { criterion: 'AC7', kind: 'command' as const, value: 'npm publish' },
      { criterion: 'AC99', kind: 'check' as const, value: 'unit' },
    ];

    const verdict = await ground.verify(
      { tree, contract: contractWith(8), walls: wallsWith([unit]), claims },
      { doors: { judgeCommand: (command) => ({ allowed: !command.startsWith('npm publish') }) } },
    );

    expect(verdict.criteria.map(({ id, state, by }) => [id, state, by])).toEqual([
      ['AC1', 'red-green', 'test/run.test.js (one dash for a run)'],
      ['AC2', 'shown', 'Unit tests'],
      ['AC3', 'red-green', probe],
      ['AC4', 'none', null],
      ['AC5', 'none', null],
      ['AC6', 'none', null],
      ['AC7', 'none', null],
      ['AC8', 'none', null],
    ]);
    expect(verdict.next).toBe('open');
  });

  it('compares test by test where a JUnit report names them: an old failure does not excuse a new one', async () => {
    const report =
      'node --test --test-isolation=none --test-reporter=junit --test-reporter-destination=out.xml "red/test/**/*.test.js"';
    const walls = wallsWith([{ ...red, command: report, report: 'out.xml' }]);
    const worse = await treeWith({
      'red/src/price.js': "export function price(cents) {\n  return cents / 100 + '$';\n}\n",
    });
    const same = await treeWith({ 'red/src/other.js': 'export const other = 1;\n' });

    const bad = await ground.verify({ tree: worse, contract: contractWith(0), walls });
    const good = await ground.verify({ tree: same, contract: contractWith(0), walls });

    expect(bad.checks[0]).toMatchObject({
      state: 'failed',
      reason: 'red on base as well, but 1 failure is new',
      newFailures: ['test › begins with the sign'],
      failingBefore: ['test › shows dollars'],
    });
    expect(bad.next).toBe('build');
    expect(bad.feedback).toContain('Fails on base as well, so not because of the patch: test › shows dollars');
    expect(good.checks[0]).toMatchObject({
      state: 'failing-before',
      newFailures: [],
      failingBefore: ['test › shows dollars'],
    });
    expect(good.next).toBe('open');
  });

  it('waits when the environment lacks a program, and blames the patch when only the patch lacks a file', async () => {
    const patch = await treeWith({ 'src/slug.js': goodSlug });
    const deleting = await treeWith({ 'scripts/lint.js': null });
    const missing = wallsWith([check('lint', 'Lint', 'no-such-linter src')]);
    const lint = wallsWith([check('lint', 'Lint', 'node scripts/lint.js')]);

    const environment = await ground.verify({ tree: patch, contract: contractWith(0), walls: missing });
    const deleted = await ground.verify({ tree: deleting, contract: contractWith(0), walls: lint });

    expect(environment.checks[0]?.state).toBe('not-runnable');
    expect(environment.next).toBe('wait');
    expect(environment.question).toContain('Can the environment be mended for lint?');
    expect(deleted.checks[0]?.state).toBe('failed');
    expect(deleted.next).toBe('build');
  });

  it('sends failing output back as data, points at the lines, and never shows a secret', async () => {
    const tree = await treeWith({
      'src/sum.js': "console.log('s3cret-value-of-the-run');\nvar x;\nexport const sum = () => 0;\n",
    });
    const walls = wallsWith([check('lint', 'Lint', 'node scripts/lint.js; code=$?; node src/sum.js; exit $code')]);

    const verdict = await ground.verify({ tree, contract: contractWith(0), walls });

    expect(verdict.next).toBe('build');
    expect(verdict.feedback).toContain('src/sum.js:1:1: error: no var');
    expect(verdict.annotations).toEqual([{ kind: 'lint', path: 'src/sum.js', line: 1, message: 'error: no var' }]);
    expect(verdict.findings.map(({ gate }) => gate).sort()).toEqual(['check', 'secret']);
    expect(JSON.stringify(verdict)).not.toContain('s3cret-value');
    expect(verdict.checks[0]?.head?.output).toContain('[secret RUN_TOKEN]');
  });

  it('opens past a flake where policy says so, and shows all its runs', async () => {
    const flaky =
      "import { readFileSync } from 'node:fs';\nprocess.exitCode = readFileSync('/tmp/turn', 'utf8') === 'even' ? 0 : 1;\n";
    const tree = await treeWith({ 'src/turn.js': flaky });
    const walls = wallsWith(
      [check('smoke', 'Smoke test', 'test -f src/turn.js && node src/turn.js || test ! -f src/turn.js')],
      { flaky: 'pass' },
    );

    const verdict = await ground.verify({ tree, contract: contractWith(0), walls });

    expect(verdict.checks[0]).toMatchObject({
      state: 'flaky',
      head: { exitCode: 1 },
      headAgain: { exitCode: 0 },
      base: { exitCode: 0 },
    });
    expect([verdict.next, verdict.conclusion]).toEqual(['open', 'neutral']);
  });

  it('judges each check by its own end: killed by its time-out, its memory or its output, and sends these back', async () => {
    const tree = await treeWith({ 'src/slug.js': goodSlug });
    const ends = ['timed-out', 'out-of-memory', 'output-limit'] as const;
    const checks = ends.map((end, index) => check(end, end, `on head # ${end}`, { timeoutMs: 1000 * (index + 1) }));
    const whole = ground.doors(tree);
    const times: number[] = [];
    const openHead = async (): Promise<Sandbox> => {
      const sandbox = await whole.openHead();
      const nothing = { text: 'last words', totalBytes: 10, truncated: false };
      return {
        ...sandbox,
        run: async ({ command, timeoutMs }) => {
          times.push(timeoutMs);
          const end = ends.find((each) => command.endsWith(each)) ?? 'exited';
          return { end, exitCode: null, stdout: nothing, stderr: nothing, durationMs: 1 };
        },
      };
    };
    const openBase = async (): Promise<Sandbox> => {
      const sandbox = await whole.openBase();
      return { ...sandbox, run: (call) => sandbox.run({ ...call, command: 'true' }) };
    };

    const verdict = await ground.verify(
      { tree, contract: contractWith(0), walls: wallsWith(checks) },
      { doors: { openHead, openBase } },
    );

    expect(verdict.checks.map(({ kind, state, headAgain }) => [kind, state, headAgain])).toEqual(
      ends.map((end) => [end, end, null]),
    );
    expect(times).toEqual([1000, 2000, 3000]);
    expect(verdict.next).toBe('build');
    expect(verdict.feedback).toContain('last words');
  });

  it('runs in an environment that holds nothing of this process', async () => {
    process.env.MILLWRIGHT_TEST_OF_VERIFICATION = 'leaked';
    const tree = await treeWith({ 'src/slug.js': goodSlug });

    const verdict = await ground.verify(
      { tree, contract: contractWith(0), walls: wallsWith([check('env', 'Environment', 'env; id -u')]) },
      { fresh: true },
    );
    delete process.env.MILLWRIGHT_TEST_OF_VERIFICATION;

    const output = verdict.checks[0]?.head?.output ?? '';
    expect(output).not.toMatch(/leaked|TOKEN|API_KEY|DOCKER_HOST/);
    expect(output.trimEnd().split('\n').at(-1)).toBe('1000');
  });

  it('asks for the agent’s reason when nothing was changed, and runs nothing', async () => {
    const tree = await ground.git.treeOf(ground.repository, ground.base);
    const events: VerifyEvent[] = [];

    const verdict = await ground.verify(
      { tree, contract: contractWith(1), walls: wallsWith([unit]), emptyReason: 'It works already.' },
      { doors: { record: async (event) => void events.push(event) } },
    );

    expect(verdict.next).toBe('wait');
    expect(verdict.question).toContain('It works already.');
    expect(events).toEqual([]);
  });

  it('runs base once for all verdicts on the same base, and never again for the same question', async () => {
    const events: VerifyEvent[] = [];
    const options = { doors: { record: async (event: VerifyEvent) => void events.push(event) } };
    const walls = wallsWith([check('unit', 'Unit tests', `${runner} test/sum.test.js`)]);
    for (const text of ['// one\n', '// two\n']) {
      const tree = await treeWith({ 'src/slug.js': `${text}${goodSlug}` });
      await ground.verify({ tree, contract: contractWith(0), walls }, options);
    }

    const ended = events.filter((event) => event.state === 'ended').map((event) => event.on);
    expect(ended).toEqual(['head', 'base', 'head']);
  });

  it('is no verdict when a container is lost: the caller may try again without using up a round', async () => {
    const tree = await treeWith({ 'src/slug.js': goodSlug });
    const whole = ground.doors(tree);
    const lost = async (): Promise<Sandbox> => {
      const sandbox = await whole.openHead();
      const nothing = { text: '', totalBytes: 0, truncated: false };
      return {
        ...sandbox,
        run: async () => ({ end: 'lost', exitCode: null, stdout: nothing, stderr: nothing, durationMs: 1 }),
      };
    };

    const verdict = ground.verify(
      { tree, contract: contractWith(0), walls: wallsWith([unit]) },
      { doors: { openHead: lost } },
    );

    await expect(verdict).rejects.toMatchObject({ code: 'outside.sandbox' });
  });

  it('lets a waived check through, neutrally, with who waived it', async () => {
    const tree = await treeWith({ 'src/slug.js': `var x;\n${goodSlug}` });
    const walls = wallsWith([check('lint', 'Lint', 'node scripts/lint.js')]);

    const verdict = await ground.verify({
      tree,
      contract: contractWith(0),
      walls,
      waived: [{ name: 'lint', reason: 'legacy', by: 'ada' }],
    });

    expect(verdict.checks[0]).toMatchObject({ state: 'waived', reason: 'failed, waived by ada: legacy' });
    expect([verdict.next, verdict.conclusion]).toEqual(['open', 'neutral']);
  });

  it('runs as many checks at once as policy says, each in a fresh container, and tells them in the contract’s order', async () => {
    const tree = await treeWith({ 'src/slug.js': goodSlug });
    const slowestFirst = ['0.6', '0.3', '0'];
    const checks = slowestFirst.map((pause, index) =>
      check(`part-${index}`, `Part ${index}`, `cat /tmp/left; echo ${index} | tee /tmp/left; sleep ${pause}`),
    );
    const { doors, seen } = counted(tree);

    const verdict = await ground.verify(
      { tree, contract: contractWith(0), walls: wallsWith(checks, { concurrency: { ...oneCheck, checks: 2 } }) },
      { doors },
    );

    expect(seen.mostAtOnce).toBe(2);
    expect(new Set(seen.names).size).toBe(3);
    expect(verdict.checks.map(({ kind, state, head }) => [kind, state, head?.output])).toEqual([
      ['part-0', 'passed', '0\ncat: /tmp/left: No such file or directory'],
      ['part-1', 'passed', '1\ncat: /tmp/left: No such file or directory'],
      ['part-2', 'passed', '2\ncat: /tmp/left: No such file or directory'],
    ]);
  });

  it('runs one check after the other where policy says nothing', async () => {
    const tree = await treeWith({ 'src/slug.js': goodSlug });
    const checks = ['a', 'b'].map((kind) => check(kind, kind, 'sleep 0.2'));
    const { doors, seen } = counted(tree);

    await ground.verify({ tree, contract: contractWith(0), walls: wallsWith(checks) }, { doors });

    expect(seen).toMatchObject({ mostAtOnce: 1, names: { length: 2 } });
  });
});

const oneCheck = wallsWith([]).concurrency;

/** The ground's own fresh containers of head, counted while they are open. */
function counted(tree: string) {
  const whole = ground.doors(tree, true);
  const seen = { mostAtOnce: 0, names: [] as string[] };
  let open = 0;
  const openHead = async (): Promise<Sandbox> => {
    open += 1;
    seen.mostAtOnce = Math.max(seen.mostAtOnce, open);
    const sandbox = await whole.openHead();
    seen.names.push(sandbox.name);
    const close = sandbox[Symbol.asyncDispose].bind(sandbox);
    sandbox[Symbol.asyncDispose] = async () => {
      open -= 1;
      await close();
    };
    return sandbox;
  };
  return { doors: { openHead }, seen };
}
