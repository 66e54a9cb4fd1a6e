import type { ModelMessage, ToolSpec } from './model.ts';

/** How much a model takes and gives in one call, in tokens. `window` holds prompt and output together. */
interface ContextWindow {
  windowTokens: number;
  maxOutputTokens: number;
}

/** For models that no row names: what most servers of the last years can do. A server that can do less says so (`too-long`, output cap). */
export const defaultWindow: ContextWindow = { windowTokens: 128_000, maxOutputTokens: 8_192 };

/**
 * First match wins; matched on the name without a provider prefix (`openai/gpt-5` → `gpt-5`).
 * Figures from the providers' model pages, rounded down where variants differ.
 */
const knownWindows: readonly [RegExp, ContextWindow][] = [
  [/^gpt-5.*chat/, { windowTokens: 128_000, maxOutputTokens: 16_384 }],
  [/^gpt-5/, { windowTokens: 400_000, maxOutputTokens: 128_000 }],
  [/^gpt-4\.1/, { windowTokens: 1_047_576, maxOutputTokens: 32_768 }],
  [/^(gpt-4o|chatgpt-4o)/, { windowTokens: 128_000, maxOutputTokens: 16_384 }],
  [/^gpt-4-(turbo|1106|0125)/, { windowTokens: 128_000, maxOutputTokens: 4_096 }],
  [/^gpt-4-32k/, { windowTokens: 32_768, maxOutputTokens: 8_192 }],
  [/^gpt-4/, { windowTokens: 8_192, maxOutputTokens: 4_096 }],
  [/^gpt-3\.5/, { windowTokens: 16_385, maxOutputTokens: 4_096 }],
  [/^gpt-oss/, { windowTokens: 131_072, maxOutputTokens: 32_768 }],
  [/^o1-mini/, { windowTokens: 128_000, maxOutputTokens: 65_536 }],
  [/^o1-preview/, { windowTokens: 128_000, maxOutputTokens: 32_768 }],
  [/^(o1|o3|o4)/, { windowTokens: 200_000, maxOutputTokens: 100_000 }],
  [/^claude-3-5/, { windowTokens: 200_000, maxOutputTokens: 8_192 }],
  [/^claude-3-(opus|sonnet|haiku)/, { windowTokens: 200_000, maxOutputTokens: 4_096 }],
  [/^claude/, { windowTokens: 200_000, maxOutputTokens: 32_000 }],
  [/^gemini-(1|2\.0)/, { windowTokens: 1_000_000, maxOutputTokens: 8_192 }],
  [/^gemini/, { windowTokens: 1_000_000, maxOutputTokens: 65_536 }],
  [/^deepseek/, { windowTokens: 128_000, maxOutputTokens: 8_192 }],
  [/^(qwen3|qwen-3)/, { windowTokens: 128_000, maxOutputTokens: 16_384 }],
  [/^(mistral|codestral|devstral)/, { windowTokens: 128_000, maxOutputTokens: 16_384 }],
];

/** Window and output limit of a model by its name, with a default for names that are not known. */
export function contextWindow(model: string): ContextWindow {
  const name = (model.split('/').at(-1) ?? model).toLowerCase();
  return knownWindows.find(([pattern]) => pattern.test(name))?.[1] ?? defaultWindow;
}

/**
 * Tokens of a text, on the high side for prose and code: tokenizers put about four bytes into a token, this counts three.
 * Dense text (hashes, base64) can still hold more; who needs to be exact corrects with what the provider counted.
 */
export function estimateTokens(text: string): number {
  return Math.ceil(Buffer.byteLength(text) / 3);
}

/** Tokens of frame around each message and tool, as chat formats spend them. */
const frameTokens = 8;

/** Messages and tools never change once made, and every turn asks for all of them again. */
const known = new WeakMap<ModelMessage | ToolSpec, number>();

/** Tokens of a whole prompt, on the high side. */
export function estimatePromptTokens(messages: readonly ModelMessage[], tools: readonly ToolSpec[] = []): number {
  let tokens = frameTokens;
  for (const message of messages) tokens += estimateMessageTokens(message);
  for (const tool of tools) {
    tokens += remembered(tool, () => estimateTokens(tool.name + tool.description + JSON.stringify(tool.parameters)));
  }
  return tokens;
}

export function estimateMessageTokens(message: ModelMessage): number {
  return remembered(message, () => {
    let tokens = estimateTokens(message.text);
    if (message.role === 'assistant') {
      for (const call of message.toolCalls) tokens += frameTokens + estimateTokens(call.name + call.argumentsText);
    }
    return tokens;
  });
}

function remembered(part: ModelMessage | ToolSpec, count: () => number): number {
  const before = known.get(part);
  if (before !== undefined) return before;
  const tokens = frameTokens + count();
  known.set(part, tokens);
  return tokens;
}
