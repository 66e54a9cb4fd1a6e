import OpenAI from 'openai';
import type { Clock } from '../clock.ts';
import { MillwrightError } from '../errors.ts';
import { type AnswerWatch, watchAnswer } from './answer-watch.ts';
import { boundedAnswers } from './bounded-answer.ts';
import { type Breaker, createBreaker } from './breaker.ts';
import { chunkShape, completionShape, ReplyDraft } from './chat-reply.ts';
import { asksByForcedTool, chatParams, sentFeatures } from './chat-request.ts';
import { contextWindow } from './context-window.ts';
import { jsonInText } from './json-text.ts';
import type { Model, ModelReply, ModelRequest, Usage } from './model.ts';
import { BrokenAnswer, classifyFailure, type ModelFailure } from './model-failure.ts';
import { addUsage, noUsage } from './prices.ts';
import { hopefulTraits, learnFromRefusal, type ServerTraits } from './server-traits.ts';

export interface OpenAiModelOptions {
  apiKey: string;
  /** Address of the API, version included; undefined: OpenAI's own. */
  baseUrl?: string | undefined;
  clock: Clock;
  log?: ModelLog;
  fetch?: typeof globalThis.fetch;
  /** Silence after which an answer counts as broken off. Default 300 s: models that think first say nothing meanwhile. */
  idleTimeoutMs?: number;
  /** Time for one whole answer, however busy its stream is. Default one hour. */
  answerTimeoutMs?: number;
  /** Bytes of one answer. Default 128 MiB. */
  answerBytes?: number;
  /** Calls of one request, the first included, while faults are short. Default 5. */
  maxAttempts?: number;
}

/** The part of a logger that this room uses. No text of prompts or replies is ever logged. */
interface ModelLog {
  info(facts: Record<string, unknown>, message: string): void;
  warn(facts: Record<string, unknown>, message: string): void;
}

const openAiAddress = 'https://api.openai.com/v1';
const firstBackOffMs = 1_000;
const longestBackOffMs = 30_000;
/** A server that asks for a longer pause gets it from the queue, not from a worker that sits and waits. */
const longestPauseMs = 90_000;
/** Refusals that one call may learn from: one for each feature that can be given up, and one to spare. */
const maxLessons = 9;

interface Attempts {
  traits: ServerTraits;
  faults: number;
  lessons: number;
  /** Tokens of answers that broke off: paid for, so counted with the answer that arrives. */
  lost: Usage;
}

/** The real model: Chat Completions over npm `openai`, on any server that speaks it. Safe to share between runs. */
export function createOpenAiModel(options: OpenAiModelOptions): Model {
  return new OpenAiModel(options);
}

class OpenAiModel implements Model {
  private readonly client: OpenAI;
  private readonly clock: Clock;
  private readonly log: ModelLog | undefined;
  private readonly idleTimeoutMs: number;
  private readonly answerTimeoutMs: number;
  private readonly maxAttempts: number;
  private readonly breaker: Breaker;
  private readonly learned = new Map<string, ServerTraits>();

  constructor(options: OpenAiModelOptions) {
    const { apiKey, baseUrl, clock, log, fetch, idleTimeoutMs, answerTimeoutMs, answerBytes, maxAttempts } = options;
    this.clock = clock;
    this.log = log;
    this.idleTimeoutMs = idleTimeoutMs ?? 300_000;
    this.answerTimeoutMs = answerTimeoutMs ?? 3_600_000;
    this.maxAttempts = maxAttempts ?? 5;
    this.breaker = createBreaker({ clock, threshold: 3, openMs: 300_000 });
    this.client = new OpenAI({
      // An empty key would make the client look for other credentials; servers without keys ignore this one.
      apiKey: apiKey === '' ? 'none' : apiKey,
      baseURL: baseUrl || openAiAddress,
      organization: null,
      project: null,
      // Retries are ours: the client's own would multiply them and does not know broken streams, budgets or the breaker.
      maxRetries: 0,
      timeout: this.idleTimeoutMs,
      logLevel: 'off',
      fetch: boundedAnswers(fetch ?? globalThis.fetch, answerBytes),
    });
  }

