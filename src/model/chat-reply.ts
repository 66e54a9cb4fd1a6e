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

/** No call takes more; a figure beyond is a mistake of the server, or worse. */
const mostTokens = 1e9;
/** Characters that one token may stand for, in the longest words and runs of spaces; and calls in one reply. */
const charsPerToken = 64;
const mostCalls = 256;

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
  private chars = 0;
  private readonly mostChars: number;
  finishReason: string | null = null;

  /** `maxOutputTokens` is what was asked for: a server that goes on beyond it is not listened to. */
  constructor(maxOutputTokens: number) {
    this.mostChars = maxOutputTokens * charsPerToken;
  }

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

  /** More than was asked for, by far: what follows is of no use. */
  get overflows(): boolean {
    return this.chars > this.mostChars || this.calls.size > mostCalls;
  }

  /** Figures that can be true: no call has an empty prompt, and none gives tokens back. */
  get namesUsage(): boolean {
    const { prompt_tokens: input, completion_tokens: output } = this.usage ?? {};
    return isCount(input) && input > 0 && isCount(output) && (output > 0 || !this.begun);
  }

  reply(request: ModelRequest): ModelReply {
    const toolCalls = this.toolCalls();
    const usage = this.countedUsage(request);
    if (this.refusal !== '') return { text: this.refusal, toolCalls: [], finish: 'refusal', usage };
    return {
      text: this.text,
      toolCalls,
      finish: finishOf(this.overflows ? 'length' : this.finishReason, toolCalls.length),
      usage,
    };
  }

  /** What was used so far; estimated from the text where the provider named no figures. */
  countedUsage(request: ModelRequest): Usage {
    const named = this.usage;
    if (named !== null && this.namesUsage) {
      const cached = named.prompt_tokens_details?.cached_tokens ?? named.prompt_cache_hit_tokens ?? 0;
      return {
        inputTokens: Math.ceil(named.prompt_tokens ?? 0),
        cachedInputTokens: isCount(cached) ? Math.floor(cached) : 0,
        outputTokens: Math.ceil(named.completion_tokens ?? 0),
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
    const pieces =
      typeof part.content === 'string' ? [part.content] : (part.content ?? []).map(({ text }) => text ?? '');
    for (const piece of pieces) this.text += piece;
    this.refusal += part.refusal ?? '';
    this.chars += pieces.join('').length + (part.refusal?.length ?? 0);
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
    const written = typeof text === 'string' ? text : JSON.stringify(text);
    partial.argumentsText += written;
    this.chars += name.length + written.length;
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

function isCount(value: number | null | undefined): value is number {
  return typeof value === 'number' && value >= 0 && value <= mostTokens;
}

function finishOf(reason: string | null, calls: number): ModelReply['finish'] {
  if (reason === 'length' || reason === 'max_tokens') return 'length';
  if (reason === 'content_filter') return 'content-filter';
  return calls > 0 ? 'tool-calls' : 'stop';
}
