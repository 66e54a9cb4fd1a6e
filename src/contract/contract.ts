import { z } from 'zod';

/** What a tool may do, as the contract's author wrote it; `unstated` when they did not say. */
const toolAccess = z.enum(['read-only', 'mutating', 'unstated']);

export const toolGrant = z.object({ name: z.string(), access: toolAccess });
export type ToolGrant = z.infer<typeof toolGrant>;

/** The six kinds that every contract names, in the order in which they are listed. Any other kebab-case name is a kind as well. */
export const standardCheckKinds = ['format', 'lint', 'unit', 'types', 'build', 'smoke'] as const;

/** The label of a standard kind, as the issue form and the pull request write it. */
export const standardCheckLabels: Readonly<Record<(typeof standardCheckKinds)[number], string>> = {
  format: 'Format',
  lint: 'Lint',
  unit: 'Unit tests',
  types: 'Type checks',
  build: 'Build',
  smoke: 'Smoke test',
};

export const contractCheck = z.object({
  /** Kebab-case; the same kind as `checks.<kind>` of a policy file. */
  kind: z.string(),
  /** As written, for people. */
  label: z.string(),
  /** The command to run, or null when the check is to be skipped. */
  command: z.string().nullable(),
  /** Why the check is to be skipped, or null when it is to run. */
  skip: z.string().nullable(),
  /** 1-based line of the issue body; null when rendered or unknown. Not part of the revision. */
  line: z.number().int().nullable(),
});
export type ContractCheck = z.infer<typeof contractCheck>;

/** Limits that a stop condition may set. Whole numbers but for dollars; all positive. */
export const contractLimits = z.object({
  minutes: z.number().positive().optional(),
  turns: z.number().int().positive().optional(),
  rounds: z.number().int().positive().optional(),
  tokens: z.number().int().positive().optional(),
  dollars: z.number().positive().optional(),
  files: z.number().int().positive().optional(),
  lines: z.number().int().positive().optional(),
});
export type ContractLimits = z.infer<typeof contractLimits>;

/** What an issue asks, typed. Absent fields are empty strings and empty lists; what their defaults are is `combine.ts`'s to say. */
export const contractSchema = z.object({
  goal: z.string(),
  /** `AC1`, `AC2` … in the order written. */
  criteria: z.array(z.object({ id: z.string().regex(/^AC[1-9][0-9]*$/), text: z.string() })),
  nonGoals: z.array(z.string()),
  context: z.object({
    files: z.array(z.string()),
    tests: z.array(z.string()),
    docs: z.array(z.string()),
    decisions: z.array(z.string()),
  }),
  tools: z.object({
    /** Empty: as the policy says. A single `none`: none. */
    mcps: z.array(toolGrant),
    clis: z.array(toolGrant),
    readOnly: z.array(z.string()),
    mutating: z.array(z.string()),
    denied: z.array(z.string()),
  }),
  boundaries: z.object({
    /** Globs: a change must stay within them. Empty: the repository file decides. */
    files: z.array(z.string()),
    /** Command patterns. Empty: the repository file decides. */
    commands: z.array(z.string()),
    /** `host:port` names. Empty: no network. */
    network: z.array(z.string()),
    /** Names, never values. Empty: none. */
    secrets: z.array(z.string()),
  }),
  checks: z.array(contractCheck),
  stop: z.object({ text: z.string(), limits: contractLimits }),
  reviewNote: z.string(),
  /** Headings that are no field of ours, kept in the order written. */
  notes: z.array(z.object({ heading: z.string(), text: z.string() })),
});
export type Contract = z.infer<typeof contractSchema>;

/** Something about a contract that its author should know. A blocking one keeps the run from starting. */
export interface Problem {
  /** The field's label, such as `Allowed files`. */
  field: string;
  /** 1-based line of the issue body, when it has one. */
  line: number | null;
  /** The text that could not be understood, bounded, as written: escape it where it is shown. */
  text: string | null;
  /** What is wrong and what was expected, one sentence. */
  message: string;
  /** A good value. */
  example: string;
  blocking: boolean;
}

/** A contract that asks nothing, to build others from. */
export function emptyContract(): Contract {
  return {
    goal: '',
    criteria: [],
    nonGoals: [],
    context: { files: [], tests: [], docs: [], decisions: [] },
    tools: { mcps: [], clis: [], readOnly: [], mutating: [], denied: [] },
    boundaries: { files: [], commands: [], network: [], secrets: [] },
    checks: [],
    stop: { text: '', limits: {} },
    reviewNote: '',
    notes: [],
  };
}
