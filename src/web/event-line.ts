import { z } from 'zod';
import type { EventHead } from '../engine/ledger.ts';
import { count, durationText } from '../report/phrases.ts';
import { lineOf } from './text.tsx';

/** How an event reads on one line of the log. */
export interface EventLine {
  id: number;
  atMs: number;
  kind: string;
  text: string;
  tone: 'plain' | 'good' | 'bad' | 'warn' | 'stage';
}

/** What events hold, as far as a line tells it: other versions may write more, or less. */
const known = z
  .object({
    state: z.string(),
    by: z.string(),
    reason: z.string().nullable(),
    stage: z.string(),
    note: z.string().nullable(),
    outcome: z.object({ text: z.string() }).nullable(),
    code: z.string(),
    message: z.string(),
    turn: z.number(),
    model: z.string(),
    text: z.string(),
    toolCalls: z.array(z.object({ name: z.string() })),
    usage: z.object({ inputTokens: z.number(), outputTokens: z.number() }),
    durationMs: z.number().nullable(),
    name: z.string(),
    argumentsText: z.string(),
    refused: z.string().nullable(),
    on: z.string(),
    command: z.string().nullable(),
    end: z.string().nullable(),
    exitCode: z.number().nullable(),
    bytes: z.number(),
    kept: z.boolean(),
    turns: z.number(),
  })
  .partial();
type Known = z.infer<typeof known>;

const longest = 300;

export function eventLine(event: EventHead): EventLine {
  const { id, atMs, kind } = event;
  const head = { id, atMs, kind: lineOf(kind, 40) };
  if (event.data === null && event.chars > 4)
    return { ...head, text: `${count(event.chars)} characters`, tone: 'plain' };
  const { text, tone = 'plain' } = told(event.kind, fieldsOf(event.data), event.data);
  return { ...head, text: lineOf(text, longest), tone };
}

/** Each field by itself: one that is of another kind than expected hides none of the others. */
function fieldsOf(data: unknown): Known {
  if (typeof data !== 'object' || data === null) return {};
  const fields: Record<string, unknown> = {};
  for (const [name, shape] of Object.entries(known.shape)) {
    const value = shape.safeParse((data as Record<string, unknown>)[name]);
    if (value.success && value.data !== undefined) fields[name] = value.data;
  }
  return fields as Known;
}

function told(kind: string, data: Known, whole: unknown): { text: string; tone?: EventLine['tone'] } {
  switch (kind) {
    case 'run.state':
      return stateText(data);
    case 'stage':
      return { text: `${data.stage ?? 'a stage'}${data.note ? `: ${data.note}` : ''}`, tone: 'stage' };
    case 'run.error':
      return { text: `${data.code ?? ''} ${data.message ?? ''}`, tone: 'bad' };
    case 'run.cancel':
      return {
        text: `asked to stop by ${data.by ?? 'somebody'}${data.reason ? `: ${data.reason}` : ''}`,
        tone: 'warn',
      };
    case 'model.call':
      return { text: callText(data) };
    case 'tool.call':
      return toolText(data);
    case 'verify.command':
      return commandText(data);
    case 'patch.kept':
      return { text: `${count(data.bytes ?? 0)} bytes${data.kept === false ? ', too large to keep' : ''}` };
    case 'agent.ended':
      return { text: `${data.end ?? 'ended'}${data.turns === undefined ? '' : ` after ${data.turns} turns`}` };
    default:
      return { text: whole === null ? '' : (JSON.stringify(whole) ?? '').slice(0, 4 * longest) };
  }
}

const stateTones: Readonly<Record<string, EventLine['tone']>> = {
  done: 'good',
  failed: 'bad',
  stopped: 'warn',
  waiting: 'warn',
};

function stateText({ state = '', by, reason, outcome }: Known): { text: string; tone: EventLine['tone'] } {
  const parts = [state, by ? `by ${by}` : '', reason ? `(${reason})` : ''];
  const head = parts.filter((part) => part !== '').join(' ');
  return { text: outcome ? `${head}: ${outcome.text}` : head, tone: stateTones[state] ?? 'plain' };
}

function callText({ turn, model, usage, durationMs, text, toolCalls }: Known): string {
  const did = toolCalls && toolCalls.length > 0 ? toolCalls.map(({ name }) => name).join(', ') : (text ?? '');
  const numbers = [
    usage ? `${count(usage.inputTokens)} in, ${count(usage.outputTokens)} out` : '',
    typeof durationMs === 'number' ? durationText(durationMs) : '',
  ].filter((part) => part !== '');
  return `${turn === undefined ? '' : `turn ${turn} · `}${model ?? 'model'} (${numbers.join(', ')}) ${did}`;
}

function toolText({ name, argumentsText, refused, durationMs }: Known): { text: string; tone: EventLine['tone'] } {
  const took = typeof durationMs === 'number' ? ` · ${durationText(durationMs)}` : '';
  const end = refused ? ` · refused: ${refused}` : took;
  return {
    text: `${name ?? 'a tool'} ${(argumentsText ?? '').slice(0, longest - 100)}${end}`,
    tone: refused ? 'warn' : 'plain',
  };
}

function commandText({ on, command, state, exitCode, end, durationMs }: Known): {
  text: string;
  tone: EventLine['tone'];
} {
  const where = on ? `on ${on}: ` : '';
  if (state === 'started') return { text: `${where}${command ?? ''} …`, tone: 'plain' };
  const code = typeof exitCode === 'number' ? `exit code ${exitCode}` : (end ?? 'ended');
  const took = typeof durationMs === 'number' ? ` · ${durationText(durationMs)}` : '';
  return { text: `${where}${command ?? ''} · ${code}${took}`, tone: exitCode === 0 ? 'good' : 'bad' };
}
