import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { revertSteps } from '../../src/report/revert-steps.ts';
import { revertCommands } from '../../src/report/rollback-section.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'revert-steps-'));
  git('init', '-q', '-b', 'main');
  commit('README');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const identity = ['-c', 'user.name=a', '-c', 'user.email=a@b', '-c', 'commit.gpgsign=false'];
const git = (...args: string[]) =>
  execFileSync('git', [...identity, ...args], { cwd: folder, encoding: 'utf8' }).trim();
/** Writes a file and commits it on the branch that is checked out. */
function commit(name: string): string {
  writeFileSync(join(folder, name), `${name}\n`);
  git('add', '.');
  git('commit', '-qm', name);
  return git('rev-parse', 'HEAD');
}
const on = (branch: string) => git('checkout', '-q', branch);
const merge = (branch: string) => git('merge', '-q', '--no-ff', '-m', `Merge ${branch}`, branch);
const history = (base: string, head: string) =>
  git('log', '--format=%H %P', `${base}..${head}`)
    .split('\n')
    .map((line) => line.split(' '))
    .map(([sha = '', ...parents]) => ({ commit: sha, parents }));

/** Runs what the report tells people to run. */
function revert(): { left: string; commands: string[] } {
  const [base, head] = [git('rev-parse', 'main'), git('rev-parse', 'work')];
  const commands = revertCommands(revertSteps(base, head, history(base, head)));
  on('work');
  for (const command of commands) git(...command.split(' ').slice(1));
  return { left: git('diff', '--name-only', base), commands };
}

test('a line of commits is reverted as one range', () => {
  git('checkout', '-qb', 'work');
  commit('one');
  commit('two');

  const { left, commands } = revert();

  expect(left).toBe('');
  expect(commands).toHaveLength(1);
});

test.each(['head', 'in between', 'twice'])('a base that was taken into the branch stays (%s)', (where) => {
  git('checkout', '-qb', 'work');
  commit('one');
  for (const _time of where === 'twice' ? [1, 2] : [1]) {
    on('main');
    commit(`main-${_time}`);
    on('work');
    merge('main');
    if (where !== 'head') commit(`two-${_time}`);
  }

  const { left, commands } = revert();

  expect(left).toBe('');
  expect(commands).toHaveLength(where === 'head' ? 1 : 2);
});

test('another branch that a person merged into it goes as well', () => {
  git('checkout', '-qb', 'work');
  commit('one');
  git('checkout', '-qb', 'side');
  commit('side-one');
  commit('side-two');
  on('work');
  commit('two');
  merge('side');
  commit('three');

  const { left, commands } = revert();

  expect(left).toBe('');
  expect(commands).toHaveLength(3);
});

test('a history that is not all there is told as one range', () => {
  expect(revertSteps('b', 'h', [{ commit: 'h', parents: ['x'] }])).toEqual([{ from: 'b', to: 'h' }]);
});
