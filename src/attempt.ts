import { z } from 'zod';
import { type Budget, budgetedModel, createBudget, type SpendClause, type SpendLedger } from './agent/budget.ts';
import { newNonce } from './agent/fence.ts';
import { watchPrompts } from './agent/prefix.ts';
import type { Contract } from './contract/contract.ts';
import { amendFiles } from './contract/globs.ts';
import { type ServerAddress, serversFor } from './contract/mcp-servers.ts';
import { issueLimitUsd } from './contract/money.ts';
import { revisionOfContract } from './contract/revision.ts';
import type { Narrowing, Walls } from './contract/walls.ts';
import { type Doors, mirrorKey } from './doors.ts';
import type { Lease } from './engine/claim.ts';
import { append } from './engine/ledger.ts';
import { idOf } from './engine/repositories.ts';
import { getRun } from './engine/runs.ts';
import { reserve, type Budget as SharedBudget, settle, spentOn } from './engine/spend.ts';
import { MillwrightError } from './errors.ts';
import type { Remote } from './git/git.ts';
import type { RepositoryGitHub, RepositoryRef } from './github/github.ts';
import type { Model, ModelReply, ModelRequest } from './model/model.ts';
import { costUsd } from './model/prices.ts';
import type { Run, StageName } from './run.ts';
import type { IntakeResult } from './stages/intake.ts';
import { createMask } from './verification/mask.ts';

/** What every stage of one attempt works from: the amended contract and walls, the pinned base, the paid model, the record. */
export interface Attempt {
  run: Run;
  lease: Lease;
  ref: RepositoryRef;
  /** Key of mirrors and caches. */
  repository: string;
  remote: Remote;
  github: RepositoryGitHub;
  contract: Contract;
  /** `sha256:…` of the contract with what `/allow` added. */
  revision: string;
  walls: Walls;
  /** What was asked for beyond the walls, and what of it was granted. */
  narrowed: readonly Narrowing[];
  base: { branch: string; commit: string };
  budget: Budget;
  /** Every call is paid for from the issue's ledger and recorded. */
  model(stage: StageName): { name: string; effort: string | null; door: Model };
  /** Marks untrusted text in prompts; new for each attempt. */
  nonce: string;
  /** Values of the granted secrets, by name: for the sandbox only. */
  secrets: Readonly<Record<string, string>>;
  /** Where the operator has MCP servers, by name, with their credentials: for the app alone. */
  servers: ReadonlyMap<string, ServerAddress>;
  mask: (text: string) => string;
  record(kind: string, data: unknown): Promise<void>;
  signal: AbortSignal;
  deadlineMs: number;
}

/** The remote of a run's repository as git and the mirrors know it. Errors: `outside.repository-gone`, also when its name is another's now. */
export async function remoteOf(run: Run, github: RepositoryGitHub, { db }: Pick<Doors, 'db'>): Promise<Remote> {
  const { cloneUrl, id } = await github.facts();
  const known = await idOf(db, run.repository);
  if (known !== null && known !== id)
    throw new MillwrightError('outside.repository-gone', { message: 'another repository has this name now' });
  return {
    repository: mirrorKey(run.repository, id),
    url: cloneUrl,
    token: (renew) => github.gitToken(renew),
  };
}

export interface AcceptedIntake extends IntakeResult {
  contract: Contract;
  walls: Walls;
  base: { branch: string; commit: string };
}

