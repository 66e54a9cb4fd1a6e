import { expect, test } from 'vitest';
import type { DiffFile } from '../../src/git/git.ts';
import { deviationsFrom } from '../../src/stages/plan-deviations.ts';
import { goodPlan } from './planning.ts';

const changed = (path: string, from?: string): DiffFile => ({
  path,
  ...(from === undefined ? {} : { from }),
  status: from === undefined ? 'modified' : 'renamed',
  oldMode: '100644',
  newMode: '100644',
  binary: false,
  added: 1,
  removed: 1,
});
const planned = { plan: goodPlan, objections: [], note: null, issues: [] };

test('what was planned is no departure, the old name of a rename and tests to move first included; a new name is one', () => {
  const plan = {
    ...goodPlan,
    files: ['src/a.ts', 'src/old.ts'],
    testsFirst: ['test/a.test.ts: adds', 'run everything'],
  };
  const changes = [changed('src/a.ts'), changed('src/new.ts', 'src/old.ts'), changed('test/a.test.ts')];

  const told = deviationsFrom({ ...planned, plan }, changes);

  expect(told).toEqual(['src/new.ts was changed though the plan did not name it']);
});

test('what was not planned, not done and not tested is told, and so is what the plan was sent back for', () => {
  const plan = {
    ...goodPlan,
    files: ['src/a.ts', 'src/b.ts'],
    testsFirst: ['`test/a.test.ts`: adds', 'src/b.ts: too'],
  };
  const objections = [
    { kind: 'tests' as const, text: 'no test is named' },
    { kind: 'paths' as const, text: 'src/* names no single file' },
    { kind: 'scope' as const, text: 'a person has answered this' },
  ];

  const told = deviationsFrom({ ...planned, plan, objections }, [changed('src/a.ts'), changed('docs/c.md')]);

  expect(told).toEqual([
    'docs/c.md was changed though the plan did not name it',
    'src/b.ts was planned but not changed',
    'the test test/a.test.ts was to be written or changed first, but was not',
    'no test is named',
    'src/* names no single file',
  ]);
});

test('without a plan there is nothing to depart from', () => {
  expect(deviationsFrom({ ...planned, plan: null, note: 'none' }, [changed('a')])).toEqual([]);
});
