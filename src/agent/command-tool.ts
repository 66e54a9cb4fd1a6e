import { z } from 'zod';
import type { Walls } from '../contract/walls.ts';
import { MillwrightError } from '../errors.ts';
import { type CommandPolicy, judgeCommand } from '../sandbox/command-policy.ts';
import type { Captured, CommandResult } from '../sandbox/sandbox.ts';
import { headAndTail } from './output-store.ts';
import { readOnlyDenials } from './read-only-clis.ts';
import { type AgentTool, defineTool, refusal, type ToolContext, type ToolOutcome } from './tool.ts';

/** Bytes of head and of tail that the app keeps of each stream for reading on. */
const keepBytes = 128 * 1024;
/** Characters that a result shows: errors stand at the end, so the tail gets more. */
const shown = { stdout: { head: 4_000, tail: 8_000 }, stderr: { head: 2_000, tail: 4_000 } };

/** Runs a shell command in the work tree, as far as the command policy lets it. */
export const runCommand: AgentTool = defineTool({
  name: 'run_command',
  description: 'Runs a shell command (sh) in the work tree, each in a fresh shell without input.',
  shape: z.object({
    command: z.string().min(1),
    timeout_seconds: z.number().positive().optional().describe('Capped by policy.'),
  }),
  async run({ command, timeout_seconds }, context) {
    if (command.includes('\0')) return { kind: 'result', text: 'Not run: a command has no NUL characters.' };
    const judgement = judgeCommand(command, commandPolicy(context.walls));
    if (!judgement.allowed) return refusal(command, `${judgement.reason}.`);
    const capMs = Math.min(context.walls.limits.toolTimeoutMs, context.remainingMs());
    const timeoutMs = Math.max(1, Math.min(capMs, (timeout_seconds ?? Number.POSITIVE_INFINITY) * 1000));
    const ended = await context.sandbox.run({ command, timeoutMs, keepBytes, signal: context.signal });
    if (ended.end === 'lost') {
      throw new MillwrightError('outside.sandbox', { message: 'The container was lost during a command.' });
    }
    return commandOutcome(ended, timeoutMs, context);
  },
});

/**
 * What the policy of a run says about commands: denied tools count as denied commands of that name, and tools granted for
 * reading only may not change anything, as far as their subcommands tell.
 */
export function commandPolicy(walls: Walls): CommandPolicy {
  const denied = walls.tools.denied.map((name) => `${name} *`);
  const deny = [...walls.commands.deny, ...denied, ...readOnlyDenials(walls.tools.clis)];
  return { allow: walls.commands.allow, deny };
}

function commandOutcome(ended: CommandResult, timeoutMs: number, context: ToolContext): ToolOutcome {
  const streams = [stream('stdout', ended.stdout, context), stream('stderr', ended.stderr, context)].filter(
    (text) => text !== '',
  );
  const body = streams.length > 0 ? streams.join('\n') : 'No output.';
  const how = endWords(ended, timeoutMs);
  return {
    kind: 'result',
    text: `${how} (${(ended.durationMs / 1000).toFixed(1)} s)\n${body}`,
    fingerprint: `${how}\n${context.mask(ended.stdout.text)}\n${context.mask(ended.stderr.text)}`,
  };
}

function endWords(ended: CommandResult, timeoutMs: number): string {
  const code = ended.exitCode === null ? '' : `, exit code ${ended.exitCode}`;
  switch (ended.end) {
    case 'exited':
      return ended.exitCode === 127 ? 'Exit code 127: command not found' : `Exit code ${ended.exitCode ?? 'unknown'}`;
    case 'timed-out':
      return `Stopped after ${Math.round(timeoutMs / 100) / 10} s, the time limit of this call${code}`;
    case 'out-of-memory':
      return `Killed: out of memory${code}`;
    case 'output-limit':
      return `Killed: it printed more than the output limit${code}`;
    case 'disk-limit':
      return `Killed: the disk limit was reached${code}`;
    default:
      return `Stopped: ${ended.end}${code}`;
  }
}

function stream(name: 'stdout' | 'stderr', captured: Captured, context: ToolContext): string {
  if (captured.totalBytes === 0) return '';
  const text = context.mask(captured.text);
  const { head, tail } = shown[name];
  const cut = text.length > head + tail;
  const note = cut ? `; read them with read_file path "${context.outputs.keep(text)}"` : '';
  return `${name} (${captured.totalBytes} bytes):\n${context.data(name, headAndTail(text, head, tail, note))}`;
}
