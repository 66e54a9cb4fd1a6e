import { z } from 'zod';
import { combineWalls } from '../contract/combine.ts';
import { type Contract, contractSchema, type Problem } from '../contract/contract.ts';
import { judgeTestable, parseContract } from '../contract/parse.ts';
import { problemText } from '../contract/policy.ts';
import { type Narrowing, type Refusal, roleSatisfies, type Walls, wallsSchema } from '../contract/walls.ts';
import type { Git, Remote } from '../git/git.ts';
import type { RepositoryGitHub, Role } from '../github/github.ts';
import type { PolicyLayers } from '../policy-source.ts';
import { Outcome, type Run } from '../run.ts';

/** What intake found out, pinned for the whole run. */
export const IntakeResult = z.object({
  /** `ready` goes on; `refused` waits for a better contract or policy; `approval` waits for `/approve`. */
  kind: z.enum(['ready', 'refused', 'approval']),
  contract: contractSchema.nullable(),
  problems: z.array(z.custom<Problem>()),
  refusals: z.array(z.custom<Refusal>()),
  walls: wallsSchema.nullable(),
  narrowed: z.array(z.custom<Narrowing>()),
  base: z.object({ branch: z.string(), commit: z.string() }).nullable(),
  outcome: Outcome.nullable(),
});
export type IntakeResult = z.infer<typeof IntakeResult>;

export interface IntakeNeeds {
  run: Run;
  layers: PolicyLayers;
  heldSecrets: readonly string[];
  remote: Remote;
  /** Prices known and a money limit set, or neither: else the run is refused (SPEC §8). */
  defaultModel: string;
}

/**
 * Stage 1: no testable "done", no start. Reads the pinned text, never the issue as it is now.
 * Who started is asked of GitHub, never taken from a name; the base commit is pinned here.
 */
export async function intake(
  needs: IntakeNeeds,
  doors: { github: RepositoryGitHub; git: Git },
  signal: AbortSignal,
): Promise<IntakeResult> {
  const { run, layers } = needs;
  const parsed = parseContract(run.request.body);
  const problems = [...parsed.problems];
  if (layers.problems.length > 0) return refusedPolicy(parsed.contract, problems, layers);
  if (parsed.contract) problems.push(...judgeTestable(parsed.contract, defaultsOf(layers)));
  const combined = parsed.contract
    ? combineWalls({
        operator: layers.operator,
        organization: layers.organization,
        repository: layers.repository,
        contract: parsed.contract,
        repositoryName: `${run.owner}/${run.name}`,
        heldSecrets: [...needs.heldSecrets],
      })
    : null;
  const found = {
    contract: parsed.contract,
    problems,
    walls: combined?.walls ?? null,
    narrowed: [...(combined?.narrowed ?? []), ...withheldGrants(needs)],
  };
  const refusals = [...(combined?.refused ?? []), ...unpricedModel(combined?.walls ?? null, needs.defaultModel)];

  const stranger = combined ? await notAllowedToStart(run, combined.walls, doors.github) : null;
  if (stranger) return { ...found, refusals, kind: 'refused', base: null, outcome: stranger };
  if (!combined || refusals.length > 0 || problems.some((problem) => problem.blocking)) {
    return { ...found, refusals, kind: 'refused', base: null, outcome: refusedOutcome(problems, refusals) };
  }
  const approval = await needsApproval(run, combined.walls, doors.github);
  if (approval) return { ...found, refusals, kind: 'approval', base: null, outcome: approval };

  const { defaultBranch } = await doors.github.facts();
  const commit = await doors.git.fetch(needs.remote, `refs/heads/${defaultBranch}`, signal);
  return { ...found, refusals, kind: 'ready', base: { branch: defaultBranch, commit }, outcome: null };
}

/** What the files say where the contract is silent. */
function defaultsOf({ repository, organization, operator }: PolicyLayers) {
  const allow = repository?.files?.allow ?? organization?.files?.allow ?? operator?.files?.allow;
  return { files: { allow }, checks: { ...operator?.checks, ...organization?.checks, ...repository?.checks } };
}

