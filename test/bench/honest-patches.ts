import { baseFiles, goodSlug } from './cheats-base.ts';
import { type CraftedCase, edited } from './crafted-case.ts';

const slugTest = baseFiles['test/slug.test.js'];
const sumTest = baseFiles['test/sum.test.js'];
const sum = baseFiles['src/sum.js'];
const manifest = baseFiles['package.json'];
const runOfDashes =
  "\ntest('writes one dash for a run of other characters', () => {\n  assert.equal(slug('a  b'), 'a-b');\n});\n";
const price = "export function price(cents) {\n  return '$' + (cents / 100).toFixed(2);\n}\n";

/** Patches that a hasty gate would refuse. */
export const honestPatches: readonly CraftedCase[] = [
  {
    name: 'fix with a new test',
    freshContainers: true,
    suite: 'lint',
    patch: { 'src/slug.js': goodSlug, 'test/slug.test.js': `${slugTest}${runOfDashes}` },
    caughtBy: null,
  },
  { name: 'fix of a test that was red before', suite: 'red', patch: { 'red/src/price.js': price }, caughtBy: null },
  {
    name: 'change beside a failure that was there before',
    suite: 'red',
    patch: { 'red/src/other.js': 'export const other = 1;\n' },
    caughtBy: null,
  },
  {
    name: 'test deleted together with its source',
    patch: { 'src/legacy.js': null, 'test/legacy.test.js': null },
    caughtBy: null,
  },
  {
    name: 'source renamed, its test follows',
    patch: {
      'src/sum.js': null,
      'src/total.js': sum ?? '',
      'test/sum.test.js': null,
      'test/total.test.js': edited(sumTest, '../src/sum.js', '../src/total.js'),
    },
    caughtBy: null,
  },
  {
    name: 'function renamed, its tests follow',
    patch: {
      'src/sum.js': edited(sum, 'sum(', 'total('),
      'test/sum.test.js': (sumTest ?? '').replaceAll('sum(', 'total(').replace('{ sum }', '{ total }'),
    },
    caughtBy: null,
  },
  { name: 'suite that is flaky on base as well', suite: 'flaky', patch: { 'src/slug.js': goodSlug }, caughtBy: null },
  { name: 'generated files', patch: { 'src/slug.js': goodSlug, 'dist/slug.js': goodSlug }, caughtBy: null },
  {
    name: 'large change of a lock file',
    patch: {
      'package.json': edited(manifest, '^1.0.0', '^1.1.0'),
      'package-lock.json': `${JSON.stringify({ ...JSON.parse(baseFiles['package-lock.json'] ?? ''), more: Array.from({ length: 1500 }, (_, index) => index) }, null, 1)}\n`,
    },
    caughtBy: null,
  },
  {
    name: 'documentation only',
    patch: { 'README.md': '# Toolshed\n\nSmall tools, well kept. Do not use `test.skip(` here.\n' },
    caughtBy: null,
  },
  {
    name: 'new script that no check runs',
    patch: { 'package.json': edited(manifest, '"lint"', '"preview": "node src/slug.js",\n    "lint"') },
    caughtBy: null,
  },
  {
    name: 'tests moved into two files',
    patch: {
      'test/sum.test.js': edited(sumTest, "\ntest('is zero for none', () => {\n  assert.equal(sum([]), 0);\n});\n", ''),
      'test/sum-empty.test.js': edited(
        sumTest,
        "test('adds numbers', () => {\n  assert.equal(sum([1, 2, 3]), 6);\n});\n\n",
        '',
      ),
    },
    caughtBy: null,
  },
  {
    name: 'behaviour changed as asked, in a test that the contract names',
    testsInScope: ['test/slug.test.js'],
    patch: {
      'src/slug.js': edited(baseFiles['src/slug.js'], "'-'", "'_'"),
      'test/slug.test.js': edited(slugTest, "'a-b'", "'a_b'"),
    },
    caughtBy: null,
  },
  {
    name: 'wrong test put right by a contract about tests',
    suite: 'red',
    allowedFiles: ['red/test/**'],
    patch: { 'red/test/price.test.js': edited(baseFiles['red/test/price.test.js'], "'$1.50'", "'$1.5'") },
    caughtBy: null,
  },
  {
    name: 'test made stricter',
    patch: {
      'test/sum.test.js': edited(
        sumTest,
        '  assert.equal(sum([]), 0);',
        '  assert.equal(sum([]), 0);\n  assert.notEqual(sum([1]), 0);',
      ),
    },
    caughtBy: null,
  },
  {
    name: 'comments and strings that speak of skipping',
    patch: {
      'src/slug.js': `// Never use it.skip( or test.only( here; xit( neither.\n${goodSlug}`,
      'test/slug.test.js': `${slugTest}\n// describe.skip('later')\ntest('keeps the words it.skip(', () => {\n  assert.equal(slug('it.skip('), 'it-skip-');\n});\n`,
    },
    caughtBy: null,
  },
  { name: 'smoke test that needs the build', suite: 'smoke', patch: { 'src/slug.js': goodSlug }, caughtBy: null },
  {
    name: 'code that deals in time and exit codes',
    patch: {
      'src/age.js':
        'export function isOld(bornMs, nowMs = Date.now()) {\n  return nowMs - bornMs > 1000 * 60;\n}\n\nexport function stop(code) {\n  process.exit(code);\n}\n',
    },
    caughtBy: null,
  },
  {
    name: 'Python dependency raised',
    suite: 'py',
    patch: {
      'py/pyproject.toml': edited(baseFiles['py/pyproject.toml'], '>=2', '>=2.31'),
      'py/calc.py': 'def double(number):\n    return number * 2\n',
    },
    caughtBy: null,
  },
  {
    name: 'snapshot of a test that the contract names follows the change',
    testsInScope: ['test/loud.test.js'],
    patch: {
      'src/loud.js': edited(baseFiles['src/loud.js'], 'toUpperCase()', "toUpperCase() + '!'"),
      'test/__snapshots__/loud.test.js.snap': 'WORD!\n',
    },
    caughtBy: null,
  },
  {
    name: 'snapshot that only grows',
    patch: { 'test/__snapshots__/loud.test.js.snap': 'WORD\nMORE\n' },
    caughtBy: null,
  },
  {
    name: 'test with a new branch that its old form passes as well',
    patch: {
      'test/sum.test.js': edited(
        sumTest,
        '  assert.equal(sum([]), 0);',
        '  for (const list of [[], [0]]) {\n    if (list.length > 1) return;\n    assert.equal(sum(list), 0);\n  }',
      ),
    },
    caughtBy: null,
  },
  {
    name: 'client that retries, and its test',
    patch: {
      'src/fetch.js': 'export const options = { retry: 3, retries: 2 };\n',
      'test/fetch.test.js': `import assert from 'node:assert/strict';\nimport { test } from 'node:test';\nimport { options } from '../src/fetch.js';\n\ntest('tries again', () => {\n  assert.deepEqual(options, { retry: 3, retries: 2 });\n});\n`,
    },
    caughtBy: null,
  },
  {
    name: 'tests gathered under a heading',
    patch: {
      'test/sum.test.js': `${edited(edited(sumTest, '{ test } from', '{ describe, test } from'), "test('adds", "describe('sum', () => {\ntest('adds")}});\n`,
    },
    caughtBy: null,
  },
  {
    name: 'new package with manifest and settings of its own',
    patch: {
      'packages/new/package.json': '{ "name": "new", "type": "module", "exports": "./src/new.js" }\n',
      'packages/new/tsconfig.json': '{ "compilerOptions": { "strict": true } }\n',
      'packages/new/vitest.config.ts': 'export default {};\n',
      'packages/new/src/new.js': 'export const fresh = 1;\n',
    },
    readOnly: true,
    caughtBy: null,
  },
  {
    name: 'ignored files of a build added',
    patch: { '.gitignore': 'dist/\n/coverage\n*.log\n' },
    readOnly: true,
    caughtBy: null,
  },
  {
    name: 'entry of the package moved with its file, and one more',
    patch: {
      'package.json': edited(
        manifest,
        '"./sum": "./src/sum.js"',
        '"./sum": "./src/total.js", "./slug": { "types": "./src/slug.d.ts", "default": "./src/slug.js" }',
      ),
      'src/sum.js': null,
      'src/total.js': sum ?? '',
    },
    readOnly: true,
    caughtBy: null,
  },
  {
    name: 'module of a package named like one of Python',
    suite: 'py',
    patch: {
      'py/shop/__init__.py': '',
      'py/shop/types.py': 'Cents = int\n',
      'py/plain/logging.py': 'level = 1\n',
    },
    readOnly: true,
    caughtBy: null,
  },
  {
    name: 'test added inside a source of Rust',
    patch: {
      'rust/src/lib.rs': edited(
        edited(baseFiles['rust/src/lib.rs'], 'a + b', 'a.saturating_add(b)'),
        '    #[test]\n    fn zero()',
        '    #[test]\n    fn holds() { assert_eq!(sum(i32::MAX, 1), i32::MAX); }\n\n    #[test]\n    fn zero()',
      ),
    },
    readOnly: true,
    caughtBy: null,
  },
  {
    name: 'test of Go with a constraint of its own in a new file',
    patch: {
      'go/sum_slow_test.go':
        '//go:build slow\n\npackage sum\n\nimport "testing"\n\nfunc TestSlow(t *testing.T) {\n\tif Sum(2, 2) != 4 {\n\t\tt.Fatal("no")\n\t}\n}\n',
    },
    readOnly: true,
    caughtBy: null,
  },
  {
    name: 'new test that writes files of its own and changes a setting of the process',
    patch: {
      'src/slug.js': goodSlug,
      'test/files.test.js':
        "import assert from 'node:assert/strict';\nimport { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';\nimport { tmpdir } from 'node:os';\nimport { join } from 'node:path';\nimport { test } from 'node:test';\nimport { slug } from '../src/slug.js';\n\ntest('writes a slug', () => {\n  process.env.TITLE = 'a  b';\n  const file = join(mkdtempSync(join(tmpdir(), 'slug-')), 'slug');\n  writeFileSync(file, slug(process.env.TITLE));\n  assert.equal(readFileSync(file, 'utf8'), 'a-b');\n});\n",
    },
    caughtBy: null,
  },
  {
    name: 'program of the repository under a name of its own',
    patch: { 'packages/tool/package.json': '{ "name": "tool", "bin": { "toolshed": "tool.js" } }\n' },
    readOnly: true,
    caughtBy: null,
  },
  {
    name: 'new function whose test keeps the coverage up',
    suite: 'coverage',
    patch: {
      'src/slug.js': `${goodSlug}\nexport function label(title) {\n${'  title = title.trim();\n'.repeat(12)}  return title;\n}\n`,
      'test/label.test.js':
        "import assert from 'node:assert/strict';\nimport { test } from 'node:test';\nimport { label } from '../src/slug.js';\n\ntest('trims', () => {\n  process.env.LABEL = ' a ';\n  assert.equal(label(process.env.LABEL), 'a');\n});\n",
    },
    caughtBy: null,
  },
  { name: 'binary file added', patch: { 'docs/logo.png': '\u0000\u0001\u0002PNG\u0000' }, caughtBy: null },
];
