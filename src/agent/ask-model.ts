import { MillwrightError } from '../errors.ts';
import { estimatePromptTokens } from '../model/context-window.ts';
import type { ModelReply } from '../model/model.ts';
import { addUsage } from '../model/prices.ts';
import { type PaidReply, payFor } from './budget.ts';
import { compact } from './compaction.ts';
import type { AgentEnd } from './result.ts';
import type { Session } from './session.ts';

/** A smaller answer that is still worth a call, tried when the full worst case no longer fits the budget. */
const smallOutputTokens = 4_096;
/** Share of the room for the prompt at which old turns are shortened, and down to which. */
const compactAt = 0.85;
const compactTo = 0.5;
/** Times that a prompt may turn out too long before the round gives up. */
const maxSqueezes = 4;

/** One turn's model call: makes room, pays, records. Gives the reply, or how the round ends. */
export async function askModel(session: Session): Promise<ModelReply | AgentEnd> {
  const tooLate = reachedLimit(session);
  if (tooLate !== null) return tooLate;
  warnBeforeLimits(session);
  for (let squeezes = 0; squeezes < maxSqueezes; squeezes += 1) {
    await makeRoom(session);
    const paid = await call(session);
    if (!paid.ok) return { end: 'limit', limit: paid.limit, clause: paid.clause };
    if (paid.reply.finish !== 'too-long') return paid.reply;
    // The server knows its window better than the table.
    session.windowTokens = Math.floor(promptTokens(session) * 0.7) + session.maxOutputTokens;
  }
  return {
    end: 'stuck',
    question: 'The task does not fit into the window of the model. Should it be split, or another model be used?',
  };
}

/** Minutes and turns, counted here and not by the model. */
export function reachedLimit(session: Session): AgentEnd | null {
  if (session.doors.clock.elapsedMs() >= session.endsAtMs)
    return { end: 'limit', limit: 'minutes', clause: 'limits.minutes' };
  if (session.turns >= session.turnLimit) return { end: 'limit', limit: 'turns', clause: 'limits.turns' };
  return null;
}

/** Once, while there is still time to bring the work into a state that holds. */
function warnBeforeLimits(session: Session): void {
  if (session.warned || session.turns === 0) return;
  const turnsLeft = session.turnLimit - session.turns;
  const minutesLeft = (session.endsAtMs - session.doors.clock.elapsedMs()) / 60_000;
  if (turnsLeft > 4 && minutesLeft > session.request.walls.limits.minutes * 0.15) return;
  session.warned = true;
  const text = `Only ${turnsLeft} turns and ${Math.ceil(minutesLeft)} minutes are left: finish what holds, and submit it.`;
  session.messages.push({ role: 'user', text });
}

/** Shortens old turns when the window fills, rarely and by much: each time the provider's cache starts anew. */
async function makeRoom(session: Session): Promise<void> {
  const room = session.windowTokens - session.maxOutputTokens;
  const before = promptTokens(session);
  if (before <= room * compactAt) return;
  const overhead = before / session.tokenRatio - estimatePromptTokens(session.messages);
  const compaction = compact(session.messages, (room * compactTo) / session.tokenRatio - overhead);
  session.messages = compaction.messages;
  const { shortened, dropped } = compaction;
  const data = {
    turn: session.turns + 1,
    shortened,
    dropped,
    tokensBefore: before,
    tokensAfter: promptTokens(session),
  };
  await session.doors.record({ kind: 'agent.compacted', data });
}

async function call(session: Session): Promise<PaidReply> {
  const { doors, request, context } = session;
  const messages = [...session.messages];
  const inputTokens = promptTokens(session);
  const asked = {
    model: request.model.name,
    effort: request.model.effort,
    messages,
    tools: session.tools.map(({ name, description, parameters }) => ({ name, description, parameters })),
    maxOutputTokens: session.maxOutputTokens,
    signal: context.signal,
  };
  const startedAtMs = doors.clock.elapsedMs();
  let paid = await payFor(doors.model, doors.budget, asked, inputTokens);
  if (!paid.ok)
    paid = await payFor(doors.model, doors.budget, { ...asked, maxOutputTokens: smallOutputTokens }, inputTokens);
  if (!paid.ok) return paid;
  session.turns += 1;
  const { reply } = paid;
  session.usage = addUsage(session.usage, reply.usage);
  if (reply.usage.estimated !== true && reply.usage.inputTokens > inputTokens) {
    session.tokenRatio *= reply.usage.inputTokens / inputTokens;
  }
  const { sent, stablePrefix } = session.prompts.note(messages);
  await doors.record({
    kind: 'model.call',
    data: {
      stage: 'build',
      turn: session.turns,
      model: request.model.name,
      sent: sent.map((message) => ({ ...message, text: doors.mask(message.text) })),
      messages: messages.length,
      stablePrefix,
      text: doors.mask(reply.text),
      toolCalls: reply.toolCalls.map((made) => ({ ...made, argumentsText: doors.mask(made.argumentsText) })),
      finish: reply.finish,
      usage: reply.usage,
      durationMs: Math.round(doors.clock.elapsedMs() - startedAtMs),
    },
  });
  return paid;
}

function promptTokens(session: Session): number {
  return Math.ceil(estimatePromptTokens(session.messages, session.tools) * session.tokenRatio);
}

/** Whether an error only means that the attempt's time ran out while a call was under way. */
export function ranOutOfTime(error: unknown, session: Session, cancelled: AbortSignal): boolean {
  const stopped = error instanceof MillwrightError && error.code === 'run.cancelled';
  return stopped && !cancelled.aborted && session.context.signal.aborted;
}
