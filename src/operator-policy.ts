import { lstatSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { type PolicyLayer, parsePolicyFile, problemText } from './contract/policy.ts';
import { type Needs, namedPolicy, readSettings, type Settings, SettingsError } from './settings.ts';

const usualPolicyFile = 'millwright.policy.yml';

/**
 * The operator ceiling; null when none is named and none stands in the working folder.
 * Errors: SettingsError with every problem of the file, each with file, line and key.
 */
export function readOperatorPolicy(named: string | null): PolicyLayer | null {
  const path = resolve(named ?? usualPolicyFile);
  // A link that leads nowhere is something: walls that someone meant to set must not fall away unseen.
  if (named === null && lstatSync(path, { throwIfNoEntry: false }) === undefined) return null;
  const parsed = parsePolicyFile(textOf(path), path, 'operator');
  if ('policy' in parsed) return parsed.policy;
  throw new SettingsError(parsed.problems.map(problemText));
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const what = code === 'ENOENT' ? 'does not exist' : `cannot be read (${code})`;
    throw new SettingsError([`MILLWRIGHT_POLICY: ${path} ${what}: expected the operator's policy file.`]);
  }
}

/** The settings of a process that serves. Errors: SettingsError with what is wrong with them and with the operator ceiling, at once. */
export function readServiceSettings(needs: readonly Needs[]): Settings {
  try {
    return readSettings(needs);
  } catch (error) {
    if (!(error instanceof SettingsError)) throw error;
    throw new SettingsError([...error.problems, ...policyProblems(namedPolicy())]);
  }
}

function policyProblems(named: string | null): readonly string[] {
  try {
    readOperatorPolicy(named);
    return [];
  } catch (error) {
    if (error instanceof SettingsError) return error.problems;
    throw error;
  }
}