  async complete(request: ModelRequest): Promise<ModelReply> {
    this.failFastWhenRefused();
    const attempts: Attempts = { traits: this.traitsOf(request.model), faults: 0, lessons: 0, lost: noUsage };
    for (;;) {
      const draft = new ReplyDraft(request.maxOutputTokens ?? contextWindow(request.model).maxOutputTokens);
      try {
        await this.attempt(request, attempts.traits, draft);
      } catch (error) {
        if (request.signal?.aborted) throw new MillwrightError('run.cancelled', { cause: error });
        const early = await this.afterFailure(error, request, attempts, draft);
        if (early !== null) return early;
        continue;
      }
      this.breaker.succeeded();
      return this.finished(request, attempts, draft);
    }
  }

  private traitsOf(model: string): ServerTraits {
    return this.learned.get(model) ?? hopefulTraits;
  }

  private failFastWhenRefused(): void {
    const remainingMs = this.breaker.remainingMs();
    if (remainingMs === 0) return;
    const message = 'Not asked: the model service has refused the key repeatedly.';
    throw new MillwrightError('outside.model-paused', { message, retryAfterMs: remainingMs });
  }

  /** One HTTP call; fills the draft. Throws what the client throws, or BrokenAnswer. */
  private async attempt(request: ModelRequest, traits: ServerTraits, draft: ReplyDraft): Promise<void> {
    using watch = watchAnswer(request.signal, { idleMs: this.idleTimeoutMs, wholeMs: this.answerTimeoutMs });
    const { signal } = watch;
    try {
      if (traits.streaming) await this.readStream(request, traits, draft, watch);
      else
        draft.addCompletion(
          readCompletion(await this.client.chat.completions.create(chatParams(request, traits), { signal })),
        );
    } catch (error) {
      throw watch.broken(error) ?? error;
    }
    // The client ends an aborted stream without a word.
    signal.throwIfAborted();
  }

  private async readStream(
    request: ModelRequest,
    traits: ServerTraits,
    draft: ReplyDraft,
    { signal, heard }: AnswerWatch,
  ): Promise<void> {
    const params = { ...chatParams(request, traits), stream: true as const, stream_options: { include_usage: true } };
    const { data, response } = await this.client.chat.completions.create(params, { signal }).withResponse();
    if (!(response.headers.get('content-type') ?? '').includes('text/event-stream')) {
      draft.addCompletion(readCompletion(await response.json()));
      return;
    }
    for await (const chunk of data) {
      heard();
      const read = chunkShape.safeParse(chunk);
      if (!read.success) throw new BrokenAnswer('An event of the stream cannot be read.', { cause: read.error });
      draft.addChunk(read.data);
      if (draft.overflows) return;
    }
    if (signal.aborted) throw new BrokenAnswer('The stream was cut off.');
    if (draft.finishReason === null) {
      throw new BrokenAnswer('The stream ended without a finish reason.', { withoutFinish: true });
    }
  }

  /** Decides what a failed attempt means; returns a reply when the failure is one, waits or learns when it is worth another try. */
  private async afterFailure(
    error: unknown,
    request: ModelRequest,
    attempts: Attempts,
    draft: ReplyDraft,
  ): Promise<ModelReply | null> {
    const failure = classifyFailure(error, this.clock.nowMs());
    if (draft.begun) {
      const usage = draft.countedUsage(request);
      attempts.lost = addUsage(attempts.lost, usage);
      if ((await request.onLost?.(usage)) === false) throw new MillwrightError('outside.model', { cause: error });
    }
    // Whatever else is wrong, the key is taken.
    if (failure.kind !== 'refused-key' && failure.kind !== 'transient') this.breaker.succeeded();
    if (error instanceof BrokenAnswer && error.final) throw new MillwrightError('outside.model', { cause: error });
    switch (failure.kind) {
      case 'refused-key':
        if (this.breaker.failed())
          this.log?.warn({}, 'The model service refuses the key repeatedly; calls stop for a while.');
        throw new MillwrightError('outside.model-refused-key', { cause: error });
      case 'too-long':
      case 'content-filter':
        return { text: '', toolCalls: [], finish: failure.kind, usage: attempts.lost };
      case 'rejected':
        this.learn(failure, request, attempts, error);
        return null;
      case 'transient':
        if (error instanceof BrokenAnswer && error.withoutFinish)
          attempts.traits = { ...attempts.traits, streaming: false };
        await this.pause(failure, request, attempts, error);
        return null;
    }
  }

