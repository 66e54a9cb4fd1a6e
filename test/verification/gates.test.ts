import { describe, expect, it } from 'vitest';
import { isDefinitionFile } from '../../src/verification/definition-files.ts';
import { type DefinitionInput, judgeDefinitions } from '../../src/verification/definitions.ts';
import type { Execution } from '../../src/verification/execute.ts';
import { judgeExecutedTests } from '../../src/verification/executed-tests.ts';
import { lostExpectations, lostLiterals } from '../../src/verification/expectations.ts';
import type { FileVersions } from '../../src/verification/file-versions.ts';
import { meddlingTests } from '../../src/verification/meddling.ts';
import { judgeScope } from '../../src/verification/scope.ts';
import { judgeTestLoss } from '../../src/verification/test-loss.ts';
import { testMarkers } from '../../src/verification/test-markers.ts';
import { isTestCode } from '../../src/verification/test-paths.ts';
import { placesChanged, testPlaces } from '../../src/verification/test-places.ts';
import { check, wallsWith } from '../bench/bench-walls.ts';
import { checkVerdict, record } from '../report/sample-input.ts';

function version(path: string, before: string | null, after: string | null, from?: string): FileVersions {
  return { path, from, before, after, binary: false, typeChanged: false };
}

const definitions = (input: Partial<DefinitionInput>) =>
  judgeDefinitions({ files: [], checks: [], baseScripts: [], basePaths: [], baseDependencies: [], ...input });

describe('what a test file declares', () => {
  it.each([
    [
      'a.test.ts',
      "it('a', () => { expect(1).toBe(1) });\nit.each([1])('b', () => {});\n// it('c', …)\n'it(\\'d\\')'",
      2,
      1,
    ],
    [
      'test_a.py',
      'def test_a():\n    assert 1 == f()\n\nasync def test_b(self):\n    self.assertEqual(1, 2)\n# def test_c():\n',
      2,
      2,
    ],
    ['a_test.go', 'func TestA(t *testing.T) {\n\tif x { t.Fatal("no") }\n}\nfunc helper() {}\n', 1, 1],
    ['tests/a.rs', '#[test]\nfn a() { assert_eq!(1, f()); }\n#[tokio::test]\nasync fn b() { assert!(x); }\n', 2, 2],
    [
      'ATest.java',
      '@Test\nvoid a() { assertEquals(1, f()); }\n@ParameterizedTest\nvoid b() { assertTrue(x); }\n',
      2,
      2,
    ],
    ['a_spec.rb', "it 'is' do\n  expect(f).to eq(1)\nend\n", 1, 1],
  ])('%s', (path, text, tests, assertions) => {
    const markers = testMarkers(path, text);

    expect([markers.tests, markers.assertions]).toEqual([tests, assertions]);
  });

  it.each([
    ['a.test.ts', "it.skip('gone', () => {});", ['gone']],
    ['a.test.ts', "test('gone', { skip: true }, () => {});\ntest('kept', { skip: false }, () => {});", ['gone']],
    ['a.test.ts', "xit('gone', () => {});", ['gone']],
    [
      'test_a.py',
      '@pytest.mark.skipif(WIN, reason="x")\ndef test_gone():\n    pass\n\ndef test_kept():\n    pass\n',
      ['test_gone'],
    ],
    ['test_a.py', 'def test_gone():\n    pytest.skip("later")\n', ['test_gone']],
    ['a_test.go', 'func TestGone(t *testing.T) {\n\tt.Skip("later")\n}\n', ['TestGone']],
    ['tests/a.rs', '#[test]\n#[ignore]\nfn gone() {}\n', []],
  ])('which of them are skipped: %s %s', (path, text, skipped) => {
    const markers = testMarkers(path, text);

    expect(markers.skipped).toEqual(skipped);
    expect(markers.skipped.length + markers.skippedGroups).toBeGreaterThan(0);
  });

  it('is counted in linear time, whatever the text', () => {
    const started = Date.now();
    for (const text of [
      '\n'.repeat(300_000),
      "it('".repeat(100_000),
      '{ '.repeat(200_000),
      '/*'.repeat(200_000),
      '`'.repeat(200_001),
      '@Test '.repeat(50_000),
    ]) {
      testMarkers('a.test.ts', text);
      lostExpectations('a.test.ts', text, '');
    }
    for (const text of ['{[(\n'.repeat(200_000), "{test('a'\n".repeat(80_000), "{ { { { test('a'".repeat(60_000)])
      testPlaces('a.test.ts', text);
    testPlaces('test_a.py', '  def test_a():\n'.repeat(60_000));

    expect(Date.now() - started).toBeLessThan(5_000);
  });
});

