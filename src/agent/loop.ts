import { MillwrightError } from '../errors.ts';
import type { ModelReply, ToolCall } from '../model/model.ts';
import { askModel, ranOutOfTime } from './ask-model.ts';
import type { AgentEnd, AgentResult } from './result.ts';
import { answer, runCalls } from './run-calls.ts';
import { type AgentDoors, type AgentRequest, beginSession, resultOf, type Session } from './session.ts';

export type { AgentDoors, AgentEvent, AgentRequest } from './session.ts';

/** Replies in a row without a usable tool call after which the agent is stuck. */
const maxIdleReplies = 4;

/**
 * Lets the model work in the sandbox until it submits, asks, or meets a limit. Only tool calls run in the container.
 * Every way in which a model fails ends in a result; nothing goes on for ever: each reply counts as a turn.
 * Errors: `run.cancelled` when the signal aborts, `outside.*` of model and sandbox.
 */
export async function runAgent(request: AgentRequest, doors: AgentDoors, signal: AbortSignal): Promise<AgentResult> {
  const { clock } = doors;
  const endsAtMs = (request.attempt?.startedAtMs ?? clock.elapsedMs()) + request.walls.limits.minutes * 60_000;
  // A timer beside the clock: a call under way must end as well when the time is over.
  const outOfTime = new AbortController();
  const timer = setTimeout(() => outOfTime.abort(), Math.min(2 ** 31 - 1, Math.max(1, endsAtMs - clock.elapsedMs())));
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

/** A call that time cut off must have its answer too, or the conversation cannot be continued. */
function answerOpenCalls(session: Session): void {
  const answered = new Set(session.messages.flatMap((message) => (message.role === 'tool' ? [message.callId] : [])));
  const last = session.messages.findLast((message) => message.role === 'assistant');
  for (const call of last?.toolCalls ?? []) {
    if (!answered.has(call.id)) answer(session, call, 'Not finished: the time is over.');
  }
}
