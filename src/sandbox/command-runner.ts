import type { Container } from 'dockerode';
import type { Clock } from '../clock.ts';
import { MillwrightError } from '../errors.ts';
import { CommandCapture } from './command-capture.ts';
import { type DiskMemory, watchDisk } from './disk-watch.ts';
import { engineCall, engineLookup, type SandboxLog } from './docker-client.ts';
import type { ByteSink } from './marked-stream.ts';
import { isolatedScript, killEverything, ownExec, scriptResult } from './own-exec.ts';
import { holdsOnlyInit } from './process-list.ts';
import type { CommandCall, CommandEnd, CommandResult, SandboxLimits } from './sandbox.ts';
import type { ShellChannel, ShellEnd, ShellSettings } from './shell-channel.ts';
import type { ShellPool } from './shell-pool.ts';
import { commandScript, maxArgumentBytes, prologue, type ShellCall, workdir, writeScripts } from './shell-script.ts';
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

const aliveTries = 5;
const betweenTriesMs = 100;

/** Runs commands in one container and says how each ended. */
export class CommandRunner {
  readonly #parts: RunnerParts;
  #current: string | undefined;
  #fileCount = 0;
  /** Kills by the memory limit: the kernel's counter when last seen, and what the engine's events told. */
  #oomSeen = 0;
  #oomEvents = 0;
  readonly #disk: DiskMemory = { lastBytes: 0 };

  constructor(parts: RunnerParts) {
    this.#parts = parts;
  }

  get currentCommand(): string | undefined {
    return this.#current;
  }

