import OpenAI, { APIError } from 'openai';

/** What the model service says to this key and this model name. */
export type ModelProbe =
  | { kind: 'ready'; how: 'listed' | 'answered' }
  | { kind: 'refused-key'; message: string }
  /** `known`: names that the service lists. */
  | { kind: 'unknown-model'; message: string; known: string[] }
  | { kind: 'unreachable'; message: string };

const answerMs = 30_000;
const mostNames = 1_000;

/** Asks for the list of models; where that says nothing about the name, for an answer of a few tokens. Never rejects. */
export async function probeModel(options: { apiKey: string; baseUrl: string; name: string }): Promise<ModelProbe> {
  const client = new OpenAI({
    apiKey: options.apiKey === '' ? 'none' : options.apiKey,
    baseURL: options.baseUrl,
    organization: null,
    project: null,
    maxRetries: 0,
    timeout: answerMs,
    logLevel: 'off',
  });
  const known: string[] = [];
  try {
    for await (const { id } of client.models.list()) {
      known.push(id);
      if (id === options.name) return { kind: 'ready', how: 'listed' };
      if (known.length >= mostNames) break;
    }
  } catch (error) {
    const failed = failureOf(error);
    // Services without a list answer 404 or 405: the model itself is asked.
    if (failed.kind !== 'unknown-model') return failed;
  }
  try {
    await client.chat.completions.create({
      model: options.name,
      messages: [{ role: 'user', content: 'Answer with the word ready.' }],
    });
    return { kind: 'ready', how: 'answered' };
  } catch (error) {
    const failed = failureOf(error);
    return failed.kind === 'unknown-model' ? { ...failed, known } : failed;
  }
}

function failureOf(error: unknown): Exclude<ModelProbe, { kind: 'ready' }> {
  const message = error instanceof Error ? error.message : String(error);
  const status = error instanceof APIError ? error.status : undefined;
  if (status === undefined || status >= 500 || status === 408) {
    const cause = error instanceof Error && error.cause instanceof Error ? ` (${error.cause.message})` : '';
    return { kind: 'unreachable', message: `${message}${cause}` };
  }
  if ([401, 402, 403, 429].includes(status)) return { kind: 'refused-key', message };
  return { kind: 'unknown-model', message, known: [] };
}
