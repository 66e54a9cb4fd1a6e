import { estimateMessageTokens } from '../model/context-window.ts';
import type { ModelMessage, ToolCall } from '../model/model.ts';
import { headAndTail } from './output-store.ts';

/** Share of the room that stays as it is at the end: what the model is working with right now. */
const recentShare = 0.3;
/** Characters left of each end of an old tool output, and of a recent one when nothing else helps. */
const oldEndChars = 300;
const recentEndChars = 1_500;
const shortArgumentChars = 200;

interface Compaction {
  messages: ModelMessage[];
  shortened: number;
  dropped: number;
}

/**
 * Makes a conversation fit into `targetTokens`: old tool outputs and old file contents are shortened first, oldest first;
 * when that is not enough, old turns are left out whole. System and user messages (contract, plan, feedback, guidance) stay.
 */
export function compact(messages: readonly ModelMessage[], targetTokens: number): Compaction {
  const recentFrom = startOfRecent(messages, targetTokens * recentShare);
  const old = shortenPart(messages, 0, recentFrom, oldEndChars, targetTokens);
  const kept = dropOldTurns(old.messages, recentFrom, targetTokens);
  const recent = shortenPart(
    kept.messages,
    recentFrom - kept.removed,
    kept.messages.length,
    recentEndChars,
    targetTokens,
  );
  return { messages: recent.messages, shortened: old.shortened + recent.shortened, dropped: kept.dropped };
}

/** Shortens messages from `from` up to `until`, oldest first, as long as the whole is too long. */
function shortenPart(
  messages: readonly ModelMessage[],
  from: number,
  until: number,
  endChars: number,
  targetTokens: number,
): { messages: ModelMessage[]; shortened: number } {
  let tokens = total(messages);
  let shortened = 0;
  const shorter = messages.map((message, index) => {
    if (index < from || index >= until || tokens <= targetTokens) return message;
    const short = shorten(message, endChars);
    if (short === message) return message;
    tokens += estimateMessageTokens(short) - estimateMessageTokens(message);
    shortened += 1;
    return short;
  });
  return { messages: shorter, shortened };
}

/** `removed`: by how much the list became shorter. */
function dropOldTurns(
  messages: ModelMessage[],
  recentFrom: number,
  targetTokens: number,
): { messages: ModelMessage[]; dropped: number; removed: number } {
  let tokens = total(messages);
  const dropped = new Set<number>();
  for (let index = 0; index < recentFrom && tokens > targetTokens; index += 1) {
    const message = messages[index];
    if (message?.role !== 'assistant') continue;
    // A reply goes together with the results of its calls, or the provider rejects the history.
    for (let at = index; at < messages.length && (at === index || messages[at]?.role === 'tool'); at += 1) {
      const part = messages[at];
      if (part === undefined) break;
      dropped.add(at);
      tokens -= estimateMessageTokens(part);
    }
  }
  if (dropped.size === 0) return { messages, dropped: 0, removed: 0 };
  const first = Math.min(...dropped);
  const note: ModelMessage = {
    role: 'user',
    text: 'Earlier turns were left out here to make room. The files hold their effect: read them again where you need to.',
  };
  const kept = messages.flatMap((message, index) => {
    if (index === first) return [note];
    return dropped.has(index) || (message.role === 'user' && message.text === note.text) ? [] : [message];
  });
  return { messages: kept, dropped: dropped.size, removed: messages.length - kept.length };
}

/** Where the recent part begins: never inside a reply and its results. */
function startOfRecent(messages: readonly ModelMessage[], recentTokens: number): number {
  let tokens = 0;
  let start = messages.length;
  for (let index = messages.length - 1; index >= 0; index -= 1) {
    const message = messages[index];
    if (message === undefined) break;
    tokens += estimateMessageTokens(message);
    if (tokens > recentTokens && start < messages.length) break;
    if (message.role !== 'tool') start = index;
  }
  return start;
}

function shorten(message: ModelMessage, endChars: number): ModelMessage {
  if (message.role === 'tool') {
    const text = withinFence(
      message.text,
      headAndTail(message.text, endChars, endChars, ' to make room; call the tool again if you need them'),
    );
    return text.length < message.text.length ? { ...message, text } : message;
  }
  if (message.role !== 'assistant') return message;
  const toolCalls = message.toolCalls.map(shortenCall);
  return toolCalls.some((call, index) => call !== message.toolCalls[index]) ? { ...message, toolCalls } : message;
}

/**
 * A cut that took the opening of a fence away would leave data outside of it: then nothing of the output stays. Before the
 * first opening stands nothing but our own words, and inside a fence its mark cannot stand, so no text of others counts here.
 */
function withinFence(whole: string, cut: string): string {
  const mark = /<data ([\w-]+) kind="/.exec(whole)?.[1];
  if (mark === undefined) return cut;
  let open = false;
  for (const [found] of cut.matchAll(new RegExp(`</data ${mark}>|<data ${mark} kind="[^"\n]*">`, 'g'))) {
    const opens = !found.startsWith('</');
    if (opens === open) return '[left out to make room; call the tool again if you need it]';
    open = opens;
  }
  return open ? '[left out to make room; call the tool again if you need it]' : cut;
}

/** Stays valid JSON: some servers parse the history. */
function shortenCall(call: ToolCall): ToolCall {
  if (call.argumentsText.length <= shortArgumentChars * 2) return call;
  let given: unknown;
  try {
    given = JSON.parse(call.argumentsText);
  } catch {
    given = {};
  }
  const short = JSON.stringify(given, (_key, value: unknown) =>
    typeof value === 'string' && value.length > shortArgumentChars
      ? `${value.slice(0, shortArgumentChars)} [… ${value.length - shortArgumentChars} characters cut to make room]`
      : value,
  );
  return short.length < call.argumentsText.length ? { ...call, argumentsText: short } : call;
}

function total(messages: readonly ModelMessage[]): number {
  return messages.reduce((sum, message) => sum + estimateMessageTokens(message), 0);
}
