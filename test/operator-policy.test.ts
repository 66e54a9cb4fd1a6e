import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { readOperatorPolicy, readServiceSettings } from '../src/operator-policy.ts';
import { SettingsError } from '../src/settings.ts';

let folder: string;
const before = process.cwd();
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'operator-policy-'));
  process.chdir(folder);
});
afterEach(() => {
  process.chdir(before);
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true });
});

const problemsOf = (work: () => unknown): readonly string[] => {
  try {
    work();
  } catch (error) {
    if (error instanceof SettingsError) return error.problems;
    throw error;
  }
  return [];
};

test('without a file there is no ceiling; one in the working folder counts, and one that is named', () => {
  expect(readOperatorPolicy(null)).toBeNull();
  writeFileSync('millwright.policy.yml', 'plan: approve\n');
  writeFileSync('other.yml', 'learn: off\n');

  expect(readOperatorPolicy(null)).toEqual({ plan: 'approve' });
  expect(readOperatorPolicy('other.yml')).toEqual({ learn: 'off' });
});

test('a link that leads nowhere is no missing file', () => {
  symlinkSync('/nowhere/ceiling.yml', 'millwright.policy.yml');

  expect(problemsOf(() => readOperatorPolicy(null))).toEqual([
    expect.stringMatching(/millwright\.policy\.yml does not exist/),
  ]);
});

test('what cannot be read is named, not thrown as it comes', () => {
  mkdirSync('ceiling.yml');

  expect(problemsOf(() => readOperatorPolicy('ceiling.yml'))).toEqual([
    expect.stringMatching(/^MILLWRIGHT_POLICY: .*ceiling\.yml cannot be read \(EISDIR\)/),
  ]);
});

test('what is wrong with the environment and with the ceiling is said at once', () => {
  writeFileSync('ceiling.yml', 'limits: { turns: many }\n');
  vi.stubEnv('MILLWRIGHT_POLICY', 'ceiling.yml');
  vi.stubEnv('RECONCILE_MINUTES', 'often');
  vi.stubEnv('DATABASE_URL', 'postgres://millwright:100%@db/millwright');

  const problems = problemsOf(() => readServiceSettings([])).join('\n');

  expect(problems).toMatch(/RECONCILE_MINUTES/);
  expect(problems).toMatch(/DATABASE_URL.*`%25`/);
  expect(problems).toMatch(/ceiling\.yml:1: limits\.turns: /);
});

test('a folder in the place of .env is named', () => {
  mkdirSync('.env');

  expect(problemsOf(() => readServiceSettings([])).join()).toMatch(/^\.env cannot be read/);
});
