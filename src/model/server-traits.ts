/** What one server can do for one model. Starts hopeful, learns from refusals, remembered per model. */
export interface ServerTraits {
  streaming: boolean;
  /** Whether several tool calls may come in one reply: asked for, left unsaid, or neither asked for nor shown in the history. */
  parallelCalls: 'asked' | 'unsaid' | 'single';
  outputField: 'max_completion_tokens' | 'max_tokens' | 'none';
  /** Most output tokens that the server takes as a limit; null: not known. */
  outputCap: number | null;
  effort: boolean;
  /** How a JSON value of a given shape is asked for. */
  schema: 'json-schema' | 'forced-tool' | 'text';
}

export const hopefulTraits: ServerTraits = {
  streaming: true,
  parallelCalls: 'asked',
  outputField: 'max_completion_tokens',
  outputCap: null,
  effort: true,
  schema: 'json-schema',
};

/** What every server knows that calls itself compatible. */
const basicTraits: ServerTraits = {
  streaming: false,
  parallelCalls: 'unsaid',
  outputField: 'max_tokens',
  outputCap: null,
  effort: false,
  schema: 'text',
};

/** Which of the optional features a refused request used. */
export interface SentFeatures {
  tools: boolean;
  schema: boolean;
  effort: boolean;
  /** Output limit as sent; null when none was. */
  outputTokens: number | null;
}

/** A refusal as the server worded it: status 4xx, message, and the parameter and code where it names them. */
export interface ServerRefusal {
  message: string;
  param: string | null;
  code: string | null;
}

/**
 * The traits to try next after a refusal, or null when nothing is left to give up. Every step gives something up for good,
 * so that a series of refusals ends.
 */
export function learnFromRefusal(
  traits: ServerTraits,
  sent: SentFeatures,
  refusal: ServerRefusal,
): ServerTraits | null {
  const words = `${refusal.param ?? ''} ${refusal.code ?? ''} ${refusal.message}`.toLowerCase();
  const cap = sent.outputTokens === null ? null : namedOutputCap(words);
  if (cap !== null && sent.outputTokens !== null && cap < sent.outputTokens) return { ...traits, outputCap: cap };
  if (traits.streaming && /\bstream/.test(words)) return { ...traits, streaming: false };
  if (sent.tools && traits.parallelCalls !== 'single') {
    if (/single tool.?call|one tool.?call|multiple tool.?calls/.test(words))
      return { ...traits, parallelCalls: 'single' };
    if (/parallel/.test(words)) {
      return { ...traits, parallelCalls: traits.parallelCalls === 'asked' ? 'unsaid' : 'single' };
    }
  }
  const field = refusal.param?.toLowerCase() ?? words;
  if (sent.outputTokens !== null && traits.outputField !== 'none' && field.includes(traits.outputField)) {
    return { ...traits, outputField: traits.outputField === 'max_tokens' ? 'none' : 'max_tokens' };
  }
  if (sent.effort && traits.effort && /reasoning|effort/.test(words)) return { ...traits, effort: false };
  if (sent.schema && traits.schema === 'json-schema' && /response_format|json|schema|structured/.test(words)) {
    return { ...traits, schema: 'forced-tool' };
  }
  if (sent.schema && traits.schema === 'forced-tool' && /tool|function/.test(words))
    return { ...traits, schema: 'text' };
  return withoutAllThatWasSent(traits, sent);
}

/** The message named nothing we know: leave out everything optional at once, if that changes the request at all. */
function withoutAllThatWasSent(traits: ServerTraits, sent: SentFeatures): ServerTraits | null {
  const changes =
    traits.streaming ||
    (sent.tools && traits.parallelCalls === 'asked') ||
    (sent.outputTokens !== null && traits.outputField === 'max_completion_tokens') ||
    (sent.effort && traits.effort) ||
    (sent.schema && traits.schema !== 'text');
  return changes ? { ...basicTraits, outputCap: traits.outputCap } : null;
}

/**
 * The largest output limit that the message names, such as "supports at most 4096 completion tokens", or what a window
 * leaves beside the prompt: "maximum context length is 8192 tokens … 100 input tokens".
 */
function namedOutputCap(words: string): number | null {
  if (!/max_(completion_)?tokens|completion tokens|output tokens|in the completion/.test(words)) return null;
  const window = /maximum context length is (\d+)/.exec(words)?.[1];
  if (window !== undefined) {
    const prompt = /(\d+) (?:input tokens|prompt tokens|tokens from the input)|\((\d+) in the messages/.exec(words);
    const used = Number(prompt?.[1] ?? prompt?.[2] ?? Number.NaN);
    // Half of what is left: the prompt grows with every turn, and each refusal costs a call.
    const left = Math.floor((Number(window) - used) / 2);
    return left >= 256 ? left : null;
  }
  const named = /(?:at most|maximum(?: value)?(?: of| is)?|less than or equal to|<=|up to) *(\d+)/.exec(words)?.[1];
  return named === undefined || Number(named) < 1 ? null : Number(named);
}
