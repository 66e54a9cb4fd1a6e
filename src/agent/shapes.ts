import { z } from 'zod';

/** What the plan stage asks of the model. Every field is a claim, held against the contract by code. */
export const PlanShape = z.object({
  files: z.array(z.string()).describe('Paths that will change or be added, relative to the repository.'),
  interfaces: z.array(z.string()).describe('Public functions, types, endpoints or formats at risk, and how.'),
  testsFirst: z.array(z.string()).describe('Tests to write or change first, as "path: what it shows".'),
  tools: z
    .array(z.string())
    .describe('Commands and MCP tools that the work needs beyond reading and editing files, as they would be called.'),
  decisions: z.array(z.string()).describe('Questions that only a person may decide; empty when there is none.'),
  estimate: z.object({
    files: z.number().describe('Files that will change, about.'),
    lines: z.number().describe('Lines that will change, about.'),
  }),
  split: z
    .array(
      z.object({
        title: z.string(),
        goal: z.string(),
        criteria: z.array(z.string()).describe('Testable statements.'),
        files: z.array(z.string()),
      }),
    )
    .describe('Smaller tasks that could be done one by one, only when this one is too big; else empty.'),
  notes: z.array(z.string()).describe('Anything else that the builder or the reviewer should know, one thought each.'),
});
export type PlanShape = z.infer<typeof PlanShape>;

/** What the second look asks of the model. Findings inform, they never decide. */
export const ReviewShape = z.object({
  findings: z.array(
    z.object({
      file: z.string().describe('Path in the change.'),
      line: z.number().nullable().describe('Line in the new file; null when it has none.'),
      message: z.string().describe('What is wrong, in one sentence.'),
      consequence: z.string().describe('What goes wrong for whom because of it, in one sentence.'),
    }),
  ),
});
export type ReviewShape = z.infer<typeof ReviewShape>;

/** What the learn stage asks of the model. Shown as a suggestion in a pull request that a person accepts. */
export const LessonShape = z.object({
  sentence: z.string().min(10).max(300).describe('The rule, in one sentence.'),
});