describe('the place of a test', () => {
  const js = "describe('sum', () => {\n  test('adds', () => {});\n});\n";
  const py = 'class TestSum:\n    @fast\n    def test_adds(self):\n        pass\n';
  const changed = (path: string, before: string, after: string) =>
    placesChanged(testPlaces(path, before), testPlaces(path, after));

  it.each([
    ['a function around it', js.replace('describe(', 'const later = () => describe(')],
    ['a function in the line above', `const later = () =>\n${js}`],
    ['a condition around it', `if (false) {\n${js}}\n`],
    ['a call before it', js.replace('  test(', '  void 0 && test(')],
  ])('is another one with %s', (_, after) => {
    expect(changed('a.test.js', js, after)).toBe(true);
  });

  it.each([
    ['another class', py.replace('TestSum', 'Held')],
    ['another decorator', py.replace('@fast', '@fast\n    @never')],
    ['a condition', py.replace('class', 'if False:\n  class')],
  ])('is another one in %s', (_, after) => {
    expect(changed('test_a.py', py, after)).toBe(true);
  });

  it('is the same under another heading, beside more tests, and with another body', () => {
    const after = js
      .replace("'sum'", "'total'")
      .replace('  test(', "  test('more', () => {});\n  test(")
      .replace('{}', '{ x(); }');

    expect(changed('a.test.js', js, after)).toBe(false);
    expect(
      changed('test_a.py', py, `import os\n\n${py.replace('pass', 'assert x()')}\n    def test_b(self): pass\n`),
    ).toBe(false);
  });
});

describe('test loss', () => {
  const two = "test('a', () => { assert.equal(f(), 1); });\ntest('b', () => { assert.equal(g(), 2); });\n";

  it('is a note when the source went too, an objection when it stays', () => {
    const together = judgeTestLoss([version('src/f.js', 'x', null), version('test/f.test.js', two, null)]);
    const alone = judgeTestLoss([version('test/f.test.js', two, null)]);

    expect(together.objections).toEqual([]);
    expect(together.goneWithSource).toBe(2);
    expect(together.notes[0]).toContain('deleted together with its source src/f.js');
    expect(alone.objections[0]?.message).toContain('A test file with 2 tests was deleted');
  });

  it('is none when tests are moved, also by renaming the file', () => {
    const moved = judgeTestLoss([
      version('test/a.test.js', two, two.split('\n')[0] ?? ''),
      version('test/b.test.js', null, two.split('\n')[1] ?? ''),
    ]);
    const renamed = judgeTestLoss([version('test/new.test.js', two, two, 'test/old.test.js')]);

    expect(moved.objections).toEqual([]);
    expect(renamed.objections).toEqual([]);
  });

  it('is seen when a skipped test is given another name beside an easy new one', () => {
    const after = two.replace("test('a'", "test.skip('a later'").concat("test('easy', () => { assert.ok(f); });\n");

    expect(judgeTestLoss([version('test/f.test.js', two, after)]).objections.map(({ message }) => message)).toContain(
      'Tests are newly skipped.',
    );
  });

  it('lets new tests be skipped on some platform, with a note', () => {
    const after = `${two}test('c', { skip: process.platform === 'win32' }, () => { assert.ok(f()); });\n`;
    const loss = judgeTestLoss([version('test/f.test.js', two, after)]);

    expect(loss.objections).toEqual([]);
    expect(loss.notes[0]).toContain('new tests that are skipped');
  });
});

describe('a new test file that may reach into others', () => {
  it.each([
    ['test_a.py', 'import calc\ncalc.double = lambda n: n'],
    ['test_a.py', 'import sys\nsys.path.insert(0, "x")'],
    ['test_a.py', 'open("calc.py", "w")'],
    ['a.test.js', "import { writeFileSync } from 'node:fs';\nwriteFileSync('src/a.js', '');"],
    ['a.test.js', 'vi.spyOn(sum, "sum")'],
    ['a.test.js', 'Array.prototype.map = () => [];'],
  ])('is told by what it uses: %s %s', (path, text) => {
    expect(meddlingTests([version(path, null, text)])).toEqual([path]);
  });

  it('is none that only calls and compares, and none that was there before', () => {
    const plain =
      "import { sum } from '../src/sum.js';\nconst total = sum([1]);\nassert.equal(total, 1); // sys. setattr( write(\n";

    expect(meddlingTests([version('a.test.js', null, plain)])).toEqual([]);
    expect(meddlingTests([version('test_a.py', 'x', 'import sys\nsys.path.clear()')])).toEqual([]);
  });
});

