import { z } from 'zod';
import { amended } from './attempt.ts';
import { contractSchema } from './contract/contract.ts';
import type { Doors } from './doors.ts';
import { eventsOf, type LedgerEvent } from './engine/ledger.ts';
import { latestOutput } from './engine/outputs.ts';
import { type QueueReason, queuePosition } from './engine/queue-position.ts';
import { listWorkers } from './engine/workers.ts';
import { type Pause, pauseOf } from './pause.ts';
import type { ChangedFile, ShownState, StageLine, StatusInput } from './report/facts.ts';
import { type Run, stageNames } from './run.ts';
import { runNumbers } from './run-numbers.ts';
import { BuildResult } from './stages/build.ts';
import { IntakeResult } from './stages/intake.ts';
import { PlanResult, planFacts } from './stages/plan.ts';
import { issuesText } from './stages/plan-split.ts';

/** The status of an issue of which nothing is known yet. */
export const nothingYet: StatusInput = {
  state: 'queued',
  attempt: 1,
  timeline: [],
  contract: null,
  revision: null,
  problems: [],
  refusals: [],
  walls: null,
  narrowed: [],
  queue: null,
  numbers: null,
  outcome: null,
  question: null,
  detail: null,
  changes: [],
  plan: null,
  issues: [],
  stoppedBy: null,
  notices: [],
  pullRequest: null,
  links: [],
};

/** What intake found out in this attempt: accepted, or why not; else what it accepted before. */
export async function intakeOf(run: Run, { db }: Pick<Doors, 'db'>): Promise<IntakeResult | null> {
  const accepted = await latestOutput(db, run.id, 'intake', IntakeResult);
  if (accepted && accepted.attempt === run.attempt) return accepted.value;
  const refused = (await eventsOf(db, run.id, { kinds: ['intake.refused'] })).at(-1);
  return refused ? IntakeResult.parse(refused.data) : (accepted?.value ?? null);
}

/** Why a queued run has not begun, in words. */
const queueReasons: Record<Exclude<QueueReason, null>, string> = {
  delayed: 'an outside service did not answer; it is tried again soon',
  'limit-repository': 'other runs of this repository come first',
  'limit-organization': 'other runs of this organization come first',
  'limit-global': 'all places are taken',
  'no-worker': 'no worker is there',
};

const pauseReasons: Record<Pause['why'], string> = {
  engine: 'no sandbox engine',
  disk: 'the disk of the worker is nearly full',
};

async function queueOf(run: Run, doors: Doors): Promise<StatusInput['queue']> {
  if (run.state !== 'queued') return null;
  const global = doors.host.operatorPolicy?.concurrency?.global;
  const { position, reason } = await queuePosition(doors.db, run.id, global === undefined ? {} : { global });
  if (position === 0) return null;
  const paused = await whyNobodyBegins(doors);
  // What a run waits for that was put back stands in its outcome.
  const known = run.outcome === null ? reason && queueReasons[reason] : null;
  return { position, reason: paused === null ? known : pauseReasons[paused] };
}

/** Why every worker that lives begins no runs; null when one does, or when there is none at all. */
async function whyNobodyBegins(doors: Doors): Promise<Pause['why'] | null> {
  const workers = (await listWorkers(doors.db)).filter(({ capacity }) => capacity > 0);
  // The only one, this process, knows it sooner than its heartbeat tells.
  if (doors.host.workerConcurrency > 0 && workers.length <= 1) return (await pauseOf(doors))?.why ?? null;
  const [first, ...others] = workers.map(({ info }) => info.paused as Pause['why'] | null);
  return first && others.every(Boolean) ? first : null;
}

