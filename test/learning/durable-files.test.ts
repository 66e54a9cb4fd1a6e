import { spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { guardTest } from '../../src/learning/guard-test.ts';
import { missingFixture } from '../../src/learning/missing-fixture.ts';
import { undone, undoOf } from '../../src/learning/undo.ts';

const reading = (files: Record<string, string>) => async (path: string) => files[path] ?? null;
const id = '0a1b2c3d4e';

describe('the regression test for tests that were lost', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'guard-'));
  });
  afterEach(() => rm(folder, { recursive: true }));

  /** Whether the runner passes with these files. */
  async function passes(files: Record<string, string>, command: string, args: string[]): Promise<boolean> {
    for (const [path, text] of Object.entries(files)) {
      await mkdir(dirname(join(folder, path)), { recursive: true });
      await writeFile(join(folder, path), text);
    }
    // Not seen as a part of the run of this very test.
    const { NODE_TEST_CONTEXT: _, ...env } = process.env;
    return spawnSync(command, args, { cwd: folder, env }).status === 0;
  }

  test.each([
    ['a module', 'test/cart.test.mjs', "import { test } from 'node:test';\n"],
    ['a script', 'test/cart.test.cjs', "const { test } = require('node:test');\n"],
  ])('passes while they are there and fails when one goes: %s', async (_what, path, head) => {
    const titles = ['the `total` is "0"', "it's empty", 'a sum of $n'];
    const text = `${head}${titles.map((title) => `test(${JSON.stringify(title)}, () => {});\n`).join('')}`;
    const proposal = await guardTest(id, [path], reading({ [path]: text }));
    const files = { [path]: text, [proposal?.path ?? '']: proposal?.text ?? '' };
    const run = ['--test', proposal?.path ?? ''];

    const before = await passes(files, process.execPath, run);
    const after = await passes({ [path]: text.replace(/.*empty.*\n/, '') }, process.execPath, run);

    expect([before, after]).toEqual([true, false]);
    expect(proposal).toMatchObject({ what: 'a regression test', path: expect.stringContaining(`lesson-${id}.test.`) });
  });

  test('is written for the runner of the file: vitest, pytest, or one with its words in every file', async () => {
    const texts = {
      'src/a.spec.ts': "import { expect, test } from 'vitest';\ntest('adds', () => {});\n",
      'tests/test_sum.py': 'def test_adds():\n    assert 1\n',
      'src/b.test.js': "it('adds', () => {});\n",
      'cart_test.go': 'func TestAdds(t *testing.T) {}\n',
    };
    const made = async (path: string) => await guardTest(id, [path], reading(texts));

    expect((await made('src/a.spec.ts'))?.text).toContain("import { test } from 'vitest';");
    expect(await made('tests/test_sum.py')).toMatchObject({
      path: `tests/test_millwright_lesson_${id}.py`,
      text: expect.stringContaining('("tests/test_sum.py", "test_adds"),'),
    });
    expect((await made('src/b.test.js'))?.text).toContain('  it(`');
    expect(await made('cart_test.go')).toBeNull();
    expect(await made('gone.test.js')).toBeNull();
  });

  test('quotes names as nothing but literals', async () => {
    const path = 'a.test.js';
    const name = "x'); process.exit(1); //";
    const text = `test("${name}", () => {}); test('\u202egnp', () => {});`;

    const proposal = await guardTest(
      id,
      [path, 'b"];evil().test.js'],
      reading({ [path]: text, 'b"];evil().test.js': text }),
    );

    expect(proposal?.text).toContain(`["a.test.js", "${name}"],`);
    expect(proposal?.text).not.toMatch(/\u202e|evil/);
  });
});

describe('the fixture for a file that is not there', () => {
  test.each([
    ['cat: test/data/prices.csv: No such file or directory', 'test/data/prices.csv', '\n'],
    ["Error: ENOENT: no such file or directory, open './test/prices.json'", 'test/prices.json', '{}\n'],
    ["FileNotFoundError: [Errno 2] No such file or directory: 'data/rates.yml'", 'data/rates.yml', '{}\n'],
  ])('is that file, empty: %s', async (line, path, text) => {
    expect(await missingFixture('unit', [line], reading({}))).toMatchObject({ path, text, what: 'a fixture' });
  });

  test.each([
    ['one that is there', 'cat: here.json: No such file or directory'],
    ['a program', 'sh: build.sh: No such file or directory'],
    ['a hidden file', 'cat: .env.json: No such file or directory'],
    ['a place outside', 'cat: ../up.json: No such file or directory'],
    ['a place of the host', "ENOENT: no such file or directory, open '/etc/x.json'"],
    ['a protected place', 'cat: .github/workflows/x.yml: No such file or directory'],
    ['a name with markup', "ENOENT: no such file or directory, open 'a`@ada`.json'"],
  ])('is never %s', async (_what, line) => {
    expect(await missingFixture('unit', [line], reading({ 'here.json': '{}' }))).toBeNull();
  });
});

describe('a change of a lesson', () => {
  const before = 'a: 1\nlimits: { turns: 60 }\nb: 2\n';
  const after = 'a: 1\nlimits: { turns: 90 }\nb: 2\n';

  test('is taken back out of what people have changed around it', () => {
    const undo = undoOf(before, after);

    expect(undone(after, undo)).toBe(before);
    expect(undone(`# new\n${after}c: 3\n`, undo)).toBe(`# new\n${before}c: 3\n`);
  });

  test('that made a file takes the file back', () => {
    const undo = undoOf(null, 'new\n');

    expect(undone('new\n', undo)).toBe('gone');
  });

  test('stays where people have made it their own', () => {
    expect(undone(after.replace('90', '100'), undoOf(before, after))).toBeNull();
    expect(undone('newer\n', undoOf(null, 'new\n'))).toBeNull();
    expect(undone(`${after}${after}`, undoOf(before, after))).toBeNull();
  });

  test.each([
    ['first', 'x\n', 'y\nx\n'],
    ['last', 'x', 'x\ny'],
    ['added in the middle', 'x\nz\n', 'x\ny\nz\n'],
    ['repeated', 'x\nx\n', 'x\nx\nx\n'],
  ])('is found when it is %s', (_where, old, now) => {
    expect(undone(now, undoOf(old, now))).toBe(old);
  });
});
