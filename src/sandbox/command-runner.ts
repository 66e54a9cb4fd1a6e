import type { Container } from 'dockerode';
import type { Clock } from '../clock.ts';
import { MillwrightError } from '../errors.ts';
import { CommandCapture, type Sinks, upTo } from './command-capture.ts';
import { ContainerHealth } from './container-health.ts';
import { type DiskMemory, watchDisk } from './disk-watch.ts';
import type { SandboxLog } from './docker-client.ts';
import { OomCount } from './oom-count.ts';
import { isolatedScript, killEverything, ownExec, scriptResult } from './own-exec.ts';
import type { CommandCall, CommandEnd, CommandResult, SandboxLimits } from './sandbox.ts';
import type { ShellChannel, ShellEnd, ShellSettings } from './shell-channel.ts';
import type { ShellPool } from './shell-pool.ts';
import { commandScript, killOrphans, maxArgumentBytes, type ShellCall, workdir, writeScripts } from './shell-script.ts';
import { type Finish, type Outcome, type RunningCommand, StopSwitch, supervise } from './supervision.ts';

export interface RunnerParts {
  container: Container;
  settings: ShellSettings;
  pool: ShellPool;
  limits: SandboxLimits;
  onRestart: () => Promise<void>;
  clock: Clock;
  log: SandboxLog;
}

const defaultKeepBytes = 16 * 1024;

/** Shells that may turn out dead before a call counts the container's pool as attacked and takes an exec of its own. */
const maxShellTries = 3;

/** How long the shell kept for killing may take to answer before an exec of its own (60 ms) does its work too. */
const asideMs = 500;

/** What a script of ours may say unless it reads a file, and how long it may take. */
const complaintBytes = 4 * 1024;
const scriptMs = 30_000;

/** The shell that a script runs on, once there is one, and how that ended. */
interface ShellUse {
  shell: ShellChannel | null;
  sentMs: number;
  end: ShellEnd;
}

/** The end of what left no marker, or never started. */
const gone: Finish = { code: null, held: false };

/** Runs commands in one container and says how each ended. */
export class CommandRunner {
  readonly #parts: RunnerParts;
  readonly #health: ContainerHealth;
  readonly #oom: OomCount;
  #current: string | undefined;
  #fileCount = 0;
  readonly #disk: DiskMemory = { lastBytes: 0 };

  constructor(parts: RunnerParts) {
    this.#parts = parts;
    this.#oom = new OomCount(parts.container, parts.settings);
    const onRestart = () => {
      this.#oom.reset();
      return parts.onRestart();
    };
    this.#health = new ContainerHealth({ ...parts, onRestart });
  }

  get currentCommand(): string | undefined {
    return this.#current;
  }

  noteOutOfMemory(): void {
    this.#oom.noteEvent();
  }

  async run(call: CommandCall): Promise<CommandResult> {
    const { clock, limits } = this.#parts;
    const startedMs = clock.elapsedMs();
    const capture = new CommandCapture(call.keepBytes ?? defaultKeepBytes, limits.outputBytes);
    const result = (end: CommandEnd, exitCode: number | null): CommandResult => ({
      end,
      exitCode,
      ...capture.captured(),
      durationMs: Math.round(clock.elapsedMs() - startedMs),
    });
    if (call.signal?.aborted) return result('cancelled', null);
    if (call.command.includes('\0')) {
      capture.stderr(Buffer.from('the command holds a NUL byte; no shell can run it\n'));
      return result('exited', 126);
    }
    this.#current = call.command;
    try {
      const { end, exitCode } = await this.#supervised(call, capture);
      return result(end, exitCode);
    } catch (error) {
      if (call.signal?.aborted) return result('cancelled', null);
      throw error;
    } finally {
      this.#current = undefined;
    }
  }

  /**
   * Runs a script of ours on a warm shell; null when it said more than `maxBytes` on both streams together, which ends it: somebody inside
   * speaks for it. Rejects with `outside.sandbox`.
   */
  async script(body: string, sinks: Sinks, maxBytes = complaintBytes): Promise<number | null> {
    const stop = new StopSwitch();
    const timer = setTimeout(() => stop.stop('timed-out'), scriptMs);
    const bounded = upTo(maxBytes, sinks, () => stop.stop('output-limit'));
    try {
      const { outcome } = await this.#onShell(body, bounded, stop);
      if (outcome.end === 'output-limit') return null;
      if (outcome.end === 'finished' && outcome.finish.code !== null) return outcome.finish.code;
      throw new MillwrightError('outside.sandbox', {
        message: `a file could not be reached in the sandbox: ${outcome.end}`,
      });
    } finally {
      clearTimeout(timer);
    }
  }

