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
  if ((await whenShown(run, revision, doors)) !== null) return;
  await append(doors.db, { runId: run.id, attempt: run.attempt, kind: shownKind, data: { revision, atMs } });
}

/** When a revision was first shown in this attempt, by GitHub's clock; null when it was not yet. */
export async function whenShown(run: Run, revision: string, { db }: Pick<Doors, 'db'>): Promise<number | null> {
  const events = await eventsOf(db, run.id, { kinds: [shownKind] });
  const shown = events.filter((event) => event.attempt === run.attempt).map((event) => Shown.parse(event.data));
  return shown.find((entry) => entry.revision === revision)?.atMs ?? null;
}
