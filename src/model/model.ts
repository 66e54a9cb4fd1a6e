/** The door to the language model. One real implementation, `openai-model.ts`. */
export interface Model {
  /**
   * One call. Errors: `outside.model` (already retried inside for short faults), `outside.model-refused-key`,
   * `outside.model-paused` (refused before, not asked now), `outside.model-rejected`
   * (the service knows no such model or request), `run.cancelled` when the signal aborts.
   * Refusals, content filters and prompts that do not fit the window are replies, not errors.
   */
  complete(request: ModelRequest): Promise<ModelReply>;
}

export interface ModelRequest {
  /** Provider's model name. */
  model: string;
  /** Reasoning effort where the model knows one. */
  effort: string | null;
  messages: readonly ModelMessage[];
  tools?: readonly ToolSpec[];
  /** Asks for one JSON value of this shape instead of text. */
  schema?: { name: string; json: Record<string, unknown> };
  maxOutputTokens?: number;
  signal?: AbortSignal;
  /**
   * Told of an answer that broke off, whose tokens are paid for all the same; says whether it may be asked for again. They are in
   * the usage of the reply as well, when one comes.
   */
  onLost?: (usage: Usage) => Promise<boolean>;
}

export type ModelMessage =
  | { role: 'system'; text: string }
  | { role: 'user'; text: string }
  | { role: 'assistant'; text: string; toolCalls: readonly ToolCall[] }
  | { role: 'tool'; callId: string; text: string };

export interface ToolCall {
  id: string;
  name: string;
  /** As the model wrote it: not yet parsed, not yet trusted. */
  argumentsText: string;
}

export interface ToolSpec {
  name: string;
  description: string;
  /** JSON schema of the arguments. */
  parameters: Record<string, unknown>;
}

export interface ModelReply {
  text: string;
  toolCalls: ToolCall[];
  /** `too-long`: the prompt does not fit the model's window, nothing was generated. */
  finish: 'stop' | 'tool-calls' | 'length' | 'refusal' | 'content-filter' | 'too-long';
  usage: Usage;
}

/** Tokens as the provider counted them. `inputTokens` includes the cached ones. */
export interface Usage {
  inputTokens: number;
  cachedInputTokens: number;
  outputTokens: number;
  /** The provider named no figures (or not all of them): counted on the safe side from the text. */
  estimated?: boolean;
}
