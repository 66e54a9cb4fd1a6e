import { z } from 'zod';

const toolCall = z.object({ id: z.string(), name: z.string(), argumentsText: z.string() });

/** A conversation as it is saved with a build and continued by a further round. */
const conversationShape = z.array(
  z.discriminatedUnion('role', [
    z.object({ role: z.literal('system'), text: z.string() }),
    z.object({ role: z.literal('user'), text: z.string() }),
    z.object({ role: z.literal('assistant'), text: z.string(), toolCalls: z.array(toolCall) }),
    z.object({ role: z.literal('tool'), callId: z.string(), text: z.string() }),
  ]),
);

const evidence = z.object({
  check: z.string().optional().describe('Its kind.'),
  test: z.string().optional().describe('Path, or path and name.'),
  command: z.string().optional().describe('Exit code 0 shows it.'),
});

/** What the agent claims when it hands its work in. Claims, never verdicts. */
export const Submission = z.object({
  summary: z.string().describe('What changed and why, for the reviewer.'),
  criteria: z
    .array(
      z.object({
        criterion: z.string().describe('Id, such as "AC1".'),
        evidence: evidence.optional().describe('Only if automated.'),
      }),
    )
    .default([])
    .describe('One entry each.'),
  assumptions: z.array(z.string()).default([]).describe('Taken for granted or not checked.'),
  reviewNote: z.string().optional().describe('Answer to what the reviewer wants to read.'),
  reason: z.string().optional().describe('Only when nothing needs to change: why.'),
});
export type Submission = z.infer<typeof Submission>;

const spending = {
  conversation: conversationShape,
  /** Model calls of this round. */
  turns: z.number(),
  usage: z.object({
    inputTokens: z.number(),
    cachedInputTokens: z.number(),
    outputTokens: z.number(),
    estimated: z.boolean().optional(),
  }),
  /** Commands and writes that policy refused, for the report. */
  refused: z.array(z.object({ tool: z.string(), what: z.string(), reason: z.string() })),
  /** Share of each call's prompt that repeated the one before word for word, weighted by length; 0 to 1. */
  stablePrefix: z.number(),
};

/** How one round of building ended. Saved by the stage; everything the model wrote in it is untrusted. */
export const AgentResult = z.discriminatedUnion('end', [
  z.object({ end: z.literal('submitted'), submission: Submission, ...spending }),
  z.object({ end: z.literal('asked'), question: z.string(), ...spending }),
  z.object({
    end: z.literal('limit'),
    limit: z.enum(['minutes', 'turns', 'tokens', 'dollars']),
    /** The policy key that was reached, such as `limits.turns` or `budget.dollars_per_day`. */
    clause: z.string(),
    ...spending,
  }),
  z.object({ end: z.literal('refused'), text: z.string(), ...spending }),
  z.object({ end: z.literal('stuck'), question: z.string(), ...spending }),
]);
export type AgentResult = z.infer<typeof AgentResult>;

type WithoutSpending<T> = T extends unknown ? Omit<T, keyof typeof spending> : never;
/** The part of a result that says how it ended. */
export type AgentEnd = WithoutSpending<AgentResult>;
