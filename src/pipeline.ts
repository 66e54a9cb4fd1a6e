import { type AcceptedIntake, openAttempt, remoteOf } from './attempt.ts';
import { problemText } from './contract/policy.ts';
import type { Doors } from './doors.ts';
import type { Lease } from './engine/claim.ts';
import { append } from './engine/ledger.ts';
import { updateRun } from './engine/runs.ts';
import { createSteps } from './engine/steps.ts';
import type { Remote } from './git/git.ts';
import { noteReverts } from './learning/escapes.ts';
import { noteUses, recallLessons } from './learning/recall.ts';
import { readLayers } from './policy-source.ts';
import { readRecord } from './record.ts';
import { type AttemptEnd, type Run, type StageName, stageNames } from './run.ts';
import { runNumbers } from './run-numbers.ts';
import { Briefing, briefingBudgetTokens, briefingWait, selectContext } from './stages/context.ts';
import { readDecisions } from './stages/decisions.ts';
import { IntakeResult, intake } from './stages/intake.ts';
import { LearnResult } from './stages/learn.ts';
import { PlanResult, plan, planWait } from './stages/plan.ts';
import { ReviewResult, review } from './stages/review.ts';
import { showStatusSoon } from './status.ts';
import { openToolServers } from './tool-servers.ts';
import { turn } from './turn.ts';

/**
 * One attempt of one run, read in one direction. Each stage's result is saved by `step`; after a crash the saved one is
 * returned instead of working again. Errors: MillwrightError; the signal's reason when a person or the machine ends it.
 */
export async function carry(lease: Lease, doors: Doors, signal: AbortSignal): Promise<AttemptEnd> {
  const steps = createSteps(doors.db, lease);
  using stages = stageTimes(doors);
  const enter = entering(lease, doors, signal, stages);

  await enter('intake');
  const remote = await remoteOf(lease.run, doors.github.repository(lease.run), doors);
  const accepted = (await steps.saved('intake', IntakeResult)) ?? (await takeIn(lease, remote, doors, signal));
  if (!isAccepted(accepted)) return notAccepted(lease, accepted, doors);
  await steps.step('intake', IntakeResult, async () => accepted);
  await updateRun(doors.db, lease, { limits: accepted.walls.concurrency });
  const attempt = await openAttempt(lease, accepted, remote, doors, signal);
  await doors.git.fetch(remote, attempt.base.commit, signal);

  await using servers = openToolServers(attempt, doors);
  const unavailable = builds(lease.run) ? await servers.wait() : null;
  if (unavailable) return { state: 'waiting', outcome: unavailable };

  await enter('context');
  const { repository } = lease.run;
  const at = { mirror: attempt.repository, commit: attempt.base.commit };
  await noteReverts(repository, at, doors);
  const briefing = await steps.step('context', Briefing, async () =>
    selectContext(
      {
        repository: attempt.repository,
        base: attempt.base.commit,
        contract: attempt.contract,
        walls: attempt.walls,
        decisions: await readDecisions(attempt),
        lacking: servers.withheld(),
        lessons: await recallLessons(repository, at, doors),
        budgetTokens: briefingBudgetTokens([attempt.model('plan').name, attempt.model('build').name]),
      },
      doors,
    ),
  );
  await noteUses(doors.db, repository, lease.run, briefing);
  const missing = briefingWait(briefing, lease.run);
  if (missing) return { state: 'waiting', outcome: missing };

  await enter('plan');
  const planned = await steps.step('plan', PlanResult, () => plan(attempt, briefing));
  const gate = planWait(planned, attempt);
  if (gate) return { state: 'waiting', outcome: gate, judged: attempt.run.request };

  const turned = await turn({ attempt, steps, briefing, planned, servers, enter, doors });
  if ('state' in turned) return turned;

  await enter('review');
  const numbers = await runNumbers(lease.run, doors);
  const published = await steps.step('review', ReviewResult, () =>
    review({ ...turned, briefing, planned, numbers }, attempt, doors),
  );
  if (published.pullRequest === null) return { state: 'waiting', outcome: published.outcome };

  await enter('learn');
  await steps.step('learn', LearnResult, () => readRecord(lease.run, lease.run.attempt, doors));
  return { state: 'done', outcome: published.outcome };
}

/** Whether the attempt begins before a patch is there: else it may well end without any tool. */
const builds = ({ start }: Run) => stageNames.indexOf(start.from) <= stageNames.indexOf('build');

/** Marks where the run is, for people and for a worker that takes over. */
function entering(
  lease: Lease,
  doors: Doors,
  signal: AbortSignal,
  stages: ReturnType<typeof stageTimes>,
): (stage: StageName, note?: string) => Promise<void> {
  return async (stage, note) => {
    signal.throwIfAborted();
    stages.enter(stage);
    await updateRun(doors.db, lease, { stage });
    await append(doors.db, { runId: lease.run.id, kind: 'stage', data: { stage, note: note ?? null } });
    doors.log.info({ stage, note }, 'stage entered');
    showStatusSoon(lease.run, doors);
  };
}

/** Counts how long the run stays in each stage, the last one until this is disposed of. */
function stageTimes({ tally }: Doors): Disposable & { enter(stage: StageName): void } {
  let now: { stage: StageName; since: number } | null = null;
  const leave = () => {
    if (now) tally.observe('millwright_stage_seconds', { stage: now.stage }, (performance.now() - now.since) / 1000);
  };
  return {
    enter(stage) {
      leave();
      now = { stage, since: performance.now() };
    },
    [Symbol.dispose]: leave,
  };
}

async function takeIn(lease: Lease, remote: Remote, doors: Doors, signal: AbortSignal): Promise<IntakeResult> {
  const { run } = lease;
  const ref = { installationId: run.installationId, owner: run.owner, name: run.name };
  const github = doors.github.repository(ref);
  const layers = await readLayers(doors, ref);
  if (layers.problems.length > 0)
    doors.log.warn(
      { problems: layers.problems.map(problemText) },
      'a policy file cannot be read; the run waits for it',
    );
  const needs = {
    run,
    layers,
    heldSecrets: Object.keys(doors.host.secrets),
    remote,
    defaultModel: doors.host.modelName,
  };
  return intake(needs, { github, git: doors.git }, signal);
}

function isAccepted(result: IntakeResult): result is AcceptedIntake {
  return result.kind === 'ready' && result.contract !== null && result.walls !== null && result.base !== null;
}

/** A refused contract is kept for the status comment, but not as a step: the next attempt reads the text anew. */
async function notAccepted(lease: Lease, result: IntakeResult, doors: Doors): Promise<AttemptEnd> {
  await append(doors.db, { runId: lease.run.id, kind: 'intake.refused', data: result });
  const outcome = result.outcome ?? {
    code: 'contract-untestable',
    text: 'The contract was not accepted.',
    question: null,
    detail: null,
  };
  return { state: 'waiting', outcome };
}
