import { engineCall } from './docker-client.ts';
import { FrameReader, readFrames } from './frame-reader.ts';
import type { ByteSink } from './marked-stream.ts';
import { type ShellSettings, startExec } from './shell-channel.ts';
import { commandScript, prologue, type ShellCall } from './shell-script.ts';

/** Ends every process but PID 1 and the shell that says it (a builtin: it works when no process can be started). */
export const killEverything = 'kill -KILL -1 2>/dev/null';

/** Runs the command alone, kills what it left (so that nothing holds the streams), exits with its code. */
export function isolatedScript(call: ShellCall): string {
  return `${prologue}\n${commandScript(call)}\nmw_r=$?\n${killEverything}\nexit $mw_r`;
}

/**
 * Runs a script in an exec of its own; resolves with the exit code that the engine saw, or null when the engine does not know it.
 * Rejects with `outside.sandbox` when it cannot be started.
 */
export async function ownExec(
  settings: ShellSettings,
  script: string,
  sinks: { stdout?: ByteSink; stderr?: ByteSink } = {},
): Promise<{ code: Promise<number | null> }> {
  const { exec, stream } = await startExec(settings, ['/bin/sh', '-c', script]);
  const reader = new FrameReader((kind, bytes) => (kind === 1 ? sinks.stdout : sinks.stderr)?.(bytes));
  const ended = new Promise<void>((resolve) => {
    readFrames(stream, reader);
    stream.on('end', resolve);
    stream.on('close', resolve);
    stream.on('error', () => resolve());
  });
  const code = ended.then(async () => {
    const facts = await engineCall('ask for an exit code', exec.inspect());
    return facts.Running ? null : facts.ExitCode;
  });
  // The caller may look at the code late; an early failure is kept for it.
  code.catch(() => {});
  return { code };
}

/** Longest time for a short script; one that takes longer was stopped by somebody inside. */
const shortMs = 3_000;

/** Runs a short script and returns its code and output (at most 64 KiB kept); `late` and no code when it did not end in time. */
export async function scriptResult(
  settings: ShellSettings,
  script: string,
): Promise<{ code: number | null; late: boolean; output: string }> {
  let output = '';
  const keep = (bytes: Buffer) => {
    if (output.length < 65_536) output += bytes.toString();
  };
  const { code } = await ownExec(settings, script, { stdout: keep, stderr: keep });
  let timer: NodeJS.Timeout | undefined;
  const tooLate = new Promise<'late'>((resolve) => {
    timer = setTimeout(() => resolve('late'), shortMs);
  });
  try {
    const end = await Promise.race([code, tooLate]);
    return end === 'late' ? { code: null, late: true, output } : { code: end, late: false, output };
  } finally {
    clearTimeout(timer);
  }
}