export async function openAttempt(
  lease: Lease,
  accepted: AcceptedIntake,
  remote: Remote,
  doors: Doors,
  signal: AbortSignal,
): Promise<Attempt> {
  const { run } = lease;
  const ref = { installationId: run.installationId, owner: run.owner, name: run.name };
  const { contract, walls } = amended(
    accepted,
    run.request.allowed.map((entry) => entry.glob),
  );
  const secrets = Object.fromEntries(
    walls.secrets.flatMap((name) => (doors.host.secrets[name] ? [[name, doors.host.secrets[name]]] : [])),
  );
  const servers = serversFor(doors.host.operatorPolicy, `${run.owner}/${run.name}`, doors.host.secrets);
  const mask = createMask({ ...secrets, ...credentialsOf(servers) });
  const record = recordOf(run, walls, mask, doors);
  const { budget, model } = await payingModel({ run, walls, record, mask }, doors);
  return {
    run,
    lease,
    ref,
    repository: remote.repository,
    remote,
    github: doors.github.repository(ref),
    contract,
    revision: run.request.allowed.length === 0 ? run.request.revision : revisionOfContract(contract),
    walls,
    narrowed: accepted.narrowed,
    base: accepted.base,
    budget,
    model: (stage) => (stage === 'build' ? { ...model(stage), door: doors.model } : model(stage)),
    nonce: newNonce(),
    secrets,
    servers,
    mask,
    record,
    signal,
    deadlineMs: doors.clock.nowMs() + (walls.limits.minutes + 60) * 60_000,
  };
}

/** A server may send back what we sent to it. */
function credentialsOf(servers: ReadonlyMap<string, ServerAddress>): Record<string, string> {
  const hidden = [...servers.values()].flatMap((server) =>
    server.hidden.map((value, index) => [`of MCP server ${server.name} ${index + 1}`, value]),
  );
  return Object.fromEntries(hidden);
}

/** The model as a run pays for it: every call out of the issue's ledger and the policy's budgets, recorded and masked. */
export async function payingModel(
  { run, walls, record, mask }: Pick<Attempt, 'run' | 'walls' | 'record' | 'mask'>,
  doors: Pick<Doors, 'db' | 'clock' | 'model' | 'host'>,
): Promise<Pick<Attempt, 'budget' | 'model'>> {
  const choice = (stage: StageName) => ({
    name: walls.model.perStage[stage]?.name ?? walls.model.name ?? doors.host.modelName,
    effort: walls.model.perStage[stage]?.effort ?? walls.model.effort,
  });
  const price = walls.model.prices[choice('build').name] ?? null;
  const spent = await spentOn(doors.db, issueKeyOf(run));
  const budget = createBudget({
    limits: { tokens: walls.limits.tokens, dollars: walls.limits.dollars },
    price,
    prices: walls.model.prices,
    spent: {
      tokens: spent.tokens + spent.reservedTokens,
      dollars: price === null ? null : spent.usd + spent.reservedUsd,
    },
    ledger: spendLedger(run, walls, doors),
  });
  return {
    budget,
    model: (stage) => ({
      ...choice(stage),
      door: budgetedModel(recordedModel(doors.model, stage, record, mask), budget),
    }),
  };
}

/** The record of one attempt in the ledger: secrets masked, each model call with its price. */
export function recordOf(
  run: Pick<Run, 'id' | 'attempt'>,
  walls: Walls,
  mask: (text: string) => string,
  { db }: Pick<Doors, 'db'>,
): Attempt['record'] {
  return (kind, data) =>
    append(db, {
      runId: run.id,
      attempt: run.attempt,
      kind,
      data: maskDeep(kind === 'model.call' ? withCost(data, walls) : data, mask),
    });
}

/** Takes up what `/allow` and `/waive` have added to the request since the attempt was opened, for its next verdict. */
export async function takeAmendments(attempt: Attempt, { db }: Pick<Doors, 'db'>): Promise<void> {
  const now = await getRun(db, attempt.run.id);
  if (now === null) return;
  attempt.run = { ...attempt.run, request: now.request };
  const { allowed, revision } = now.request;
  const { contract, walls } = amended(
    attempt,
    allowed.map((entry) => entry.glob),
  );
  Object.assign(attempt, { contract, walls });
  attempt.revision = allowed.length === 0 ? revision : revisionOfContract(contract);
}

