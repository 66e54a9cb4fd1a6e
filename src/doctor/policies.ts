import type { PolicyLayer } from '../contract/policy.ts';
import type { GitHub, RepositoryRef } from '../github/github.ts';
import { readFiles } from '../policy-source.ts';
import { SettingsError } from '../settings.ts';
import { type Finding, failed, ok, skipped } from './finding.ts';

/** Repositories whose policy is read at most: each costs two calls. */
const mostRepositories = 30;

/** The finding, and the policy for what is looked at next. */
export function checkOperatorPolicy(
  named: string | null,
  read: (named: string | null) => PolicyLayer | null,
): { finding: Finding; policy: PolicyLayer | null } {
  const name = 'operator policy';
  try {
    const policy = read(named);
    if (policy === null) return { finding: skipped(name, 'none: the defaults hold (docs/policy.md)'), policy };
    return { finding: ok(name, `${named ?? 'millwright.policy.yml'} is in order`), policy };
  } catch (error) {
    if (!(error instanceof SettingsError)) throw error;
    const finding = failed(name, error.problems.join('; '), 'Correct the file; docs/policy.md has every key.');
    return { finding, policy: null };
  }
}

/** The files of organisations and repositories where the app is installed. */
export async function checkRepositoryPolicies(github: GitHub): Promise<Finding[]> {
  const refs = await github.installedRepositories();
  const looked = refs.slice(0, mostRepositories);
  const findings: Finding[] = [];
  for (const ref of looked) findings.push(...(await checkOne(ref, github)));
  const bad = findings.length;
  const more = refs.length > looked.length ? ` of ${refs.length}` : '';
  if (bad === 0) findings.push(ok('repository policies', `${looked.length}${more} repositories looked at, no errors`));
  return findings;
}

async function checkOne(ref: RepositoryRef, github: GitHub): Promise<Finding[]> {
  const { problems } = await readFiles(github, ref);
  if (problems.length === 0) return [];
  const told = problems.map(({ file, line, message }) => `${file}:${line ?? 1}: ${message}`).join('; ');
  const fix = 'Correct it on the default branch; runs there wait until then.';
  return [failed(`policy of ${ref.owner}/${ref.name}`, told, fix)];
}
