import type { CommandEnd } from './sandbox.ts';

/** How the command's processes came to an end by themselves; null code: the streams ended without a marker. */
export interface Finish {
  code: number | null;
  /** A process still holds the command's output. */
  held: boolean;
}

/** A command on its way, and the rungs of the ladder that ends it, gentlest first. None of them rejects for a process that is gone. */
export interface RunningCommand {
  ended: Promise<Finish>;
  terminate(): Promise<void>;
  kill(): Promise<void>;
  /** Kills what left the command's process group, when the group itself is gone. */
  killEscaped(): Promise<void>;
  /** Kills every process of the container but its first. */
  killAll(): Promise<void>;
  /** Kills and starts the container; its files stay. */
  restart(): Promise<void>;
}

export type StopReason = Exclude<CommandEnd, 'exited' | 'lost' | 'out-of-memory'>;

/** One outside reason to stop a command; the first one counts. */
export class StopSwitch {
  readonly stopped: Promise<StopReason>;
  /** The reason once there is one. */
  reason: StopReason | null = null;
  #resolve: (reason: StopReason) => void = () => {};

  constructor() {
    this.stopped = new Promise((resolve) => {
      this.#resolve = resolve;
    });
  }

  stop(reason: StopReason): void {
    this.reason ??= reason;
    this.#resolve(reason);
  }
}

/** What each rung waits for the processes to be gone, in milliseconds. Together at most 2.2 s. */
const rungWaits = { terminate: 1_000, kill: 300, killAll: 900 } as const;

export type Outcome = { end: 'finished'; finish: Finish } | { end: StopReason };

/** Waits for the command or for a reason to stop it; in the second case it returns when all its processes are gone. */
export async function supervise(command: RunningCommand, stop: StopSwitch): Promise<Outcome> {
  const first = await Promise.race([command.ended, stop.stopped]);
  if (typeof first !== 'string') return { end: 'finished', finish: first };
  await endCommand(command, first);
  return { end: first };
}

/** How long a signal sent may take to be known as sent, once the command is gone. */
const sentMs = 2_000;

/** The ladder. Cancelling and a full disk skip the gentle rungs: who writes is unknown, and the time is not given. */
async function endCommand(command: RunningCommand, reason: StopReason): Promise<void> {
  const sent: Promise<void>[] = [];
  // A signal may be slow where processes fight for the processor: the next rung does not wait for it.
  const rung = (signal: Promise<void>, waitMs: number) => {
    signal.catch(() => {});
    sent.push(signal);
    return settled(command.ended, waitMs);
  };
  let finish: Finish | null = null;
  if (reason === 'timed-out') finish = await rung(command.terminate(), rungWaits.terminate);
  if (!finish && (reason === 'timed-out' || reason === 'output-limit'))
    finish = await rung(command.kill(), rungWaits.kill);
  if (finish && !finish.held) sent.push(command.killEscaped());
  else finish = await rung(command.killAll(), rungWaits.killAll);
  // No signal may be left on its way: it would hit the next command.
  if (!finish || !(await settled(Promise.allSettled(sent), sentMs))) await command.restart();
}

async function settled<T>(ended: Promise<T>, waitMs: number): Promise<T | null> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<null>((resolve) => {
    timer = setTimeout(() => resolve(null), waitMs);
  });
  const result = await Promise.race([ended, timeout]);
  clearTimeout(timer);
  return result;
}