/** Said wherever the name was another repository's before, so that nobody wonders why the operator's grants do not count. */
function withheldGrants({ run, layers }: IntakeNeeds): Narrowing[] {
  if (!layers.withheld) return [];
  const name = `${run.owner}/${run.name}`;
  const granted = `nothing: another repository had this name before. The operator decides: millwright trust ${name}`;
  return [{ key: 'for', asked: `what the operator grants to ${name}`, granted, by: 'operator' }];
}

function refusedPolicy(contract: Contract | null, problems: Problem[], layers: PolicyLayers): IntakeResult {
  const text = 'The policy cannot be read; a run starts once it is mended and the label is put on again.';
  const detail = layers.problems.map(problemText).join('\n');
  const outcome = { code: 'policy-invalid', text, question: null, detail };
  return { kind: 'refused', contract, problems, refusals: [], walls: null, narrowed: [], base: null, outcome };
}

function refusedOutcome(problems: readonly Problem[], refusals: readonly Refusal[]): Outcome {
  const untestable = problems.some((problem) => problem.blocking);
  return {
    code: untestable || refusals.length === 0 ? 'contract-untestable' : 'not-granted',
    text: untestable
      ? 'The contract is not testable yet. Edit the issue, then take the label off and put it on again.'
      : 'The contract asks for something that the policy does not grant. Change the contract or the policy, then put the label on again.',
    question: null,
    detail: null,
  };
}

/** SPEC §8: with an unknown price dollars are not enforced, so a dollar limit cannot be kept. */
function unpricedModel(walls: Walls | null, defaultModel: string): Refusal[] {
  if (!walls) return [];
  const limited = [
    walls.limits.dollars,
    walls.budget.dollarsPerIssue,
    walls.budget.dollarsPerDay,
    walls.budget.orgDollarsPerDay,
  ];
  if (limited.every((limit) => limit === null)) return [];
  const names = new Set([
    walls.model.name ?? defaultModel,
    ...Object.values(walls.model.perStage).flatMap((choice) => choice.name ?? []),
  ]);
  return [...names]
    .filter((name) => !Object.hasOwn(walls.model.prices, name))
    .map((name) => ({
      key: 'model.prices',
      name,
      message:
        'A money limit is set, but the price of this model is unknown. The operator adds it to `model.prices`, or the limit goes.',
    }));
}

async function notAllowedToStart(run: Run, walls: Walls, github: RepositoryGitHub): Promise<Outcome | null> {
  const { labeller } = run.request;
  if (await mayStart(labeller, walls, github)) return null;
  return {
    code: 'labeller-not-allowed',
    text: mayNotStart(labeller, walls),
    question: null,
    detail: null,
  };
}

export function mayNotStart(labeller: string, walls: Walls): string {
  const why = labeller.endsWith('[bot]')
    ? 'bots may only where `roles.bots` lists them'
    : `the role ${walls.roles.start} is needed`;
  return `${labeller} may not start runs here: ${why}. Someone who may takes the label off and puts it on again.`;
}

/** The author's or last editor's text counts only when a person with the role stands behind this very revision. */
async function needsApproval(run: Run, walls: Walls, github: RepositoryGitHub): Promise<Outcome | null> {
  const { author, editor, revision, approved } = run.request;
  if (approved.some((approval) => approval.gate === 'intake' && approval.revision === revision)) return null;
  const untrusted: string[] = [];
  for (const login of new Set([author, editor ?? author])) {
    if (!(await mayStart(login, walls, github))) untrusted.push(login);
  }
  if (untrusted.length === 0) return null;
  return {
    code: 'approval-needed',
    text: 'The text was written or edited by someone who may not start runs here.',
    question: `Is this contract, as parsed below, what should be done? Someone with the role ${walls.roles.start} answers /approve.`,
    detail: null,
  };
}

export async function mayStart(login: string, walls: Walls, github: RepositoryGitHub): Promise<boolean> {
  // A bot only when it is listed; a person who has the bot's bare name is someone else.
  if (login.endsWith('[bot]')) {
    const names = [login, login.slice(0, -'[bot]'.length)].map((name) => name.toLowerCase());
    return walls.roles.bots.some((listed) => names.includes(listed.toLowerCase()));
  }
  return holds(await github.roleOf(login), walls.roles.start);
}

export function holds(role: Role, needed: Walls['roles']['start']): boolean {
  return role !== 'none' && roleSatisfies(role, needed);
}
