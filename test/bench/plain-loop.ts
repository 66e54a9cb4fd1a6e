import type { Model, ModelMessage, ToolSpec } from '../../src/model/model.ts';
import type { Sandbox } from '../../src/sandbox/sandbox.ts';

const shell: ToolSpec = {
  name: 'shell',
  description: 'Runs a shell command in the repository and gives its output and exit code.',
  parameters: { type: 'object', properties: { command: { type: 'string' } }, required: ['command'] },
};

const system =
  'You are a software engineer. Solve the task in the repository of the working directory with the shell tool, one step at a ' +
  'time. Read before you write, run the tests, and say DONE without a tool call when the task is complete.';

/** As small loops of this kind cut outputs: the first and the last half of this. */
const mostChars = 10_000;

/** The least that can be called an agent: one shell tool, one growing list of messages, no plan, no briefing, no compaction. */
export async function plainLoop(task: string, model: Model, sandbox: Sandbox): Promise<number> {
  const messages: ModelMessage[] = [
    { role: 'system', text: system },
    { role: 'user', text: task },
  ];
  for (let turns = 1; ; turns += 1) {
    const reply = await model.complete({ model: 'scripted', effort: null, messages: [...messages], tools: [shell] });
    messages.push({ role: 'assistant', text: reply.text, toolCalls: reply.toolCalls });
    if (reply.toolCalls.length === 0) return turns;
    for (const call of reply.toolCalls) {
      const { command } = JSON.parse(call.argumentsText) as { command: string };
      const { exitCode, stdout, stderr } = await sandbox.run({ command, timeoutMs: 60_000, keepBytes: 1024 ** 2 });
      messages.push({
        role: 'tool',
        callId: call.id,
        text: cut(`exit code ${exitCode}\n${stdout.text}${stderr.text}`),
      });
    }
  }
}

function cut(text: string): string {
  if (text.length <= mostChars) return text;
  return `${text.slice(0, mostChars / 2)}\n[output cut]\n${text.slice(-mostChars / 2)}`;
}