describe('the number of tests that ran', () => {
  const ran = (executed: number | null, passed: number | null): Execution => ({
    record: record(0),
    runner: { executed, failures: [] },
    junit: passed === null ? null : { passed: Array.from({ length: passed }, String), failed: [], skipped: [] },
    workdir: '/workspace',
    blocked: [],
  });
  const objections = (base: Execution, head: Execution, gone = 0) =>
    judgeExecutedTests(
      [{ check: check('unit', 'Unit', 'x'), verdict: checkVerdict('unit', 'passed'), head, base }],
      gone,
    );

  it('may not fall, but for tests that went with their source', () => {
    expect(objections(ran(5, null), ran(5, null))).toEqual([]);
    expect(objections(ran(5, null), ran(4, null))[0]?.message).toBe('Unit ran 4 on head; on base it ran 5.');
    expect(objections(ran(5, null), ran(4, null), 1)).toEqual([]);
    expect(objections(ran(5, null), ran(null, null))).toHaveLength(1);
  });

  it('is not made up for by a report that the tests may write themselves', () => {
    expect(objections(ran(5, 5), ran(3, 500))).toHaveLength(1);
    expect(objections(ran(5, 5), ran(500, 3))).toHaveLength(1);
  });
});

describe('expectations', () => {
  const before = "import { f } from './f.js';\nassert.equal(f(1, 2), 3);\nexpect(g()).toEqual({ a: 'x' });\n";

  it.each([
    ['an import that moved', before.replace('./f.js', '../lib/f.js')],
    ['a function that was renamed', before.replaceAll('f(', 'sum(')],
    ['another order', before.split('\n').reverse().join('\n')],
    ['an added assertion', `${before}assert.equal(f(0), 0);\n`],
  ])('are not lost by %s', (_, after) => {
    expect(lostExpectations('a.test.js', before, after)).toEqual([]);
  });

  it.each([
    ['another value', before.replace('2), 3)', '2), 4)')],
    ['a weaker matcher', before.replace("toEqual({ a: 'x' })", 'toBeDefined()')],
    ['a removed assertion', before.replace('assert.equal(f(1, 2), 3);', '')],
  ])('are lost by %s', (_, after) => {
    expect(lostExpectations('a.test.js', before, after)).not.toEqual([]);
  });

  it('are lost when nobody waits for them any more', () => {
    expect(lostExpectations('a.test.js', before.replace('expect(', 'await expect('), before)).toEqual(['await']);
  });

  it('stand in the rows of a table and in inputs too, but in no title', () => {
    const table = "const rows = [['a b', 'a-b'], [7, null]];\ntest('slugs', () => {});\n";

    expect(lostLiterals('a.test.js', table, table.replace("'a-b'", "'a_b'"))).toEqual(["'a-b'"]);
    expect(lostLiterals('a.test.js', table, table.replace('null', 'true'))).toEqual(['null']);
    expect(lostLiterals('a.test.js', table, table.replace("'slugs'", "'makes slugs'"))).toEqual([]);
    expect(lostLiterals('a.test.js', table, `import x from 'x';\n${table}`)).toEqual([]);
  });
});

