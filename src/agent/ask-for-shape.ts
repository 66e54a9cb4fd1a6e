import { z } from 'zod';
import { jsonInText } from '../model/json-text.ts';
import type { Model, ModelMessage, ModelReply, ModelRequest, Usage } from '../model/model.ts';
import { addUsage, noUsage } from '../model/prices.ts';

type ShapeReply<T> =
  | { ok: true; value: T; usage: Usage; calls: number }
  | {
      ok: false;
      reason: 'refusal' | 'content-filter' | 'length' | 'too-long' | 'invalid';
      /** What the model said last: untrusted. */
      text: string;
      usage: Usage;
      calls: number;
    };

type ShapeRequest = Omit<ModelRequest, 'schema' | 'tools'> & {
  /** Letters and underscores; some servers show it to the model. */
  name: string;
};

/**
 * One structured call: asks for a value of the shape, checks the reply, and gives the model one chance to mend it.
 * Errors: the model's own.
 */
export async function askForShape<Shape extends z.ZodType>(
  model: Model,
  request: ShapeRequest,
  shape: Shape,
): Promise<ShapeReply<z.output<Shape>>> {
  const { name, ...rest } = request;
  const { $schema: _, ...json } = z.toJSONSchema(shape);
  let messages: readonly ModelMessage[] = request.messages;
  let usage = noUsage;
  for (let calls = 1; ; calls += 1) {
    const reply = await model.complete({ ...rest, messages, schema: { name, json } });
    usage = addUsage(usage, reply.usage);
    if (reply.finish !== 'stop' && reply.finish !== 'tool-calls' && reply.finish !== 'length') {
      return { ok: false, reason: reply.finish, text: reply.text, usage, calls };
    }
    const read = readReply(reply, shape);
    if (read.ok) return { ok: true, value: read.value, usage, calls };
    if (calls === 2) {
      return { ok: false, reason: reply.finish === 'length' ? 'length' : 'invalid', text: reply.text, usage, calls };
    }
    messages = [
      ...request.messages,
      // Some providers take no empty turn.
      { role: 'assistant', text: reply.text.slice(0, 20_000) || '(nothing)', toolCalls: [] },
      {
        role: 'user',
        text: `That reply cannot be used: ${read.problem}\nSend the whole JSON value again, mended and nothing else.`,
      },
    ];
  }
}

function readReply<Shape extends z.ZodType>(
  reply: ModelReply,
  shape: Shape,
): { ok: true; value: z.output<Shape> } | { ok: false; problem: string } {
  if (reply.finish === 'length') return { ok: false, problem: 'it was cut at the length limit; be much shorter.' };
  const json = jsonInText(reply.text);
  if (json === null) return { ok: false, problem: 'it is not JSON.' };
  const read = shape.safeParse(JSON.parse(json));
  if (read.success) return { ok: true, value: read.data };
  return {
    ok: false,
    problem: `it does not have the shape asked for.\n${z.prettifyError(read.error).slice(0, 4_000)}`,
  };
}
