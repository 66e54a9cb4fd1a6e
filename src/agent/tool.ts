import { z } from 'zod';
import type { Walls } from '../contract/walls.ts';
import type { ToolSpec } from '../model/model.ts';
import type { Sandbox } from '../sandbox/sandbox.ts';
import type { OutputStore } from './output-store.ts';
import type { Submission } from './result.ts';

/** What a tool works with. */
export interface ToolContext {
  sandbox: Sandbox;
  walls: Walls;
  outputs: OutputStore;
  /** Takes secrets out of a text. Called on whole texts, before they are cut. */
  mask: (text: string) => string;
  /** Marks text that is not ours as data. */
  data: (kind: string, text: string) => string;
  /** Milliseconds that the attempt has left. */
  remainingMs: () => number;
  signal: AbortSignal;
}

/** What a call gave. Failures that the model can mend are results, not errors. */
export type ToolOutcome =
  | {
      kind: 'result';
      text: string;
      /** What two calls must share to count as the same outcome; default: the text. */
      fingerprint?: string;
      /** Files changed: calls before it may rightly be made again. */
      changed?: boolean;
      /** Set when policy said no, for the report. */
      refused?: { what: string; reason: string };
    }
  | { kind: 'submitted'; submission: Submission }
  | { kind: 'asked'; question: string };

export interface AgentTool extends ToolSpec {
  /** What others say about the tool: untrusted, shown in a fence beside the task, never as its description. */
  notes?: string;
  /** Changes nothing anywhere: may run side by side with others of which that is true. */
  readsOnly?: boolean;
  /** `given` is what the model wrote, parsed as JSON and nothing more. */
  run(given: unknown, context: ToolContext): Promise<ToolOutcome>;
}

/** A tool whose arguments are checked against its shape; the same shape documents it to the model. */
export function defineTool<Shape extends z.ZodType>(tool: {
  name: string;
  description: string;
  shape: Shape;
  readsOnly?: boolean;
  run: (given: z.output<Shape>, context: ToolContext) => Promise<ToolOutcome>;
}): AgentTool {
  const { $schema: _, ...parameters } = z.toJSONSchema(tool.shape, { io: 'input', override: lean });
  return {
    name: tool.name,
    description: tool.description,
    parameters,
    readsOnly: tool.readsOnly ?? false,
    async run(given, context) {
      const read = tool.shape.safeParse(given);
      if (read.success) return tool.run(read.data, context);
      return result(`Not run: the arguments do not fit.\n${z.prettifyError(read.error)}`);
    },
  };
}

/** Each turn pays for the schema: what the shape checks anyway, and tells when it fails, is left out. */
function lean({ jsonSchema }: { jsonSchema: Record<string, unknown> }): void {
  for (const word of ['default', 'minLength', 'exclusiveMinimum', 'maximum']) delete jsonSchema[word];
}

export function result(text: string, more: { fingerprint?: string; changed?: boolean } = {}): ToolOutcome {
  return { kind: 'result', text, ...more };
}

/** A no from policy: told to the model with the reason, and kept for the report. */
export function refusal(what: string, reason: string): ToolOutcome {
  return { kind: 'result', text: `Refused: ${reason}`, refused: { what, reason } };
}
