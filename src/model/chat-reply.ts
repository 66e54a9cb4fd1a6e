import { z } from 'zod';
import { estimatePromptTokens, estimateTokens } from './context-window.ts';
import type { ModelReply, ModelRequest, ToolCall, Usage } from './model.ts';

const usageShape = z.object({
  prompt_tokens: z.number().nullish(),
  completion_tokens: z.number().nullish(),
  prompt_tokens_details: z.object({ cached_tokens: z.number().nullish() }).nullish(),
  /** DeepSeek's name for cached input. */
  prompt_cache_hit_tokens: z.number().nullish(),
});

const contentShape = z.union([z.string(), z.array(z.object({ text: z.string().nullish() }))]).nullish();

const callShape = z.object({
  index: z.number().nullish(),
  id: z.string().nullish(),
  function: z
    .object({
      name: z.string().nullish(),
      // Some servers send the arguments as an object instead of as text.
      arguments: z.union([z.string(), z.record(z.string(), z.unknown())]).nullish(),
    })
    .nullish(),
});

const partShape = z.object({
  content: contentShape,
  refusal: z.string().nullish(),
  tool_calls: z.array(callShape).nullish(),
});

const choiceFields = { finish_reason: z.string().nullish() };

/** One event of a stream, as loosely as compatible servers write it. */
export const chunkShape = z.object({
  choices: z.array(z.object({ ...choiceFields, delta: partShape.nullish() })).nullish(),
  usage: usageShape.nullish(),
});

/** A whole answer, as loosely as compatible servers write it. */
export const completionShape = z.object({
  choices: z.array(z.object({ ...choiceFields, message: partShape })).min(1),
  usage: usageShape.nullish(),
});

interface PartialCall {
  id: string | null;
  name: string;
  argumentsText: string;
}

/** Collects the pieces of one reply, whether they come as a stream or at once. */
export class ReplyDraft {
  private text = '';
  private refusal = '';
  private readonly calls = new Map<number, PartialCall>();
  private usage: z.infer<typeof usageShape> | null = null;
  finishReason: string | null = null;

  addChunk(chunk: z.infer<typeof chunkShape>): void {
    const choice = chunk.choices?.[0];
    if (choice?.delta) this.addPart(choice.delta);
    if (choice?.finish_reason) this.finishReason = choice.finish_reason;
    if (chunk.usage) this.usage = chunk.usage;
  }

  addCompletion(completion: z.infer<typeof completionShape>): void {
    const choice = completion.choices[0];
    if (choice === undefined) return;
    this.addPart(choice.message);
    this.finishReason = choice.finish_reason ?? 'stop';
    if (completion.usage) this.usage = completion.usage;
  }

  /** Whether anything at all arrived that a provider may charge for. */
  get begun(): boolean {
    return this.text !== '' || this.refusal !== '' || this.calls.size > 0;
  }

  get namesUsage(): boolean {
    return typeof this.usage?.prompt_tokens === 'number' && typeof this.usage.completion_tokens === 'number';
  }

  reply(request: ModelRequest): ModelReply {
    const toolCalls = this.toolCalls();
    const usage = this.countedUsage(request);
    if (this.refusal !== '') return { text: this.refusal, toolCalls: [], finish: 'refusal', usage };
    return { text: this.text, toolCalls, finish: finishOf(this.finishReason, toolCalls.length), usage };
  }

  /** What was used so far; estimated from the text where the provider named no figures. */
  countedUsage(request: ModelRequest): Usage {
    const named = this.usage;
    if (named !== null && this.namesUsage) {
      return {
        inputTokens: named.prompt_tokens ?? 0,
        cachedInputTokens: named.prompt_tokens_details?.cached_tokens ?? named.prompt_cache_hit_tokens ?? 0,
        outputTokens: named.completion_tokens ?? 0,
      };
    }
    const output =
      this.text + this.refusal + [...this.calls.values()].map((call) => call.name + call.argumentsText).join('');
    return {
      inputTokens: estimatePromptTokens(request.messages, request.tools),
      cachedInputTokens: 0,
      outputTokens: estimateTokens(output),
      estimated: true,
    };
  }

  private addPart(part: z.infer<typeof partShape>): void {
    if (typeof part.content === 'string') this.text += part.content;
    else for (const piece of part.content ?? []) this.text += piece.text ?? '';
    this.refusal += part.refusal ?? '';
    (part.tool_calls ?? []).forEach((call, position) => {
      this.addCall(call, position);
    });
  }

  private addCall(call: z.infer<typeof callShape>, position: number): void {
    let slot = call.index ?? position;
    const known = this.calls.get(slot);
    // Some servers give every call index 0 and tell calls apart by their id alone.
    if (known !== undefined && call.id && known.id !== null && known.id !== call.id) slot = this.calls.size;
    // … and some continue such a call without an id: the pieces belong to the latest one.
    else if (known !== undefined && !call.id && call.index == null) slot = this.calls.size - 1;
    const partial = this.calls.get(slot) ?? { id: null, name: '', argumentsText: '' };
    if (call.id) partial.id = call.id;
    const name = call.function?.name ?? '';
    if (partial.name !== name) partial.name += name;
    const text = call.function?.arguments ?? '';
    partial.argumentsText += typeof text === 'string' ? text : JSON.stringify(text);
    this.calls.set(slot, partial);
  }

  private toolCalls(): ToolCall[] {
    const taken = new Set<string>();
    return [...this.calls.values()].map((call, index) => {
      // Ids pair calls with results, so they must be there and differ.
      const id = call.id !== null && !taken.has(call.id) ? call.id : `call_${index + 1}_${taken.size}`;
      taken.add(id);
      return { id, name: call.name, argumentsText: call.argumentsText };
    });
  }
}

function finishOf(reason: string | null, calls: number): ModelReply['finish'] {
  if (reason === 'length' || reason === 'max_tokens') return 'length';
  if (reason === 'content_filter') return 'content-filter';
  return calls > 0 ? 'tool-calls' : 'stop';
}
