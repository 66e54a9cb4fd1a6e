import { combineWalls } from './contract/combine.ts';
import { emptyContract } from './contract/contract.ts';
import { type PolicyLayer, type PolicyProblem, parsePolicyFile } from './contract/policy.ts';
import { withoutGrants } from './contract/policy-layers.ts';
import type { Walls } from './contract/walls.ts';
import { type Doors, repositoryKey } from './doors.ts';
import { isTrusted } from './engine/repositories.ts';
import type { GitHub, RepositoryGitHub, RepositoryRef } from './github/github.ts';

/** Where a repository and an organisation keep their policy. */
export const policyPath = '.github/millwright.yml';

export interface PolicyLayers {
  operator: PolicyLayer | null;
  /** Whether grants of the operator are left out of `operator`, because the name was another repository's before. */
  withheld: boolean;
  organization: PolicyLayer | null;
  repository: PolicyLayer | null;
  /** Errors of the files, with file, line and key. A run does not start while there are any. */
  problems: PolicyProblem[];
}

/** Reads the layers as they stand now: the organisation's file and the repository's, each from its default branch only. */
export async function readLayers(
  doors: Pick<Doors, 'github' | 'db' | 'host'>,
  ref: RepositoryRef,
): Promise<PolicyLayers> {
  const { operatorPolicy, githubHost } = doors.host;
  const withheld = operatorPolicy !== null && !(await isTrusted(doors.db, repositoryKey(githubHost, ref)));
  const operator = withheld ? withoutGrants(operatorPolicy) : operatorPolicy;
  return { operator, withheld, ...(await readFiles(doors.github, ref)) };
}

/** The files that people keep on GitHub. */
export async function readFiles(
  github: GitHub,
  ref: RepositoryRef,
): Promise<Pick<PolicyLayers, 'organization' | 'repository' | 'problems'>> {
  const [organization, repository] = await Promise.all([
    readLayer(github.repository({ ...ref, name: '.github' }), 'organization', `${ref.owner}/.github/${policyPath}`),
    readLayer(github.repository(ref), 'repository', policyPath),
  ]);
  return {
    organization: organization.policy,
    repository: repository.policy,
    problems: [...organization.problems, ...repository.problems],
  };
}

async function readLayer(
  github: RepositoryGitHub,
  layer: 'organization' | 'repository',
  fileName: string,
): Promise<{ policy: PolicyLayer | null; problems: PolicyProblem[] }> {
  const found = await github.readFile(policyPath);
  if (found === null) return { policy: null, problems: [] };
  // Something stands there and cannot be read: walls that someone meant to set must not fall away unseen.
  if ('problem' in found)
    return {
      policy: null,
      problems: [
        {
          file: fileName,
          line: null,
          key: '',
          expected: 'a policy file',
          message: `It ${found.problem}: put a file there.`,
        },
      ],
    };
  const parsed = parsePolicyFile(found.text, fileName, layer);
  return 'policy' in parsed ? { policy: parsed.policy, problems: [] } : { policy: null, problems: parsed.problems };
}

/**
 * The walls before any contract asks for something: who may do what, and how many runs at once. While a file cannot be read, nobody knows whom
 * it keeps out: only admins steer then. Stopping stays with those who may usually.
 */
export function wallsWithoutContract(layers: PolicyLayers, doors: Pick<Doors, 'host'>, ref: RepositoryRef): Walls {
  const { walls } = combineWalls({
    operator: layers.operator,
    organization: layers.organization,
    repository: layers.repository,
    contract: emptyContract(),
    repositoryName: `${ref.owner}/${ref.name}`,
    heldSecrets: Object.keys(doors.host.secrets),
  });
  if (layers.problems.length === 0) return walls;
  return { ...walls, roles: { ...walls.roles, start: 'admin', command: 'admin', waive: 'admin', bots: [] } };
}
