import type { Model, ModelReply, ModelRequest, Usage } from '../../src/model/model.ts';

export type ScriptedReply =
  | Partial<ModelReply>
  | ((request: ModelRequest) => Partial<ModelReply> | Promise<Partial<ModelReply>>);

/** A model that plays a script. An unexpected request fails, and so does a reply that nobody asked for (`done`). */
export class ScriptedModel implements Model {
  readonly requests: ModelRequest[] = [];
  private readonly replies: ScriptedReply[];

  constructor(...replies: ScriptedReply[]) {
    this.replies = replies;
  }

  async complete(request: ModelRequest): Promise<ModelReply> {
    this.requests.push({ ...request, messages: [...request.messages] });
    const next = this.replies.shift();
    if (next === undefined) throw new Error('The scripted model was asked once more than the script knows.');
    const reply = typeof next === 'function' ? await next(request) : next;
    const toolCalls = reply.toolCalls ?? [];
    const finish = toolCalls.length > 0 ? 'tool-calls' : 'stop';
    return { text: '', finish, usage: smallUsage, ...reply, toolCalls };
  }

  /** Fails when the script was not played to its end. */
  done(): void {
    if (this.replies.length > 0) throw new Error(`${this.replies.length} scripted replies were not used.`);
  }
}

export const smallUsage: Usage = { inputTokens: 100, cachedInputTokens: 0, outputTokens: 10 };

let calls = 0;

/** A reply that calls one tool. */
export function calling(name: string, given: unknown = {}): Partial<ModelReply> {
  return { toolCalls: [toolCall(name, given)] };
}

export function toolCall(name: string, given: unknown) {
  calls += 1;
  return { id: `call_${calls}`, name, argumentsText: typeof given === 'string' ? given : JSON.stringify(given) };
}
