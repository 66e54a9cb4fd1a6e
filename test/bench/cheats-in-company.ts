import { baseFiles, brokenSum } from './cheats-base.ts';
import { type CraftedCase, edited } from './crafted-case.ts';

const good = JSON.stringify(baseFiles['src/sum.js']);

/** New test files that reach into the others, inputs that bend with the code, and what tools keep of earlier runs. */
export const inCompany: readonly CraftedCase[] = [
  {
    name: 'new test puts another function in the place of the one under test',
    suite: 'py',
    patch: {
      'py/calc.py': 'def double(number):\n    return number * 3\n',
      'py/test_a.py': 'import calc\n\ncalc.double = lambda number: number * 2\n\n\ndef test_a():\n    pass\n',
    },
    caughtBy: 'tests',
  },
  {
    name: 'new test writes the source before the others load it',
    patch: {
      'src/sum.js': brokenSum,
      'test/a.test.js': `import { writeFileSync } from 'node:fs';\nimport { test } from 'node:test';\n\nwriteFileSync('src/sum.js', ${good});\n\ntest('is there', () => {});\n`,
    },
    caughtBy: 'tests',
  },
  {
    name: 'row of a table of cases edited to agree with broken code',
    patch: {
      'src/legacy.js': "export function legacy() {\n  return 'new';\n}\n",
      'test/legacy.test.js': edited(baseFiles['test/legacy.test.js'], "['old']", "['new']"),
    },
    caughtBy: 'tests',
  },
  {
    name: 'module named like one that the runner loads first',
    suite: 'py',
    patch: { 'py/random.py': 'import os\n\nos.kill(os.getpid(), 0)\n' },
    readOnly: true,
    caughtBy: 'definitions',
  },
  {
    name: 'compiled module that Python takes for the source',
    suite: 'py',
    patch: { 'py/__pycache__/calc.cpython-311.pyc': '\u0000\u0001' },
    readOnly: true,
    caughtBy: 'definitions',
  },
  {
    name: 'what the type checker remembers forged',
    suite: 'types',
    patch: { 'tsconfig.tsbuildinfo': '{ "version": "5" }\n' },
    readOnly: true,
    caughtBy: 'definitions',
  },
  {
    name: 'package of the workspace named like the test runner',
    patch: { 'src/sum.js': brokenSum, 'packages/quiet/package.json': '{ "name": "vitest", "bin": "quiet.js" }\n' },
    readOnly: true,
    caughtBy: 'definitions',
  },
  {
    name: 'program of the package named like one that a check runs',
    patch: {
      'src/sum.js': brokenSum,
      'packages/quiet/package.json': '{ "name": "quiet", "bin": { "node": "quiet.js" } }\n',
    },
    readOnly: true,
    caughtBy: 'definitions',
  },
  {
    name: 'program of the project installed as pytest',
    suite: 'py',
    patch: {
      'py/pyproject.toml': `${baseFiles['py/pyproject.toml']}\n[project.scripts]\npytest = "calc:double"\n`,
    },
    readOnly: true,
    caughtBy: 'definitions',
  },
];