  noteOutOfMemory(): void {
    this.#oomEvents += 1;
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

  /** Runs a script of ours on a warm shell, its output unbounded but for the sinks. Rejects with `outside.sandbox`. */
  async script(body: string, sinks: { stdout?: ByteSink; stderr?: ByteSink }, timeoutMs = 30_000): Promise<number> {
    const { shell, ended } = await this.#send(body, sinks);
    const stop = new StopSwitch();
    const timer = setTimeout(() => stop.stop('timed-out'), timeoutMs);
    let last: ShellEnd = 'closed';
    try {
      const command = this.#warmCommand(
        shell,
        ended.then((end) => (last = end)),
      );
      const outcome = await supervise(command, stop);
      if (outcome.end !== 'finished' || outcome.finish.code === null) {
        throw new MillwrightError('outside.sandbox', {
          message: `a file could not be reached in the sandbox: ${outcome.end}`,
        });
      }
      return outcome.finish.code;
    } finally {
      clearTimeout(timer);
      this.#parts.pool.give(shell, last);
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
      const shellCall = await this.#shellCall(call);
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
  async #shellCall(call: CommandCall): Promise<ShellCall> {
    const cwd = call.cwd?.startsWith('/') ? call.cwd : `${workdir}/${call.cwd ?? ''}`;
    const env = call.env ?? {};
    if (Buffer.byteLength(call.command) < maxArgumentBytes) return { command: call.command, cwd, env };
    this.#fileCount += 1;
    const file = `/tmp/.millwright-command-${this.#fileCount}`;
    for (const script of writeScripts(file, Buffer.from(call.command)))
      if ((await this.script(script, {})) !== 0)
        throw new MillwrightError('outside.sandbox', { message: 'a long command could not be written' });
    return { command: `. ${file}`, cwd, env };
  }

  async #runWarm(call: ShellCall, capture: CommandCapture, stop: StopSwitch) {
    const oomEvents = this.#oomEvents;
    const sent = await this.#send(commandScript(call), capture);
    let last: ShellEnd = 'closed';
    const ended = sent.ended.then((end) => (last = end));
    let outcome: Outcome;
    try {
      outcome = await supervise(this.#warmCommand(sent.shell, ended), stop);
    } finally {
      this.#parts.pool.give(sent.shell, last);
    }
    if (outcome.end !== 'finished') return { end: outcome.end, exitCode: null };
    const oom = await this.#wasOutOfMemory(outcome.finish, last, oomEvents);
    return this.#verdict(outcome.finish, oom);
  }

  async #runIsolated(call: ShellCall, capture: CommandCapture, stop: StopSwitch) {
    const { pool, settings } = this.#parts;
    const oomEvents = this.#oomEvents;
    return pool.exclusively(async () => {
      await this.#clear();
      const { code } = await ownExec(settings, isolatedScript(call), capture);
      const ended = code.then(
        (exit): Finish => ({ code: exit, held: false }),
        (): Finish => ({ code: null, held: false }),
      );
      const outcome = await supervise(this.#isolatedCommand(ended), stop);
      if (outcome.end !== 'finished') return { end: outcome.end, exitCode: null };
      const oom = outcome.finish.code !== 0 && (await this.#wasOutOfMemory(outcome.finish, 'closed', oomEvents));
      return this.#verdict(outcome.finish, oom);
    });
  }

  async #verdict(finish: Finish, oom: boolean): Promise<{ end: CommandEnd; exitCode: number | null }> {
    // No marker, or a code that the engine also gives when it could not run anything: is the container still there?
    const doubtful = finish.code === null || finish.code >= 125;
    if (doubtful && !(await this.#isAlive())) {
      if (!oom) throw new MillwrightError('outside.sandbox', { message: 'the container ended while a command ran' });
      await this.#restart();
    }
    // The streams ended without a marker in a living container: the command killed its own shell.
    const code = finish.code ?? 137;
    if (oom) return { end: 'out-of-memory', exitCode: code };
    return { end: 'exited', exitCode: code };
  }

  /** Sends a script to a warm shell; a shell that dies or is robbed before it starts is replaced, for nothing ran. */
  async #send(body: string, sinks: Parameters<ShellChannel['send']>[1]) {
    const { pool, log } = this.#parts;
    for (let tries = 1; ; tries += 1) {
      const [taken] = await Promise.allSettled([pool.take()]);
      const shell = taken.status === 'fulfilled' ? taken.value : null;
      const sent = shell?.send(body, sinks);
      if (shell && sent && (await sent.started)) return { shell, ended: sent.ended };
      const died = shell?.closed ?? false;
      shell?.close();
      log.debug({ tries, died }, 'a shell of the sandbox was lost before it was used');
      if (taken.status === 'rejected' && (tries >= maxShellTries || !(await this.#isRunning()))) throw taken.reason;
      if (tries >= maxShellTries) throw new MillwrightError('outside.sandbox', { message: 'no shell stays alive' });
      // Something inside works against the shells: nothing else may run while the next one starts.
      if (!died || tries > 1) await pool.exclusively(() => this.#clear());
    }
  }

  #warmCommand(shell: ShellChannel, ended: Promise<ShellEnd>): RunningCommand {
    return {
      ended: ended.then((end) => (end === 'closed' ? { code: null, held: false } : { code: end.code, held: end.held })),
      terminate: () => this.#signal(`kill -TERM -${shell.pid}`),
      kill: () => this.#signal(`kill -KILL -${shell.pid}`),
      killAll: () => this.#signal(killEverything),
      restart: () => this.#restart(),
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
      killAll: () => signal(killEverything),
      restart: () => this.#restart(),
    };
  }

  /** Says a `kill` from the shell kept aside, which needs no new process. */
  async #signal(script: string): Promise<void> {
    const { pool, settings } = this.#parts;
    const aside = await pool.takeAside();
    const { started, ended } = aside.send(`${script} 2>/dev/null`, {}, asideMs);
    if (await started) {
      await ended;
      pool.giveAside(aside);
      return;
    }
    aside.close();
    await scriptResult(settings, script);
  }

  async #restart(): Promise<void> {
    const { container, pool, onRestart, log } = this.#parts;
    log.warn({ container: container.id }, 'a container is restarted: its processes could not be ended otherwise');
    pool.reset();
    await engineCall('kill the container', container.kill().catch(ignoreNotRunning));
    await engineCall('start the container again', container.start());
    this.#oomSeen = 0;
    await onRestart();
  }

  /** Leaves no process of any earlier command, seen from outside; a container that cannot be cleared is started anew. */
  async #clear(): Promise<void> {
    const { container, settings, pool } = this.#parts;
    pool.reset();
    await scriptResult(settings, killEverything);
    if (!(await holdsOnlyInit(container))) await this.#restart();
  }

  async #isRunning(): Promise<boolean> {
    const facts = await engineLookup('look at the container', this.#parts.container.inspect());
    if (!facts) throw new MillwrightError('outside.sandbox', { message: 'the container is gone' });
    return facts.State.Running;
  }

  /** Whether the container can still run something: one that was killed counts as running for a moment longer. */
  async #isAlive(): Promise<boolean> {
    for (let tries = 1; tries <= aliveTries; tries += 1) {
      if (!(await this.#isRunning())) return false;
      const { code } = await scriptResult(this.#parts.settings, 'exit 42');
      if (code === 42) return true;
      await this.#parts.clock.sleep(betweenTriesMs);
    }
    return false;
  }

  /** Whether the memory limit killed something during the call: kernel counter first, the engine's events where it is hidden. */
  async #wasOutOfMemory(finish: Finish, end: ShellEnd, eventsBefore: number): Promise<boolean> {
    if (end !== 'closed' && end.oomKills !== null) return this.#countOomKills(end.oomKills);
    if (finish.code === 0) return false;
    const facts = await engineLookup('look at the container', this.#parts.container.inspect());
    if (!facts?.State.Running) return facts?.State.OOMKilled ?? false;
    const { output } = await scriptResult(this.#parts.settings, `${prologue}\nmw_oom; printf '%s' "$mw_o"`);
    if (/^\d+$/.test(output)) return this.#countOomKills(Number(output));
    return this.#oomEvents > eventsBefore;
  }

  #countOomKills(total: number): boolean {
    const grown = total > this.#oomSeen;
    this.#oomSeen = total;
    return grown;
  }
}

function ignoreNotRunning(error: { statusCode?: number }): void {
  if (error.statusCode !== 409 && error.statusCode !== 500) throw error;
}
