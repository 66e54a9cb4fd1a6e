import { MillwrightError } from '../errors.ts';
import type { ToolCall } from '../model/model.ts';
import { reachedLimit } from './ask-model.ts';
import { type AgentEnd, Submission } from './result.ts';
import type { Session } from './session.ts';
import { refusal, result, type ToolOutcome } from './tool.ts';

/** Tool calls of one reply that are run; more is a runaway. */
const maxCallsPerReply = 32;
/** Each may hold a shell of the container or a request to a server. */
const maxSideBySide = 8;

/**
 * Runs the calls of one reply and answers each in their order, so that the conversation can always be continued. Calls that
 * only read run side by side where they stand next to each other; everything else waits for what stands before it.
 */
export async function runCalls(session: Session, calls: readonly ToolCall[]): Promise<AgentEnd | null> {
  let end: AgentEnd | null = null;
  for (const group of groups(session, calls.slice(0, maxCallsPerReply))) {
    if (end === null && session.context.signal.aborted) throw new MillwrightError('run.cancelled');
    end ??= reachedMinutes(session);
    if (end === null) end = await runGroup(session, group);
    else for (const call of group) answer(session, call, notRun(end));
  }
  for (const call of calls.slice(maxCallsPerReply))
    answer(session, call, end === null ? 'Not run: too many calls in one reply.' : notRun(end));
  return end;
}

const notRun = ({ end }: AgentEnd) =>
  end === 'limit' ? 'Not run: the time is over.' : 'Not run: the round had ended.';

/** Neighbours that may run side by side, bounded; any other call is a group of its own. */
function groups(session: Session, calls: readonly ToolCall[]): ToolCall[][] {
  const reads = new Set(session.tools.flatMap((tool) => (tool.readsOnly === true ? [tool.name] : [])));
  const made: ToolCall[][] = [];
  for (const call of calls) {
    const last = made.at(-1);
    const joins = reads.has(call.name) && last?.[0] !== undefined && reads.has(last[0].name);
    if (joins && last.length < maxSideBySide) last.push(call);
    else made.push([call]);
  }
  return made;
}

/** Waits for all of them even when one throws: nothing may go on in the container behind a round that has ended. */
async function runGroup(session: Session, group: readonly ToolCall[]): Promise<AgentEnd | null> {
  const ran = await Promise.allSettled(group.map((call) => timedOutcome(session, call)));
  let end: AgentEnd | null = null;
  for (const [index, call] of group.entries()) {
    const settled = ran[index];
    if (settled?.status === 'rejected') throw settled.reason;
    if (settled === undefined) continue;
    // What has run is answered and recorded, even behind a call that ends the round.
    const follows = await takeOutcome(session, call, settled.value);
    end ??= follows;
  }
  return end;
}

interface Timed {
  outcome: ToolOutcome;
  durationMs: number;
}

async function timedOutcome(session: Session, call: ToolCall): Promise<Timed> {
  const { clock } = session.doors;
  const startedAtMs = clock.elapsedMs();
  const outcome = await outcomeOf(session, call);
  return { outcome, durationMs: Math.round(clock.elapsedMs() - startedAtMs) };
}

/** Answers a call that has run and records it. What follows for the round; null when it goes on. */
async function takeOutcome(session: Session, call: ToolCall, { outcome, durationMs }: Timed): Promise<AgentEnd | null> {
  const { mask, record } = session.doors;
  const text = mask(textOf(outcome));
  answer(session, call, text);
  const refused = outcome.kind === 'result' ? (outcome.refused ?? null) : null;
  if (refused !== null) {
    session.refused.push({ tool: call.name, what: mask(refused.what).slice(0, 500), reason: refused.reason });
  }
  const data = {
    turn: session.turns,
    name: call.name,
    argumentsText: mask(call.argumentsText),
    result: text,
    refused: refused?.reason ?? null,
    durationMs,
  };
  await record({ kind: 'tool.call', data });
  if (outcome.kind === 'submitted') return { end: 'submitted', submission: masked(outcome.submission, mask) };
  if (outcome.kind === 'asked') return { end: 'asked', question: mask(outcome.question) };
  const stuck = session.repetition.note(call, outcome.fingerprint ?? outcome.text, outcome.changed ?? false);
  return stuck ? { end: 'stuck', question: stuckQuestion(call, mask) } : null;
}

/** Whatever is wrong with a call is told to the model; only the loss of the sandbox is an error. */
async function outcomeOf(session: Session, call: ToolCall): Promise<ToolOutcome> {
  const tool = session.tools.find((known) => known.name === call.name);
  if (tool === undefined) {
    const names = session.tools.map((known) => known.name).join(', ');
    const told = `there is no tool named ${JSON.stringify(call.name.slice(0, 100))}. The tools are: ${names}.`;
    // Named like a tool of a server: asked for beyond the grants, which people should hear of.
    return call.name.includes('__') ? refusal(call.name, told) : result(`Not run: ${told}`);
  }
  let given: unknown;
  try {
    given = JSON.parse(call.argumentsText.trim() === '' ? '{}' : call.argumentsText);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return result(`Not run: the arguments are not valid JSON (${why}). Send one JSON object.`);
  }
  const outcome = await tool.run(given, session.context);
  // A container door may answer an aborted call quietly; what it gave is no result.
  if (session.context.signal.aborted) throw new MillwrightError('run.cancelled');
  return outcome;
}

function textOf(outcome: ToolOutcome): string {
  switch (outcome.kind) {
    case 'submitted':
      return 'Submitted. The app now verifies the change.';
    case 'asked':
      return 'The question was put to the people on the issue.';
    case 'result':
      return outcome.text;
  }
}

/** What is handed in is shown to people: no secret may ride along. */
function masked(submission: Submission, mask: (text: string) => string): Submission {
  const deep = (value: unknown): unknown => {
    if (typeof value === 'string') return mask(value);
    if (Array.isArray(value)) return value.map(deep);
    if (value === null || typeof value !== 'object') return value;
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, deep(inner)]));
  };
  return Submission.parse(deep(submission));
}

/** Puts the answer to a call into the conversation. */
export function answer(session: Session, call: ToolCall, text: string): void {
  session.messages.push({ role: 'tool', callId: call.id, text });
}

function reachedMinutes(session: Session): AgentEnd | null {
  const reached = reachedLimit(session);
  return reached?.end === 'limit' && reached.limit === 'minutes' ? reached : null;
}

function stuckQuestion(call: ToolCall, mask: (text: string) => string): string {
  const shown = mask(call.argumentsText).replace(/\s+/g, ' ').slice(0, 300);
  return `The agent made the same call five times with the same result and makes no headway: ${call.name} ${shown}. What should it do differently?`;
}
