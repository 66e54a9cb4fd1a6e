import { z } from 'zod';
import { amended } from './attempt.ts';
import { contractSchema } from './contract/contract.ts';
import { parseContract } from './contract/parse.ts';
import { type Doors, repositoryKey } from './doors.ts';
import { eventsOf, type LedgerEvent } from './engine/ledger.ts';
import { latestOutput } from './engine/outputs.ts';
import { queuePosition } from './engine/queue-position.ts';
import { getRun } from './engine/runs.ts';
import { asMillwrightError } from './errors.ts';
import type { RepositoryRef } from './github/github.ts';
import { labelOf, labelSpecs, stateLabels } from './labels.ts';
import type { ChangedFile, ShownState, StageLine, StatusInput } from './report/facts.ts';
import { statusComment, statusMarker } from './report/status-comment.ts';
import { type Run, type RunRequest, stageNames } from './run.ts';
import { runNumbers } from './run-numbers.ts';
import { BuildResult } from './stages/build.ts';
import { IntakeResult } from './stages/intake.ts';
import { PlanResult, planFacts } from './stages/plan.ts';

/** What an issue shows now, so that nothing is written twice; one entry an issue, with the writes in order. */
interface Shown {
  queue: Promise<void>;
  again: boolean;
  body: string;
  label: string | null | undefined;
  assigned: boolean;
}
const shown = new Map<string, Shown>();

/** Brings the one status comment and the state label up to date with the store. Writes of an issue never overtake each other. */
export function showStatus(run: Run, doors: Doors): Promise<void> {
  const entry = entryOf(run);
  entry.queue = entry.queue.catch(() => {}).then(() => update(run.id, entry, doors));
  return entry.queue;
}

/** The same without waiting for it, for news in mid-run: several at once become one, and a failure is left to the next. */
export function showStatusSoon(run: Run, doors: Doors): void {
  const entry = entryOf(run);
  if (entry.again) return;
  entry.again = true;
  entry.queue = entry.queue
    .catch(() => {})
    .then(async () => {
      entry.again = false;
      await update(run.id, entry, doors);
    })
    .catch((error) =>
      doors.log.warn(
        { err: asMillwrightError(error), run: run.id },
        'the status comment could not be brought up to date now',
      ),
    );
}

function entryOf(run: Pick<Run, 'repository' | 'issue'>): Shown {
  const key = `${run.repository}#${run.issue}`;
  const known = shown.get(key) ?? {
    queue: Promise.resolve(),
    again: false,
    body: '',
    label: undefined,
    assigned: false,
  };
  // One map for the life of the process: the oldest entries go once there are many.
  if (!shown.has(key) && shown.size > 5_000) shown.delete(shown.keys().next().value as string);
  shown.set(key, known);
  return known;
}

async function update(runId: string, entry: Shown, doors: Doors): Promise<void> {
  const run = await getRun(doors.db, runId);
  if (!run) return;
  const github = doors.github.repository({ installationId: run.installationId, owner: run.owner, name: run.name });
  const body = statusComment(await statusInput(run, doors));
  if (body !== entry.body) await github.upsertComment(run.issue, statusMarker, body);
  entry.body = body;
  const label = labelOf(run);
  if (label !== entry.label) {
    if (entry.label === undefined) await github.ensureLabels(labelSpecs);
    await github.setStateLabel(run.issue, label, stateLabels);
  }
  entry.label = label;
  // Edits and labels notify nobody: a waiting run is assigned to whoever started it.
  if (run.state === 'waiting' && !entry.assigned) await github.assign(run.issue, run.request.labeller);
  entry.assigned = run.state === 'waiting';
}

/** What a queued run's issue shows before the run exists, so that the comment is there before any worker writes to it. */
export async function showQueued(ref: RepositoryRef, issue: number, request: RunRequest, doors: Doors): Promise<void> {
  const entry = entryOf({ repository: repositoryKey(doors.host.githubHost, ref), issue });
  const github = doors.github.repository(ref);
  const body = statusComment({
    ...nothingYet,
    contract: parseContract(request.body).contract,
    revision: request.revision,
  });
  entry.queue = entry.queue
    .catch(() => {})
    .then(async () => {
      await github.ensureLabels(labelSpecs);
      await github.upsertComment(issue, statusMarker, body);
      await github.setStateLabel(issue, 'agent:running', stateLabels);
      entry.body = body;
      entry.label = 'agent:running';
      entry.assigned = false;
    });
  await entry.queue;
}

const nothingYet: StatusInput = {
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
  stoppedBy: null,
  notices: [],
  pullRequest: null,
  links: [],
};

/** Everything that the status comment tells, from the store. */
export async function statusInput(run: Run, doors: Doors): Promise<StatusInput> {
  const { db, host } = doors;
  const events = await eventsOf(db, run.id, {
    kinds: ['stage', 'intake.refused', 'run.state'],
    limit: 10_000,
  });
  const accepted = await latestOutput(db, run.id, 'intake', IntakeResult);
  const refusedEvent = events.findLast((event) => event.kind === 'intake.refused');
  const intake =
    accepted && accepted.attempt === run.attempt
      ? accepted.value
      : refusedEvent
        ? IntakeResult.parse(refusedEvent.data)
        : (accepted?.value ?? null);
  const planned = await latestOutput(db, run.id, 'plan', PlanResult);
  const unavailable = run.state === 'queued' ? await doors.sandbox.status() : null;
  const position = run.state === 'queued' ? await queuePosition(db, run.id) : null;
  const globs = run.request.allowed.map((entry) => entry.glob);
  const contract =
    intake?.contract && intake.walls
      ? amended({ contract: intake.contract, walls: intake.walls }, globs).contract
      : (intake?.contract ?? null);
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
    queue: position && {
      position: position.position,
      reason: unavailable && !unavailable.available ? 'no sandbox engine' : position.reason,
    },
    numbers: run.stage === 'intake' ? null : await runNumbers(run, doors),
    outcome: run.outcome && { code: run.outcome.code, text: run.outcome.text },
    question: run.state === 'waiting' ? (run.outcome?.question ?? null) : null,
    detail: run.outcome?.detail ?? null,
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

function shownState(run: Run): ShownState {
  if (run.state === 'done')
    return run.outcome?.code === 'merged' ? 'merged' : run.outcome?.code === 'closed' ? 'closed' : 'review';
  const refused = ['contract-untestable', 'not-granted', 'policy-invalid', 'labeller-not-allowed'];
  return run.state === 'waiting' && refused.includes(run.outcome?.code ?? '') ? 'refused' : run.state;
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

const editedMarker = (run: Run) => `<!-- millwright:edited:${run.id} -->`;

/** Says once for each run that an edit does not reach it. */
export async function announceEdit(run: Run, doors: Doors): Promise<void> {
  const github = doors.github.repository({ installationId: run.installationId, owner: run.owner, name: run.name });
  const marker = editedMarker(run);
  const text =
    'The issue was edited, but the run works on the text as it was when the label was put on. To work on the new text, take the label `agent-ready` off and put it on again.';
  await github.upsertComment(run.issue, marker, `${marker}\n${text}`);
}
