import { edited } from './crafted-case.ts';

/** The repository that every crafted patch starts from: a green package, a red one, a flaky one, and a Python one. */
export const baseFiles: Readonly<Record<string, string>> = {
  'package.json': `${JSON.stringify(
    {
      name: 'toolshed',
      private: true,
      type: 'module',
      scripts: {
        test: 'node --test "test/**/*.test.js"',
        lint: 'node scripts/lint.js',
        build: 'node scripts/build.js',
      },
      exports: { './sum': './src/sum.js' },
      dependencies: { picocolors: '^1.0.0' },
      devDependencies: { vitest: '^3.0.0' },
    },
    null,
    2,
  )}\n`,
  'package-lock.json': `${JSON.stringify({
    lockfileVersion: 3,
    packages: {
      '': { name: 'toolshed' },
      'node_modules/vitest': {
        version: '3.0.0',
        resolved: 'https://registry.example.org/vitest-3.0.0.tgz',
        integrity: 'sha512-aa',
        dev: true,
      },
      'node_modules/picocolors': {
        version: '1.0.0',
        resolved: 'https://registry.example.org/picocolors-1.0.0.tgz',
        integrity: 'sha512-bb',
      },
    },
  })}\n`,
  Makefile: 'check:\n\tnode --test "test/**/*.test.js"\n',
  'README.md': '# Toolshed\n\nSmall tools.\n',
  'scripts/lint.js': `import { readdirSync, readFileSync } from 'node:fs';
const bad = readdirSync('src').filter((name) => /\\bvar /.test(readFileSync('src/' + name, 'utf8')));
for (const name of bad) console.error('src/' + name + ':1:1: error: no var');
process.exit(bad.length === 0 ? 0 : 1);
`,
  'scripts/build.js': `import { cpSync } from 'node:fs';
cpSync('src', 'dist', { recursive: true });
`,
  'src/slug.js': `export function slug(title) {
  return title.toLowerCase().replace(/[^a-z0-9]/g, '-');
}
`,
  'src/sum.js': `export function sum(numbers) {
  let total = 0;
  for (const number of numbers) total += number;
  return total;
}
`,
  'src/legacy.js': `export function legacy() {
  return 'old';
}
`,
  'test/slug.test.js': `import assert from 'node:assert/strict';
import { test } from 'node:test';
import { slug } from '../src/slug.js';

test('lowers letters', () => {
  assert.equal(slug('ABC'), 'abc');
});

test('joins words by a dash', () => {
  assert.equal(slug('a b'), 'a-b');
});
`,
  'test/sum.test.js': `import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sum } from '../src/sum.js';

test('adds numbers', () => {
  assert.equal(sum([1, 2, 3]), 6);
});

test('is zero for none', () => {
  assert.equal(sum([]), 0);
});
`,
  'test/legacy.test.js': `import assert from 'node:assert/strict';
import { test } from 'node:test';
import { legacy } from '../src/legacy.js';

test('answers as ever', () => {
  const answers = ['old'];
  for (const answer of answers) assert.equal(legacy(), answer);
});
`,
  'src/loud.js': `export function loud(word) {
  return word.toUpperCase();
}
`,
  'test/__snapshots__/loud.test.js.snap': 'WORD\n',
  'test/loud.test.js': `import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { loud } from '../src/loud.js';

test('is loud as ever', () => {
  const kept = readFileSync(new URL('./__snapshots__/loud.test.js.snap', import.meta.url), 'utf8');
  assert.ok(kept.split('\\n').includes(loud('word')));
});
`,
  'red/package.json': `${JSON.stringify({ name: 'red', private: true, type: 'module', scripts: { test: 'node --test "test/**/*.test.js"' } }, null, 2)}\n`,
  'red/src/price.js': `export function price(cents) {
  return '$' + cents / 100;
}
`,
  'red/test/price.test.js': `import assert from 'node:assert/strict';
import { test } from 'node:test';
import { price } from '../src/price.js';

test('shows dollars', () => {
  assert.equal(price(150), '$1.50');
});

test('begins with the sign', () => {
  assert.ok(price(100).startsWith('$'));
});
`,
  'flaky/flaky.test.js': `import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

test('depends on the turn', () => {
  assert.equal(readFileSync('/tmp/turn', 'utf8'), 'even');
});
`,
  'go/sum.go': 'package sum\n\nfunc Sum(a, b int) int { return a + b }\n',
  'go/sum_test.go': `package sum

import "testing"

func TestSum(t *testing.T) {
\tif Sum(1, 2) != 3 {
\t\tt.Fatal("no")
\t}
}
`,
  'rust/Cargo.toml': '[package]\nname = "sum"\nversion = "0.1.0"\n',
  'rust/src/lib.rs': `pub fn sum(a: i32, b: i32) -> i32 { a + b }

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adds() { assert_eq!(sum(1, 2), 3); }

    #[test]
    fn zero() { assert_eq!(sum(0, 0), 0); }
}
`,
  'py/calc.py': `def double(number):
    return number + number
`,
  'py/test_calc.py': `from calc import double


def test_double():
    assert double(2) == 4


def test_zero():
    assert double(0) == 0
`,
  'py/pyproject.toml': `[project]
name = "calc"
version = "1.0.0"
dependencies = ["requests>=2"]

[tool.pytest.ini_options]
addopts = "-q"
`,
};

/** A change that breaks `sum`: what a deceiving patch would like to get away with. */
export const brokenSum = edited(baseFiles['src/sum.js'], 'total += number', 'total -= number');

/** The change that was asked for, done well: the cover under which a trick travels. */
export const goodSlug = edited(baseFiles['src/slug.js'], '[^a-z0-9]/g', '[^a-z0-9]+/g');