/** `/allow` widens the contract, and so the contract's own list among the walls, never a policy above it. */
export function amended(
  { contract, walls }: Pick<AcceptedIntake, 'contract' | 'walls'>,
  globs: readonly string[],
): { contract: Contract; walls: Walls } {
  let widened = contract;
  for (const glob of globs) {
    const result = amendFiles(widened, glob);
    if (result.ok) widened = result.contract;
  }
  const allow = walls.files.allow.map((list, index) =>
    walls.files.allowBy?.[index] === 'contract' ? widened.boundaries.files : list,
  );
  return { contract: widened, walls: { ...walls, files: { ...walls.files, allow } } };
}

type Shared = SharedBudget & { clause: SpendClause };

/** What counts against an issue, its repository and its organisation, under the name that the repository has now. */
function sharedBudgets(run: Pick<Run, 'repository' | 'issue'>, walls: Walls): Shared[] {
  return [
    {
      key: issueKeyOf(run),
      limitUsd: issueLimitUsd(walls),
      limitTokens: walls.limits.tokens,
      clause: 'budget.dollars_per_issue',
    },
    {
      key: `repo:${run.repository}`,
      daily: true,
      limitUsd: walls.budget.dollarsPerDay,
      limitTokens: null,
      clause: 'budget.dollars_per_day',
    },
    {
      key: `org:${run.repository.slice(0, run.repository.lastIndexOf('/'))}`,
      daily: true,
      limitUsd: walls.budget.orgDollarsPerDay,
      limitTokens: null,
      clause: 'budget.org_dollars_per_day',
    },
  ];
}

const issueKeyOf = (run: Pick<Run, 'repository' | 'issue'>) => `issue:${run.repository}#${run.issue}`;

function spendLedger(run: Run, walls: Walls, { db }: Pick<Doors, 'db'>): SpendLedger {
  return {
    async reserve(worst) {
      // Read anew: the repository may have been renamed since the attempt began.
      const shared = sharedBudgets((await getRun(db, run.id)) ?? run, walls);
      const held = await reserve(db, {
        runId: run.id,
        budgets: shared,
        worstUsd: worst.dollars,
        worstTokens: worst.tokens,
      });
      if (held.ok) return { ok: true, id: held.reservation };
      return { ok: false, clause: shared.find((budget) => budget.key === held.key)?.clause ?? 'limits.tokens' };
    },
    settle: (id, actual) => settle(db, id, { usd: actual.dollars, tokens: actual.tokens }),
  };
}

const pricedCall = z.looseObject({
  model: z.string(),
  usage: z.object({ inputTokens: z.number(), cachedInputTokens: z.number(), outputTokens: z.number() }),
});

/** The price at the time of the call stays with it; null when it is unknown. */
function withCost(data: unknown, walls: Walls): unknown {
  const call = pricedCall.parse(data);
  const price = Object.hasOwn(walls.model.prices, call.model) ? walls.model.prices[call.model] : undefined;
  return { ...call, costUsd: price ? costUsd(call.usage, price) : null };
}

/** Writes each call to the ledger, what was asked and what was answered, and masks what goes out. The build loop does both itself. */
function recordedModel(model: Model, stage: StageName, record: Attempt['record'], mask: Attempt['mask']): Model {
  const prompts = watchPrompts();
  return {
    async complete(request: ModelRequest): Promise<ModelReply> {
      const reply = await model.complete(maskDeep(request, mask));
      const { sent, stablePrefix } = prompts.note(request.messages);
      const { text, toolCalls, finish, usage } = reply;
      await record('model.call', { stage, model: request.model, sent, stablePrefix, text, toolCalls, finish, usage });
      return reply;
    },
  };
}

/** Masks every string of plain data; leaves signals, functions and class instances as they are. */
export function maskDeep<T>(value: T, mask: (text: string) => string): T {
  if (typeof value === 'string') return mask(value) as T;
  if (Array.isArray(value)) return value.map((entry) => maskDeep(entry, mask)) as T;
  if (value === null || typeof value !== 'object' || Object.getPrototypeOf(value) !== Object.prototype) return value;
  return Object.fromEntries(Object.entries(value).map(([key, entry]) => [key, maskDeep(entry, mask)])) as T;
}