  private learn(
    failure: ModelFailure & { kind: 'rejected' },
    request: ModelRequest,
    attempts: Attempts,
    error: unknown,
  ): void {
    const next = learnFromRefusal(attempts.traits, sentFeatures(request, attempts.traits), failure.refusal);
    attempts.lessons += 1;
    if (next === null || attempts.lessons > maxLessons)
      throw new MillwrightError('outside.model-rejected', { cause: error });
    attempts.traits = next;
  }

  private async pause(
    failure: ModelFailure & { kind: 'transient' },
    request: ModelRequest,
    attempts: Attempts,
    error: unknown,
  ): Promise<void> {
    attempts.faults += 1;
    const backOffMs = Math.min(longestBackOffMs, firstBackOffMs * 2 ** (attempts.faults - 1));
    const jitteredMs = backOffMs * (0.5 + Math.random() / 2);
    const waitMs = failure.retryAfterMs ?? jitteredMs;
    if (attempts.faults >= this.maxAttempts || waitMs > longestPauseMs) {
      throw new MillwrightError('outside.model', {
        cause: error,
        ...(failure.retryAfterMs === null ? {} : { retryAfterMs: failure.retryAfterMs }),
      });
    }
    this.log?.info(
      { model: request.model, attempt: attempts.faults, waitMs },
      'A model call failed and is tried again.',
    );
    try {
      await this.clock.sleep(waitMs, request.signal);
    } catch (cause) {
      throw new MillwrightError('run.cancelled', { cause });
    }
  }

  /** Remembers what worked, and turns the draft into the reply that was asked for. */
  private finished(request: ModelRequest, attempts: Attempts, draft: ReplyDraft): ModelReply {
    let traits = attempts.traits;
    const reply = draft.reply(request);
    // A server that streams but counts nothing is asked without streaming from now on, where answers carry usage.
    if (traits.streaming && !draft.namesUsage) traits = { ...traits, streaming: false };
    if (request.schema !== undefined) traits = asJsonReply(request, traits, reply);
    this.learned.set(request.model, traits);
    reply.usage = addUsage(reply.usage, attempts.lost);
    return reply;
  }
}

function readCompletion(body: unknown) {
  const read = completionShape.safeParse(body);
  if (read.success) return read.data;
  throw new BrokenAnswer('The answer cannot be read.', { cause: read.error });
}

/**
 * Puts the JSON of a structured reply into its text. A reply without any JSON in it shows that the server takes the
 * question but does not heed it: the next one is asked in a plainer way. Returns the traits to remember.
 */
function asJsonReply(request: ModelRequest, traits: ServerTraits, reply: ModelReply): ServerTraits {
  const forced = asksByForcedTool(request, traits);
  const call = forced ? reply.toolCalls.find((made) => made.name === request.schema?.name) : undefined;
  const json = jsonInText(call?.argumentsText ?? reply.text);
  if (call !== undefined) {
    reply.toolCalls = [];
    reply.text = call.argumentsText;
    if (reply.finish === 'tool-calls') reply.finish = 'stop';
  }
  if (json !== null) {
    reply.text = json;
    return traits;
  }
  if (reply.finish !== 'stop' && reply.finish !== 'tool-calls') return traits;
  return { ...traits, schema: traits.schema === 'json-schema' ? 'forced-tool' : 'text' };
}
