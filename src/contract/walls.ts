import { z } from 'zod';
import { toolGrant } from './contract.ts';

/** Repository roles, weakest first, as GitHub's collaborator-permission API knows them. */
export const roles = ['read', 'triage', 'write', 'maintain', 'admin'] as const;
export type Role = (typeof roles)[number];

/** Whether someone who holds `held` may do what asks for `needed`. */
export function roleSatisfies(held: Role, needed: Role): boolean {
  return roles.indexOf(held) >= roles.indexOf(needed);
}

export const layers = ['operator', 'organization', 'repository', 'contract'] as const;
/** Where a wall comes from, outermost first. */
export type Layer = (typeof layers)[number];

/** How far a tool of an MCP server may go. */
export type McpAccess = 'read-only' | 'mutating';

export const wallCheck = z.object({
  /** Kebab-case. */
  kind: z.string(),
  /** For people. */
  label: z.string(),
  /** Null unless `state` is `run`. */
  command: z.string().nullable(),
  timeoutMs: z.number().int().positive(),
  /** The contract may skip it. Whether it passes counts like any other. */
  optional: z.boolean(),
  /** Path or glob of a JUnit XML file that the command writes, relative to the work tree. */
  report: z.string().nullable(),
  origin: z.enum(['repository', 'contract']),
  state: z.enum(['run', 'skipped', 'not-configured']),
  /** Why it does not run; null when it does. */
  reason: z.string().nullable(),
});
/** One check of a run, or the reason why there is none of its kind. `repository` covers the organisation's and operator's files too. */
export type WallCheck = z.infer<typeof wallCheck>;

const role = z.enum(roles);
const positive = z.number().positive();
const count = z.number().int().nonnegative();

const wallLimits = z.object({
  minutes: positive,
  turns: count,
  rounds: count,
  tokens: count,
  /** US dollars per issue; null: not limited. */
  dollars: z.number().nonnegative().nullable(),
  files: count,
  lines: count,
  memoryBytes: count,
  cpus: positive,
  pids: count,
  diskBytes: count,
  outputBytes: count,
  toolTimeoutMs: count,
  checkTimeoutMs: count,
  waitDays: positive,
  findings: count,
});

export const modelPrice = z.object({
  /** US dollars per million tokens. */
  inputPerMillion: z.number().nonnegative(),
  outputPerMillion: z.number().nonnegative(),
  cachedInputPerMillion: z.number().nonnegative().optional(),
});
export type ModelPrice = z.infer<typeof modelPrice>;

const modelChoice = z.object({ name: z.string().optional(), effort: z.string().optional() });

/** The policy in force for one run: every layer and the contract combined, all fields concrete. */
export const wallsSchema = z.object({
  files: z.object({
    /** One list per layer that has one: a path must match a glob of each. Empty: nothing is restricted. */
    allow: z.array(z.array(z.string())),
    /** The layer of each list in `allow`. */
    allowBy: z.array(z.enum(layers)).optional(),
    deny: z.array(z.string()),
    /** Files that may change along with allowed ones, such as lock files. */
    companions: z.array(z.string()),
    /** The layer that named them: they are excused from its `allow` and from those below it. Absent: from all. */
    companionsBy: z.enum(layers).optional(),
    /** Protected paths that the operator gave free. */
    unprotect: z.array(z.string()),
  }),
  commands: z.object({
    /** One list per layer that has one: a command must match a pattern of each. Empty: everything inside the sandbox. */
    allow: z.array(z.array(z.string())),
    deny: z.array(z.string()),
  }),
  network: z.object({
    /** `host:port`. Empty: no network. */
    hosts: z.array(z.string()),
    /** CIDR ranges excepted from the private-address block. */
    addresses: z.array(z.string()),
    /** Path of a PEM file on the app's host. */
    ca: z.string().nullable(),
  }),
  /** Names of secrets that are asked, granted by every layer and held. */
  secrets: z.array(z.string()),
  /** Server → tool → access. A tool that is not listed does not exist for the run. */
  mcp: z.record(z.string(), z.record(z.string(), z.enum(['read-only', 'mutating']))),
  tools: z.object({ denied: z.array(z.string()), clis: z.array(toolGrant) }),
  image: z.string(),
  setup: z
    .object({ command: z.string(), hosts: z.array(z.string()), inputs: z.array(z.string()), root: z.boolean() })
    .nullable(),
  checks: z.array(wallCheck),
  limits: wallLimits,
  budget: z.object({
    dollarsPerIssue: z.number().nonnegative().nullable(),
    dollarsPerDay: z.number().nonnegative().nullable(),
    orgDollarsPerDay: z.number().nonnegative().nullable(),
  }),
  concurrency: z.object({
    repository: z.number().int().positive(),
    organization: z.number().int().positive(),
    /** Checks of one verification at once. Walls that were kept before there was a choice have none. */
    checks: z.number().int().positive().default(1),
    /** Live runs of the whole installation; null: not limited. */
    global: z.number().int().positive().nullable(),
    worker: z.number().int().positive(),
  }),
  roles: z.object({ start: role, command: role, stop: role, waive: role, bots: z.array(z.string()) }),
  plan: z.enum(['auto', 'approve']),
  flaky: z.enum(['wait', 'pass']),
  /** Container runtime; null: the engine's default. */
  runtime: z.string().nullable(),
  model: z.object({
    /** Null: as the environment says. */
    name: z.string().nullable(),
    effort: z.string().nullable(),
    perStage: z.record(z.string(), modelChoice),
    prices: z.record(z.string(), modelPrice),
    /** Names that the operator allows; null: any. */
    allowed: z.array(z.string()).nullable(),
  }),
  pullRequest: z.object({
    draft: z.boolean(),
    labels: z.array(z.string()),
    /** Logins and `org/team`; empty: the labeller. */
    reviewers: z.array(z.string()),
  }),
  learn: z.enum(['propose', 'off']),
  retention: z.object({ days: positive, bytes: count }),
});
export type Walls = z.infer<typeof wallsSchema>;

/** A wish that the walls cut short. Listed in the status comment. */
export interface Narrowing {
  /** Policy key, such as `limits.minutes`. */
  key: string;
  asked: string;
  granted: string;
  /** The layer whose wall it was; `default` where no file names one. */
  by: Layer | 'default';
}

/** A wish that stops intake. */
export interface Refusal {
  /** Policy key, such as `secrets`. */
  key: string;
  /** What is not granted, as asked: escape it where it is shown. */
  name: string;
  /** What was expected and what to do, one or two sentences. */
  message: string;
}
