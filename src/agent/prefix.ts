import { estimatePromptTokens } from '../model/context-window.ts';
import type { ModelMessage } from '../model/model.ts';

/** What one call adds to a conversation. */
interface Step {
  /** Words of the app that the model has not been sent before: instructions, tasks, reminders. What it said and what its calls gave is recorded as it comes. */
  sent: { role: 'system' | 'user'; text: string }[];
  /** Share of this prompt that repeats the one before from its beginning, which is what provider caches can use; null for a first call. */
  stablePrefix: number | null;
}

/** Watches the prompts of one conversation. */
export interface PromptWatch {
  note(messages: readonly ModelMessage[]): Step;
  /** Over all calls but the first, weighted by their length; 0 to 1. */
  share(): number;
}

/** `before`: the conversation that is continued, as it stood; messages are known by identity. */
export function watchPrompts(before: readonly ModelMessage[] = []): PromptWatch {
  const known = new WeakSet<ModelMessage>(before);
  let previous = before;
  let stableTokens = 0;
  let totalTokens = 0;
  return {
    note(messages) {
      let same = 0;
      while (same < messages.length && messages[same] === previous[same]) same += 1;
      const total = estimatePromptTokens(messages);
      const stable = same === 0 ? 0 : estimatePromptTokens(messages.slice(0, same));
      const isFirst = previous.length === 0;
      if (!isFirst) {
        stableTokens += stable;
        totalTokens += total;
      }
      const sent = messages.flatMap((message) => {
        if (known.has(message) || message.role === 'assistant' || message.role === 'tool') return [];
        return [{ role: message.role, text: message.text }];
      });
      for (const message of messages) known.add(message);
      previous = messages;
      return { sent, stablePrefix: isFirst ? null : stable / total };
    },
    share: () => (totalTokens === 0 ? 0 : stableTokens / totalTokens),
  };
}