/** Everything that the status comment tells, from the store. */
export async function statusInput(run: Run, doors: Doors): Promise<StatusInput> {
  const { db, host } = doors;
  const events = await eventsOf(db, run.id, { kinds: ['stage', 'run.state'], limit: 100_000 });
  const intake = await intakeOf(run, doors);
  const planned = await latestOutput(db, run.id, 'plan', PlanResult);
  const globs = run.request.allowed.map((entry) => entry.glob);
  const contract =
    intake?.contract && intake.walls
      ? amended({ contract: intake.contract, walls: intake.walls }, globs).contract
      : (intake?.contract ?? null);
  const proposed = proposedOf(run, planned?.value.issues ?? []);
  return {
    state: shownState(run),
    attempt: run.attempt,
    timeline: timelineOf(run, events),
    contract: contract === null ? null : contractSchema.parse(contract),
    revision: run.request.revision,
    problems: intake?.problems ?? [],
    refusals: intake?.refusals ?? [],
    walls: intake?.walls ?? null,
    narrowed: intake?.narrowed ?? [],
    queue: await queueOf(run, doors),
    numbers: run.stage === 'intake' ? null : await runNumbers(run, doors),
    outcome: run.outcome && { code: run.outcome.code, text: run.outcome.text },
    question: run.state === 'waiting' ? (run.outcome?.question ?? null) : null,
    ...proposed,
    changes: run.state === 'failed' || run.state === 'waiting' ? await changesOf(run, doors) : [],
    plan: planned ? planFacts(planned.value) : null,
    stoppedBy: run.state === 'stopped' ? stoppedBy(run, events) : null,
    notices: [],
    pullRequest:
      run.pullRequest === null
        ? null
        : { number: run.pullRequest, url: `${host.githubUrl}/${run.owner}/${run.name}/pull/${run.pullRequest}` },
    links:
      host.publicUrl === null ? [] : [{ label: 'run', url: `${host.publicUrl.replace(/\/$/, '')}/runs/${run.id}` }],
  };
}

/** Issues to paste are shown one by one, whole, and not once more among the details. */
function proposedOf(run: Run, issues: PlanResult['issues']): Pick<StatusInput, 'issues' | 'detail'> {
  const detail = run.outcome?.detail ?? null;
  const text = issuesText(issues);
  if (run.state !== 'waiting' || issues.length === 0 || !detail?.includes(text)) return { issues: [], detail };
  return { issues, detail: detail.replace(text, () => '').trim() || null };
}

function shownState(run: Run): ShownState {
  if (run.state === 'done')
    return run.outcome?.code === 'merged' ? 'merged' : run.outcome?.code === 'closed' ? 'closed' : 'review';
  return run.state === 'waiting' && run.outcome?.code === 'contract-untestable' ? 'refused' : run.state;
}

const entered = z.object({ stage: z.enum(stageNames), note: z.string().nullable() });

function timelineOf(run: Run, events: readonly LedgerEvent[]): StageLine[] {
  const visits = events
    .filter((event) => event.kind === 'stage' && event.attempt === run.attempt)
    .map((event) => ({ ...entered.parse(event.data), atMs: event.atMs }));
  const endMs = run.endedAtMs ?? run.updatedAtMs;
  return stageNames.map((stage) => {
    let durationMs = 0;
    for (const [index, visit] of visits.entries()) {
      if (visit.stage === stage) durationMs += Math.max(0, (visits[index + 1]?.atMs ?? endMs) - visit.atMs);
    }
    const last = visits.findLast((visit) => visit.stage === stage);
    if (!last) return { stage, state: 'pending', durationMs: null, note: null };
    return { stage, state: visits.at(-1)?.stage === stage ? lineState(run) : 'done', durationMs, note: last.note };
  });
}

function lineState(run: Run): StageLine['state'] {
  if (run.state === 'queued') return 'running';
  return run.state;
}

async function changesOf(run: Run, { db }: Doors): Promise<ChangedFile[]> {
  return (await latestOutput(db, run.id, 'build', BuildResult))?.value.changes ?? [];
}

const cancelled = z.object({
  state: z.literal('stopped'),
  by: z.string().optional(),
  outcome: z.object({ detail: z.string().nullable() }).optional(),
});

function stoppedBy(run: Run, events: readonly LedgerEvent[]): StatusInput['stoppedBy'] {
  const event = events.findLast((candidate) => cancelled.safeParse(candidate.data).success);
  const by = cancelled.safeParse(event?.data).data?.by ?? /^Stopped by (\S+)\.$/.exec(run.outcome?.text ?? '')?.[1];
  return by ? { login: by, reason: run.outcome?.detail ?? null } : null;
}
