import { expect, test } from 'vitest';
import { nodeProblem } from '../src/cli/node-version.ts';

test('a Node that is too old is named, with what to do, instead of failing somewhere', () => {
  expect(nodeProblem('v20.20.2')).toMatch(/needs Node 24 or newer, and this is v20\.20\.2.*npx node/);
  expect(['v24.0.0', 'v25.1.0', process.version].map(nodeProblem)).toEqual([null, null, null]);
});
