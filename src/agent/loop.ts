import { MillwrightError } from '../errors.ts';
import type { ModelReply, ToolCall } from '../model/model.ts';
import { askModel, ranOutOfTime, reachedLimit } from './ask-model.ts';
import { type AgentEnd, type AgentResult, Submission } from './result.ts';
import { type AgentDoors, type AgentRequest, beginSession, resultOf, type Session } from './session.ts';
import { refusal, result, type ToolOutcome } from './tool.ts';

export type { AgentDoors, AgentEvent, AgentRequest } from './session.ts';

/** Replies in a row without a usable tool call after which the agent is stuck. */
const maxIdleReplies = 4;
/** Tool calls of one reply that are run; more is a runaway. */
const maxCallsPerReply = 32;

/**
 * Lets the model work in the sandbox until it submits, asks, or meets a limit. Only tool calls run in the container.
 * Every way in which a model fails ends in a result; nothing goes on for ever: each reply counts as a turn.
 * Errors: `run.cancelled` when the signal aborts, `outside.*` of model and sandbox.
 */
export async function runAgent(request: AgentRequest, doors: AgentDoors, signal: AbortSignal): Promise<AgentResult> {
  const { clock } = doors;
  const endsAtMs = (request.attempt?.startedAtMs ?? clock.nowMs()) + request.walls.limits.minutes * 60_000;
  // A timer beside the clock: a call under way must end as well when the time is over.
  const outOfTime = new AbortController();
  const timer = setTimeout(() => outOfTime.abort(), Math.min(2 ** 31 - 1, Math.max(1, endsAtMs - clock.nowMs())));
  const session = beginSession(request, doors, endsAtMs, AbortSignal.any([signal, outOfTime.signal]));
  try {
    const { model, conversation } = request;
    const tools = session.tools.map((tool) => tool.name);
    await doors.record({ kind: 'agent.started', data: { model, continued: conversation !== null, tools } });
    const end = await untilEnd(session, signal);
    await doors.record({ kind: 'agent.ended', data: { ...end, turns: session.turns, usage: session.usage } });
    return resultOf(session, end);
  } finally {
    clearTimeout(timer);
  }
}

async function untilEnd(session: Session, cancelled: AbortSignal): Promise<AgentEnd> {
  try {
    for (;;) {
      if (cancelled.aborted) throw new MillwrightError('run.cancelled');
      const reply = await askModel(session);
      const end = 'end' in reply ? reply : await takeReply(session, reply);
      if (end !== null) return end;
    }
  } catch (error) {
    if (!ranOutOfTime(error, session, cancelled)) throw error;
    answerOpenCalls(session);
    return { end: 'limit', limit: 'minutes', clause: 'limits.minutes' };
  }
}

/** What follows from one reply; null when the round goes on. */
async function takeReply(session: Session, reply: ModelReply): Promise<AgentEnd | null> {
  if (reply.finish === 'refusal' || reply.finish === 'content-filter') {
    return { end: 'refused', text: reply.text || 'The model service filtered the answer.' };
  }
  // Providers take no empty turn back.
  const empty = reply.text.trim() === '' && reply.toolCalls.length === 0;
  if (!empty) session.messages.push({ role: 'assistant', text: reply.text, toolCalls: reply.toolCalls });
  if (reply.finish === 'length') return answerTruncated(session, reply.toolCalls);
  if (reply.toolCalls.length === 0) {
    const said =
      reply.text.trim() === '' ? 'Your reply was empty.' : 'Your reply had no tool call, so nothing happened.';
    return nudge(session, `${said} Go on with a tool call; when the work is done, call submit.`);
  }
  session.idleReplies = 0;
  return runCalls(session, reply.toolCalls);
}

/** A cut reply may end in mid-argument: nothing of it is run. */
function answerTruncated(session: Session, calls: readonly ToolCall[]): AgentEnd | null {
  for (const call of calls) answer(session, call, 'Not run: your reply was cut at its length limit.');
  return nudge(
    session,
    'Your reply was cut at its length limit, and nothing of it was run. Take smaller steps: fewer calls, smaller pieces of text.',
  );
}

function nudge(session: Session, text: string): AgentEnd | null {
  session.idleReplies += 1;
  if (session.idleReplies >= maxIdleReplies) {
    const question = `The model answered ${session.idleReplies} times in a row without doing anything that can be run. Try again, give it guidance, or use another model?`;
    return { end: 'stuck', question };
  }
  session.messages.push({ role: 'user', text });
  return null;
}

/** Runs the calls of one reply in their order and answers each, so that the conversation can always be continued. */
async function runCalls(session: Session, calls: readonly ToolCall[]): Promise<AgentEnd | null> {
  let end: AgentEnd | null = null;
  for (const [index, call] of calls.entries()) {
    if (end !== null || index >= maxCallsPerReply) {
      answer(session, call, end === null ? 'Not run: too many calls in one reply.' : 'Not run: the round had ended.');
      continue;
    }
    end = await runCall(session, call);
  }
  return end;
}

async function runCall(session: Session, call: ToolCall): Promise<AgentEnd | null> {
  if (session.context.signal.aborted) throw new MillwrightError('run.cancelled');
  const tooLate = reachedMinutes(session);
  if (tooLate !== null) {
    answer(session, call, 'Not run: the time is over.');
    return tooLate;
  }
  const { doors } = session;
  const startedAtMs = doors.clock.nowMs();
  const outcome = await outcomeOf(session, call);
  const text = doors.mask(textOf(outcome));
  answer(session, call, text);
  const refused = outcome.kind === 'result' ? (outcome.refused ?? null) : null;
  if (refused !== null) {
    session.refused.push({ tool: call.name, what: doors.mask(refused.what).slice(0, 500), reason: refused.reason });
  }
  const data = {
    turn: session.turns,
    name: call.name,
    argumentsText: doors.mask(call.argumentsText),
    result: text,
    refused: refused?.reason ?? null,
    durationMs: doors.clock.nowMs() - startedAtMs,
  };
  await doors.record({ kind: 'tool.call', data });
  if (outcome.kind === 'submitted') return { end: 'submitted', submission: masked(outcome.submission, doors.mask) };
  if (outcome.kind === 'asked') return { end: 'asked', question: doors.mask(outcome.question) };
  const stuck = session.repetition.note(call, outcome.fingerprint ?? outcome.text, outcome.changed ?? false);
  return stuck ? { end: 'stuck', question: stuckQuestion(call, doors.mask) } : null;
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

/** A call that time cut off must have its answer too, or the conversation cannot be continued. */
function answerOpenCalls(session: Session): void {
  const answered = new Set(session.messages.flatMap((message) => (message.role === 'tool' ? [message.callId] : [])));
  const last = session.messages.findLast((message) => message.role === 'assistant');
  for (const call of last?.toolCalls ?? []) {
    if (!answered.has(call.id)) answer(session, call, 'Not finished: the time is over.');
  }
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

function answer(session: Session, call: ToolCall, text: string): void {
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
