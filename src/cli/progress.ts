import { z } from 'zod';
import type { LedgerEvent } from '../engine/ledger.ts';
import { errorTable } from '../errors.ts';
import { durationText } from '../report/phrases.ts';
import { stageNames } from '../run.ts';
import { cost, line, type Terminal, tokens } from './terminal.ts';

const entered = z.object({ stage: z.enum(stageNames), note: z.string().nullable() });
const called = z.object({
  usage: z.object({ inputTokens: z.number(), outputTokens: z.number() }),
  costUsd: z.number().nullish(),
});
const tool = z.looseObject({ name: z.string() });
const checked = z.looseObject({ command: z.string() });
const failed = z.object({ code: z.string(), message: z.string() });
const released = z.object({ state: z.literal('queued'), released: z.literal(true), runAfterMs: z.number() });

/** Tells the events of a run as they come: on a terminal one line that is written over, elsewhere a line for each stage and try. */
export class Progress {
  readonly #terminal: Terminal;
  readonly #startedAtMs: number;
  readonly #spent = { turns: 0, inputTokens: 0, outputTokens: 0, costUsd: 0 as number | null };
  #stage = 'queued';
  #doing = '';
  #lineShown = '';

  constructor(terminal: Terminal, startedAtMs: number) {
    this.#terminal = terminal;
    this.#startedAtMs = startedAtMs;
  }

  /** A line that stays. */
  say(text: string): void {
    this.#clear();
    this.#terminal.err(text);
  }

  tell(event: LedgerEvent): void {
    switch (event.kind) {
      case 'stage':
        this.#enter(entered.parse(event.data));
        break;
      case 'model.call':
        this.#count(called.parse(event.data));
        break;
      case 'tool.call':
        this.#doing = tool.safeParse(event.data).data?.name ?? '';
        break;
      case 'verify.command':
        this.#doing = checked.safeParse(event.data).data?.command ?? '';
        break;
      case 'run.error':
        this.#stumble(failed.parse(event.data));
        break;
      case 'run.state': {
        const again = released.safeParse(event.data);
        if (again.success && again.data.runAfterMs > 0)
          this.say(`  tried again in ${durationText(again.data.runAfterMs)}`);
        break;
      }
    }
    this.refresh();
  }

  end(): void {
    this.#clear();
  }

  #enter({ stage, note }: z.infer<typeof entered>): void {
    this.#stage = note === null ? stage : `${stage}, ${note}`;
    this.#doing = '';
    this.say(`${stage.padEnd(8)} ${[note, this.#numbers()].filter((part) => part).join('; ')}`.trimEnd());
  }

  #count({ usage, costUsd }: z.infer<typeof called>): void {
    const spent = this.#spent;
    spent.turns += 1;
    spent.inputTokens += usage.inputTokens;
    spent.outputTokens += usage.outputTokens;
    spent.costUsd = spent.costUsd === null || costUsd == null ? null : spent.costUsd + costUsd;
  }

  #stumble({ code, message }: z.infer<typeof failed>): void {
    const advice = code in errorTable ? errorTable[code as keyof typeof errorTable].operator : '';
    this.say(`  ${code}: ${line(message === advice ? advice : `${message} ${advice}`, 600)}`);
  }

  #numbers(): string {
    const took = durationText(Math.max(0, Date.now() - this.#startedAtMs));
    if (this.#spent.turns === 0) return took;
    const turns = `${this.#spent.turns} turn${this.#spent.turns === 1 ? '' : 's'}`;
    return `${turns}, ${tokens(this.#spent)} tokens, ${cost(this.#spent)}, ${took}`;
  }

  /** Writes the line of a terminal anew: time has passed. */
  refresh(): void {
    const { columns } = this.#terminal;
    if (columns === null) return;
    const doing = [this.#stage, this.#doing, this.#numbers()].filter((part) => part !== '');
    // The mark takes two columns, and a full line would wrap.
    const text = line(`⏳ ${doing.join(' · ')}`, Math.max(20, columns - 3));
    if (text === this.#lineShown) return;
    process.stderr.write(`\r\u001b[K${text}`);
    this.#lineShown = text;
  }

  #clear(): void {
    if (this.#lineShown !== '') process.stderr.write('\r\u001b[K');
    this.#lineShown = '';
  }
}