describe('what defines a check', () => {
  it.each([
    ...[
      'Makefile',
      'tools/ci.mk',
      'conftest.py',
      'tests/conftest.py',
      'vitest.config.ts',
      'packages/a/jest.config.cjs',
      '.mocharc.json',
      'pytest.ini',
      'tox.ini',
    ],
    ...[
      '.eslintrc.cjs',
      'eslint.config.mjs',
      'tsconfig.json',
      'tsconfig.build.json',
      'biome.json',
      '.prettierignore',
      'setup.cfg',
      'ruff.toml',
      '.golangci.yml',
    ],
    ...[
      '.npmrc',
      '.env',
      '.nvmrc',
      'node_modules/.bin/tsc',
      'sitecustomize.py',
      'src/__mocks__/fs.js',
      '.gitlab-ci.yml',
      'test/setup-tests.ts',
    ],
  ])('%s does', (path) => {
    expect(isDefinitionFile(path)).toBe(true);
  });

  it.each([
    'src/index.ts',
    'src/config.ts',
    'README.md',
    'test/sum.test.js',
    'src/makefile-parser.ts',
    'docs/vitest.md',
    'src/env.ts',
    'tasks.py',
  ])('%s does not', (path) => {
    expect(isDefinitionFile(path)).toBe(false);
  });

  it('is what a check or a script of base runs, but neither tests nor product code', () => {
    const checks = [
      check('unit', 'Unit', 'bash tools/verify.sh && node --test test/a.test.js && node src/main.js --smoke'),
    ];
    const changed = (path: string) =>
      definitions({ files: [version(path, 'a', 'b')], checks, baseScripts: ['node build/lint.mjs'] }).length;

    expect(
      ['tools/verify.sh', 'build/lint.mjs', 'test/a.test.js', 'src/main.js', 'tools/other.sh'].map(changed),
    ).toEqual([1, 1, 0, 0, 0]);
  });

  it('is a changed script, hook or setting of package.json, but no new script, version or dependency', () => {
    const base = { scripts: { test: 'vitest' }, devDependencies: { vitest: '^3.0.0' } };
    const judged = (change: object) =>
      definitions({
        files: [version('package.json', JSON.stringify(base), JSON.stringify({ ...base, ...change }))],
        checks: [check('types', 'Types', 'npm run types')],
      }).length;

    expect(judged({ scripts: { test: 'true' } })).toBe(1);
    expect(judged({ scripts: { test: 'vitest', posttest: 'true' } })).toBe(1);
    expect(judged({ scripts: { test: 'vitest', types: 'true' } })).toBe(1);
    expect(judged({ jest: { testPathIgnorePatterns: ['x'] } })).toBe(1);
    expect(judged({ devDependencies: { vitest: 'npm:fake@1' } })).toBe(1);
    expect(judged({ scripts: { test: 'vitest', preview: 'vite preview' } })).toBe(0);
    expect(judged({ version: '2.0.0', dependencies: { hono: '^4.0.0' } })).toBe(0);
    expect(judged({ devDependencies: { vitest: '^3.1.0' } })).toBe(0);
  });

  it('is a tool’s table of pyproject.toml, not its version or dependencies', () => {
    const base = '[project]\nversion = "1"\n\n[tool.pytest.ini_options]\naddopts = "-q"\n';
    const judged = (after: string) => definitions({ files: [version('pyproject.toml', base, after)] }).length;

    expect(judged(base.replace('"1"', '"2"'))).toBe(0);
    expect(judged(base.replace('-q', '-q --co'))).toBe(1);
  });
});

describe('scope and size', () => {
  const file = (path: string, more = {}) => ({
    path,
    status: 'modified' as const,
    oldMode: '100644',
    newMode: '100644',
    binary: false,
    added: 1,
    removed: 0,
    ...more,
  });
  const walls = wallsWith([]);
  walls.files = { ...walls.files, allow: [['src/**']], deny: ['src/secret/**'] };
  const gates = (...files: ReturnType<typeof file>[]) =>
    judgeScope(files, walls).map(({ gate, paths }) => `${gate} ${paths.join(' ')}`);

  it('count both paths of a rename', () => {
    expect(gates(file('src/a.js', { from: 'lib/a.js', status: 'renamed' }))).toEqual(['scope lib/a.js']);
  });

  it('know protected paths in any letter case, denied ones and submodules', () => {
    expect(gates(file('.GitHub/Workflows/x.yml'))).toEqual(['protected .GitHub/Workflows/x.yml']);
    expect(gates(file('src/secret/a.js'))).toEqual(['scope src/secret/a.js']);
    expect(gates(file('src/sub', { newMode: '160000' }))).toEqual(['patch src/sub']);
  });

  it('do not count companions into the size', () => {
    const huge = { added: 5000 };

    expect(judgeScope([file('package-lock.json', huge)], wallsWith([]))).toEqual([]);
    expect(judgeScope([file('src/a.js', huge)], wallsWith([])).map(({ gate }) => gate)).toEqual(['size']);
  });
});

describe('paths of tests', () => {
  it.each([
    'test/a.js',
    'src/a.test.ts',
    'src/__tests__/a.tsx',
    'tests/test_a.py',
    'pkg/a_test.go',
    'src/ATest.java',
    'spec/a_spec.rb',
    'a.cy.js',
  ])('%s is one', (path) => {
    expect(isTestCode(path)).toBe(true);
  });

  it.each(['src/latest.js', 'src/contest.py', 'src/attestation.go', 'docs/testing.md', 'src/testimony/a.js'])(
    '%s is none',
    (path) => {
      expect(isTestCode(path)).toBe(false);
    },
  );
});
