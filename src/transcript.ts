import { z } from 'zod';
import type { Doors } from './doors.ts';
import { eventsOf, type LedgerEvent } from './engine/ledger.ts';

/** One thing said in a run's conversations with models. Texts are masked, bounded and untrusted: repositories and models wrote in them. */
export interface Said {
  attempt: number;
  /** Stage that asked; null in ledgers of earlier versions. */
  stage: string | null;
  atMs: number;
  /** `note`: of the app, about the conversation, such as that old outputs were shortened. */
  by: 'system' | 'user' | 'model' | 'tool' | 'note';
  /** Turn of the round; null where there is none. */
  turn: number | null;
  text: string;
  /** A model's calls, or the one that a tool answers. */
  calls: { name: string; argumentsText: string }[];
}

const kinds = ['agent.started', 'model.call', 'tool.call', 'agent.compacted', 'agent.ended'];
const mostEvents = 100_000;

/** Everything said in a run, in order, over all rounds and attempts, from the ledger alone. */
export async function transcriptOf(db: Doors['db'], runId: string): Promise<Said[]> {
  return (await eventsOf(db, runId, { kinds, limit: mostEvents })).flatMap(saidIn);
}

const call = z.object({ name: z.string(), argumentsText: z.string() });
const modelCall = z.object({
  stage: z.string().nullish(),
  turn: z.number().nullish(),
  sent: z.array(z.object({ role: z.enum(['system', 'user']), text: z.string() })).default([]),
  text: z.string().default(''),
  toolCalls: z.array(call).default([]),
  finish: z.string(),
});
const toolCall = z.object({ turn: z.number(), name: z.string(), argumentsText: z.string(), result: z.string() });
const started = z.object({ continued: z.boolean() });
const compacted = z.object({ shortened: z.number(), dropped: z.number() });
const ended = z.object({ end: z.string(), clause: z.string().optional(), question: z.string().optional() });

function saidIn(event: LedgerEvent): Said[] {
  const { attempt, atMs, kind, data } = event;
  const build: Said = { attempt, stage: 'build', atMs, by: 'note', turn: null, text: '', calls: [] };
  switch (kind) {
    case 'model.call': {
      const read = modelCall.safeParse(data);
      return read.success ? callIn(build, read.data) : [{ ...build, stage: null, text: 'A call that cannot be read.' }];
    }
    case 'tool.call': {
      const read = toolCall.safeParse(data);
      if (!read.success) return [{ ...build, text: 'The result of a call that cannot be read.' }];
      const { turn, name, argumentsText, result } = read.data;
      return [{ ...build, by: 'tool', turn, text: result, calls: [{ name, argumentsText }] }];
    }
    case 'agent.started':
      return [
        { ...build, text: started.safeParse(data).data?.continued ? 'A further round.' : 'A fresh conversation.' },
      ];
    case 'agent.compacted': {
      const { shortened = 0, dropped = 0 } = compacted.safeParse(data).data ?? {};
      return [{ ...build, text: `To make room, ${shortened} old messages were shortened and ${dropped} left out.` }];
    }
    default: {
      const { end = 'unknown', clause, question } = ended.safeParse(data).data ?? {};
      return [{ ...build, text: ['The round ended:', end, clause, question].filter(Boolean).join(' ') }];
    }
  }
}

function callIn(at: Said, { stage, turn, sent, text, toolCalls, finish }: z.infer<typeof modelCall>): Said[] {
  const here = { ...at, stage: stage ?? null, turn: turn ?? null };
  const asked = sent.map(({ role, text: told }): Said => ({ ...here, by: role, text: told }));
  const usual = finish === 'stop' || finish === 'tool-calls';
  const how: Said[] = usual ? [] : [{ ...here, text: `The reply ended early: ${finish}.` }];
  return [...asked, { ...here, by: 'model', text, calls: toolCalls }, ...how];
}