  async #supervised(call: CommandCall, capture: CommandCapture): Promise<{ end: CommandEnd; exitCode: number | null }> {
    const stop = new StopSwitch();
    capture.onOverflow = () => stop.stop('output-limit');
    const timer = setTimeout(() => stop.stop('timed-out'), call.timeoutMs);
    const cancel = () => stop.stop('cancelled');
    call.signal?.addEventListener('abort', cancel, { once: true });
    const { container, limits } = this.#parts;
    const disk = watchDisk(container, limits.diskBytes, this.#disk, () => stop.stop('disk-limit'));
    try {
      const shellCall = await this.#shellCall(call, stop);
      if (stop.reason) return { end: stop.reason, exitCode: null };
      return call.isolated
        ? await this.#runIsolated(shellCall, capture, stop)
        : await this.#runWarm(shellCall, capture, stop);
    } finally {
      clearTimeout(timer);
      disk.stop();
      call.signal?.removeEventListener('abort', cancel);
    }
  }

  /** A command too long for one argument is written to a file first. */
  async #shellCall(call: CommandCall, stop: StopSwitch): Promise<ShellCall> {
    const cwd = call.cwd?.startsWith('/') ? call.cwd : `${workdir}/${call.cwd ?? ''}`;
    const env = call.env ?? {};
    if (Buffer.byteLength(call.command) < maxArgumentBytes) return { command: call.command, cwd, env };
    this.#fileCount += 1;
    const file = `/tmp/.millwright-command-${this.#fileCount}`;
    for (const script of writeScripts(file, Buffer.from(call.command))) {
      const { outcome } = await this.#onShell(script, {}, stop);
      if (outcome.end !== 'finished') break;
      if (outcome.finish.code !== 0)
        throw new MillwrightError('outside.sandbox', { message: 'a long command could not be written' });
    }
    return { command: `. ${file}`, cwd, env };
  }

  async #runWarm(call: ShellCall, capture: CommandCapture, stop: StopSwitch) {
    const oomEvents = this.#oom.events;
    const { outcome, end } = await this.#onShell(commandScript(call), capture, stop);
    if (outcome.end !== 'finished') return { end: outcome.end, exitCode: null };
    if (end === 'closed') await this.#health.settled();
    const oom = await this.#oom.hasGrown(outcome.finish, end, oomEvents);
    return this.#verdict(outcome.finish, oom);
  }

  async #runIsolated(call: ShellCall, capture: CommandCapture, stop: StopSwitch) {
    const oomEvents = this.#oom.events;
    return this.#parts.pool.exclusively(async () => {
      const ended = this.#alone(call, capture, stop).catch(unlessStopped(stop));
      const outcome = await supervise(this.#isolatedCommand(ended), stop);
      if (outcome.end !== 'finished') return { end: outcome.end, exitCode: null };
      const oom = outcome.finish.code !== 0 && (await this.#oom.hasGrown(outcome.finish, 'closed', oomEvents));
      return this.#verdict(outcome.finish, oom);
    });
  }

  async #alone(call: ShellCall, capture: CommandCapture, stop: StopSwitch): Promise<Finish> {
    await this.#health.clear();
    if (stop.reason) return gone;
    const { code } = await ownExec(this.#parts.settings, isolatedScript(call), capture);
    return code.then(
      (exit) => ({ code: exit, held: false }),
      () => gone,
    );
  }

  async #verdict(finish: Finish, oom: boolean): Promise<{ end: CommandEnd; exitCode: number | null }> {
    // No marker, or a code that the engine also gives when it could not run anything: is the container still there?
    const doubtful = finish.code === null || finish.code >= 125;
    if (doubtful && !(await this.#health.isAlive())) {
      if (!oom) throw new MillwrightError('outside.sandbox', { message: 'the container ended while a command ran' });
      await this.#health.restart();
    }
    // The streams ended without a marker in a living container: the command killed its own shell.
    const code = finish.code ?? 137;
    if (oom) return { end: 'out-of-memory', exitCode: code };
    return { end: 'exited', exitCode: code };
  }

  /** Runs a script on a warm shell until it has ended or is stopped. The wait for a shell that answers can be stopped too. */
  async #onShell(body: string, sinks: Sinks, stop: StopSwitch): Promise<{ outcome: Outcome; end: ShellEnd }> {
    const use: ShellUse = { shell: null, sentMs: 0, end: 'closed' };
    const ended = this.#send(body, sinks, stop, use).catch(unlessStopped(stop));
    try {
      const outcome = await supervise(this.#warmCommand(use, ended), stop);
      return { outcome, end: use.end };
    } finally {
      if (use.shell) this.#parts.pool.give(use.shell, use.end);
    }
  }

  /** Sends a script to a warm shell; a shell that dies or is robbed before it starts is replaced, for nothing ran. */
  async #send(body: string, sinks: Sinks, stop: StopSwitch, use: ShellUse): Promise<Finish> {
    const { pool, clock, log } = this.#parts;
    for (let tries = 1; ; tries += 1) {
      const [taken] = await Promise.allSettled([pool.take()]);
      const shell = taken.status === 'fulfilled' ? taken.value : null;
      if (stop.reason) {
        if (shell) pool.give(shell, 'closed');
        return gone;
      }
      use.shell = shell;
      use.sentMs = clock.elapsedMs();
      const sent = shell?.send(body, sinks);
      if (sent && (await sent.started)) {
        use.end = await sent.ended;
        return use.end === 'closed' ? gone : { code: use.end.code, held: use.end.held };
      }
      const died = shell?.closed ?? false;
      shell?.close();
      use.shell = null;
      if (stop.reason) return gone;
      log.debug({ tries, died }, 'a shell of the sandbox was lost before it was used');
      if (taken.status === 'rejected' && (tries >= maxShellTries || !(await this.#health.isRunning())))
        throw taken.reason;
      if (tries >= maxShellTries) throw new MillwrightError('outside.sandbox', { message: 'no shell stays alive' });
      // Something inside works against the shells: nothing else may run while the next one starts.
      if (!died || tries > 1) await pool.exclusively(() => this.#health.clear());
    }
  }

  /** While no shell was had, nothing of the command runs: the rungs for its group are empty. */
  #warmCommand(use: ShellUse, ended: Promise<Finish>): RunningCommand {
    const toGroup = async (signal: string) => {
      const pid = use.shell?.pid;
      if (pid) await this.#signal(() => `kill -${signal} -${pid}`);
    };
    return {
      ended,
      terminate: () => toGroup('TERM'),
      kill: () => toGroup('KILL'),
      killEscaped: async () => {
        const spared = use.shell?.siblings() ?? [];
        // The age is asked for when the script goes out: a shell for it may have had to be started.
        if (use.shell) await this.#signal(() => killOrphans(this.#parts.clock.elapsedMs() - use.sentMs, spared));
      },
      killAll: () => this.#signal(() => killEverything),
      restart: () => this.#health.restart(),
    };
  }

  /** No other shell lives beside an isolated command, so signals go to all, from execs of their own. */
  #isolatedCommand(ended: Promise<Finish>): RunningCommand {
    const signal = async (script: string) => {
      await Promise.race([scriptResult(this.#parts.settings, script), ended]);
    };
    return {
      ended,
      terminate: () => signal('kill -TERM -1 2>/dev/null'),
      kill: () => signal(killEverything),
      // The last thing that an isolated script does.
      killEscaped: async () => {},
      killAll: () => signal(killEverything),
      restart: () => this.#health.restart(),
    };
  }

  /** Says a `kill` from the shell kept aside, which needs no new process. */
  async #signal(script: () => string): Promise<void> {
    const { pool, settings } = this.#parts;
    const aside = await pool.takeAside();
    const end = await aside.ask(`${script()} 2>/dev/null`, {}, asideMs);
    if (end === 'closed') await scriptResult(settings, script());
    else pool.giveAside(aside);
  }
}

/** A call that was stopped has ended, whatever else went wrong on its way. */
function unlessStopped(stop: StopSwitch): (error: unknown) => Finish {
  return (error) => {
    if (stop.reason) return gone;
    throw error;
  };
}
