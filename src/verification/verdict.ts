import { z } from 'zod';

/** How one check ended (SPEC §7). */
export const checkStates = [
  'passed',
  'failed',
  'failing-before',
  'flaky',
  'timed-out',
  'out-of-memory',
  'output-limit',
  'not-runnable',
  'skipped',
  'not-configured',
  'waived',
] as const;
export type CheckState = (typeof checkStates)[number];

/** One execution of a check, as the app saw it. Output is masked and cut. */
export const CheckRunRecord = z.object({
  exitCode: z.number().nullable(),
  end: z.enum(['exited', 'timed-out', 'out-of-memory', 'output-limit', 'disk-limit', 'cancelled', 'lost']),
  durationMs: z.number(),
  output: z.string(),
  outputTruncated: z.boolean(),
});
export type CheckRunRecord = z.infer<typeof CheckRunRecord>;

/** Longer lists of tests are cut: what is red altogether is told by the number. */
export const mostTestNames = 500;

export const CheckVerdict = z.object({
  kind: z.string(),
  label: z.string(),
  command: z.string().nullable(),
  origin: z.enum(['repository', 'contract']),
  state: z.enum(checkStates),
  /** Why it was skipped, not runnable, waived (by whom) … */
  reason: z.string().nullable(),
  head: CheckRunRecord.nullable(),
  base: CheckRunRecord.nullable(),
  /** The second runs, when it was run again to tell a flake. */
  headAgain: CheckRunRecord.nullable(),
  baseAgain: CheckRunRecord.nullable(),
  /** Names of tests that fail on head and not on base, where a JUnit report or the output names them. At most `mostTestNames`. */
  newFailures: z.array(z.string()),
  /** Names of tests that fail on both; as many. Verdicts of before it was told have none. */
  failingBefore: z.array(z.string()).default([]),
});
export type CheckVerdict = z.infer<typeof CheckVerdict>;

/** What verification objects to. `name` is what `/waive NAME` takes, where it may be waived. */
export const Finding = z.object({
  name: z.string(),
  gate: z.enum([
    'scope',
    'size',
    'tests',
    'definitions',
    'protected',
    'secret',
    'patch',
    'flaky',
    'check',
    'not-runnable',
    'empty',
  ]),
  message: z.string(),
  paths: z.array(z.string()),
  /** What happens next because of it (the outcome table, SPEC §7). */
  next: z.enum(['none', 'build', 'wait', 'fail']),
  waivedBy: z.string().nullable(),
  waiveReason: z.string().nullable(),
});
export type Finding = z.infer<typeof Finding>;

export const CriterionEvidence = z.object({
  id: z.string(),
  text: z.string(),
  /** `red-green`: fails before, passes after. `shown`: passes after only. `none`: no automated evidence. */
  state: z.enum(['red-green', 'shown', 'none']),
  /** What shows it: a check's kind, a test, a command; as run by the verifier. */
  by: z.string().nullable(),
  note: z.string().nullable(),
});
export type CriterionEvidence = z.infer<typeof CriterionEvidence>;

export const TestEvidence = z.object({
  path: z.string(),
  /** Of a test file that the patch adds or changes: does it fail on base with only the test files applied? */
  state: z.enum(['fails-before-passes-after', 'passes-without-the-change', 'fails-after', 'not-run']),
  note: z.string().nullable(),
});
export type TestEvidence = z.infer<typeof TestEvidence>;

/** A place in the tree that a failing check's output points at. Text is masked, bounded and untrusted. */
export const Annotation = z.object({
  /** Kind of the check whose output it came from. */
  kind: z.string(),
  path: z.string(),
  /** 1-based. */
  line: z.number().int().positive(),
  message: z.string(),
});
export type Annotation = z.infer<typeof Annotation>;

/** What the agent proposes as evidence for a criterion: the verifier runs it itself; as it stands it proves nothing. */
export const EvidenceClaim = z.object({
  /** `AC1`, `AC2` … */
  criterion: z.string(),
  kind: z.enum(['check', 'test', 'command']),
  /** A check's kind; a test file, optionally `path::name`; or a shell command. */
  value: z.string(),
});
export type EvidenceClaim = z.infer<typeof EvidenceClaim>;

/** A check waived by a person: `/waive NAME reason`. */
export const Waiver = z.object({ name: z.string(), reason: z.string(), by: z.string() });
export type Waiver = z.infer<typeof Waiver>;

/** What verification concluded about one tree. Everything in it was seen by the app. */
export const Verdict = z.object({
  base: z.string(),
  tree: z.string(),
  checks: z.array(CheckVerdict),
  findings: z.array(Finding),
  criteria: z.array(CriterionEvidence),
  tests: z.array(TestEvidence),
  /** Not objections: deletion together with its source, dropped modes, generated or binary files … */
  notes: z.array(z.string()),
  /** Reverting gave base's tree. */
  rollbackTried: z.object({ ok: z.boolean(), note: z.string() }).nullable(),
  blocked: z.array(z.object({ host: z.string(), port: z.number(), command: z.string().nullable(), count: z.number() })),
  /** Where the output of a failing check names a file and a line of the tree. */
  annotations: z.array(Annotation),
  /** The step that follows: open the pull request, back to build with `feedback`, wait for a person, or end as failed after the last round. */
  next: z.enum(['open', 'build', 'wait', 'fail']),
  /** For the agent, when sent back: failing output and findings, as data. */
  feedback: z.string().nullable(),
  /** For the person, when waiting. */
  question: z.string().nullable(),
  conclusion: z.enum(['success', 'neutral', 'none']),
});
export type Verdict = z.infer<typeof Verdict>;
