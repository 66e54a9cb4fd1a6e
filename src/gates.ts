import { z } from 'zod';
import type { Doors } from './doors.ts';
import { append, eventsOf } from './engine/ledger.ts';
import { latestOutput } from './engine/outputs.ts';
import type { Run } from './run.ts';
import { PlanResult, planRevision } from './stages/plan.ts';

/** What `/approve` may answer. */
export type Gate = 'intake' | 'plan';

const gates: Record<string, Gate> = { 'approval-needed': 'intake', 'plan-approval': 'plan' };

/** The gate at which a run waits for `/approve`; null at none. */
export function gateOf(run: Pick<Run, 'state' | 'outcome'>): Gate | null {
  return run.state === 'waiting' ? (gates[run.outcome?.code ?? ''] ?? null) : null;
}

/** What an approval now would be of: the contract's revision, or the plan's. */
export async function revisionAt(gate: Gate, run: Run, { db }: Pick<Doors, 'db'>): Promise<string> {
  if (gate === 'intake') return run.request.revision;
  const planned = await latestOutput(db, run.id, 'plan', PlanResult);
  return planned === null ? '' : planRevision(planned.value);
}

const shownKind = 'gate.shown';
const Shown = z.object({ revision: z.string(), atMs: z.number() });

/** Writes down when the status comment first showed what is to be approved, by GitHub's clock: an approval written before is of something else. */
export async function rememberShown(run: Run, atMs: number, doors: Pick<Doors, 'db'>): Promise<void> {
  const gate = gateOf(run);
  if (gate === null) return;
  const revision = await revisionAt(gate, run, doors);
  const known = await shownEvents(run, doors);
  if (known.some((event) => event.attempt === run.attempt && event.revision === revision)) return;
  await append(doors.db, { runId: run.id, attempt: run.attempt, kind: shownKind, data: { revision, atMs } });
}

/** Whether an approval written at a moment of GitHub's clock is of what the status comment shows in this attempt. */
export async function wasShown(
  run: Run,
  revision: string,
  writtenAtMs: number,
  doors: Pick<Doors, 'db'>,
): Promise<boolean> {
  const events = await shownEvents(run, doors);
  const shown = events.find((event) => event.attempt === run.attempt && event.revision === revision);
  if (shown === undefined) return false;
  // GitHub tells whole seconds: within the same one it cannot be known which of two texts was read, but the first can.
  const isFirst = events.every((event) => event.revision === revision || event.atMs > shown.atMs);
  return isFirst ? writtenAtMs >= shown.atMs : writtenAtMs > shown.atMs;
}

async function shownEvents(
  run: Run,
  { db }: Pick<Doors, 'db'>,
): Promise<(z.infer<typeof Shown> & { attempt: number })[]> {
  const events = await eventsOf(db, run.id, { kinds: [shownKind] });
  return events.map((event) => ({ ...Shown.parse(event.data), attempt: event.attempt }));
}
