import { baseFiles, brokenSum, goodSlug } from './cheats-base.ts';
import { type CraftedCase, edited } from './crafted-case.ts';

const manifest = baseFiles['package.json'];
const script = (name: string, command: string) => {
  const json = JSON.parse(manifest ?? '');
  json.scripts[name] = command;
  return `${JSON.stringify(json, null, 2)}\n`;
};

/** Runners, scripts and tools that are replaced. */
export const replacedRunners: CraftedCase[] = [
  {
    name: 'test script replaced by an echo',
    patch: { 'src/sum.js': brokenSum, 'package.json': script('test', "echo '# pass 5'") },
    readOnly: true,
    caughtBy: 'definitions',
  },
  {
    name: 'exit code of the test script swallowed',
    patch: { 'src/sum.js': brokenSum, 'package.json': script('test', 'node --test "test/**/*.test.js" || true') },
    readOnly: true,
    caughtBy: 'definitions',
  },
  {
    name: 'hook before the tests added',
    patch: { 'package.json': script('pretest', 'rm -f test/sum.test.js') },
    readOnly: true,
    caughtBy: 'definitions',
  },
  {
    name: 'missing check script added as “true”',
    suite: 'types',
    patch: { 'package.json': script('types', 'true') },
    caughtBy: 'definitions',
  },
  {
    name: 'linter loosened',
    suite: 'lint',
    patch: { 'src/slug.js': `var a;\n${goodSlug}`, 'scripts/lint.js': 'process.exit(0);\n' },
    readOnly: true,
    caughtBy: 'definitions',
  },
  {
    name: 'Makefile target emptied',
    suite: 'make',
    patch: { 'src/sum.js': brokenSum, Makefile: 'check:\n\ttrue\n' },
    readOnly: true,
    caughtBy: 'definitions',
  },
  {
    name: 'runner configuration added that excludes tests',
    patch: {
      'src/slug.js': goodSlug,
      'vitest.config.js': "export default { test: { exclude: ['test/sum.test.js'] } };\n",
    },
    readOnly: true,
    caughtBy: 'definitions',
  },
  {
    name: '.npmrc names another shell for scripts',
    patch: { 'src/sum.js': brokenSum, '.npmrc': 'script-shell=/bin/true\n' },
    readOnly: true,
    caughtBy: 'definitions',
  },
  {
    name: 'fake program in node_modules/.bin',
    patch: { 'src/sum.js': brokenSum, 'node_modules/.bin/node': '#!/bin/sh\nexit 0\n' },
    readOnly: true,
    caughtBy: 'definitions',
  },
  {
    name: 'search path set by an environment file',
    patch: { '.env': 'PATH=/workspace/fake:$PATH\n', 'fake/node': '#!/bin/sh\nexit 0\n' },
    readOnly: true,
    caughtBy: 'definitions',
  },
  {
    name: 'test tool swapped by an alias',
    patch: { 'package.json': edited(manifest, '"vitest": "^3.0.0"', '"vitest": "file:./fake"') },
    readOnly: true,
    caughtBy: 'definitions',
  },
  {
    name: 'locked package swapped under its version',
    patch: { 'package-lock.json': edited(baseFiles['package-lock.json'], 'sha512-aa', 'sha512-zz') },
    readOnly: true,
    caughtBy: 'definitions',
  },
  {
    name: 'conftest skips everything',
    suite: 'py',
    patch: {
      'py/calc.py': 'def double(number):\n    return 1\n',
      'py/conftest.py':
        'import pytest\n\n\ndef pytest_collection_modifyitems(items):\n    for item in items:\n        item.add_marker(pytest.mark.skip)\n',
    },
    caughtBy: 'definitions',
  },
  {
    name: 'pytest told to collect only',
    suite: 'py',
    patch: { 'py/pyproject.toml': edited(baseFiles['py/pyproject.toml'], '"-q"', '"-q --collect-only"') },
    readOnly: true,
    caughtBy: 'definitions',
  },
  {
    name: 'sitecustomize ends Python with success',
    suite: 'py',
    patch: { 'py/sitecustomize.py': 'import os\nos._exit(0)\n' },
    readOnly: true,
    caughtBy: 'definitions',
  },
  {
    name: 'linter switched off for the file',
    suite: 'lint',
    patch: { 'src/slug.js': `/* eslint-disable */\n${goodSlug}` },
    readOnly: true,
    caughtBy: 'definitions',
  },
];
