import type { CheckState, CheckVerdict, Finding, Verdict, Waiver } from './verdict.ts';

/** What follows: nothing, back to build with the output, wait for a person, or end as `agent:failed`. */
export type Step = 'none' | 'build' | 'wait' | 'fail';

export interface OutcomeRow {
  /** The first time that it is seen, while rounds remain. */
  first: Step;
  /** When it has already sent the work back, while rounds remain. */
  again: Step;
  /** On the last round. */
  last: Step;
  opensPullRequest: boolean;
  /** Of the check run once the pull request may open. */
  checkRun: 'success' | 'neutral' | 'none';
  /** Whether `/waive NAME` lets it through. */
  waivable: boolean;
}

const fine: OutcomeRow = {
  first: 'none',
  again: 'none',
  last: 'none',
  opensPullRequest: true,
  checkRun: 'success',
  waivable: false,
};
const broken: OutcomeRow = {
  first: 'build',
  again: 'build',
  last: 'fail',
  opensPullRequest: false,
  checkRun: 'none',
  waivable: true,
};
const backOnce: OutcomeRow = { ...broken, again: 'wait', last: 'wait', checkRun: 'neutral' };
const waits: OutcomeRow = { ...broken, first: 'wait', again: 'wait', last: 'wait' };

/** The outcome table of SPEC §7: the states of checks and what verification may object to. Everything that follows from a verdict reads it here. */
export const outcomeTable = {
  passed: fine,
  skipped: fine,
  'not-configured': fine,
  waived: { ...fine, checkRun: 'neutral' },
  'failing-before': fine,
  failed: broken,
  'timed-out': broken,
  'out-of-memory': broken,
  'output-limit': broken,
  flaky: backOnce,
  'flaky-passes': { ...fine, checkRun: 'neutral', waivable: true },
  tests: backOnce,
  definitions: backOnce,
  scope: { ...waits, waivable: false },
  size: backOnce,
  protected: { ...broken, waivable: false },
  secret: { ...broken, waivable: false },
  patch: { ...broken, waivable: false },
  'not-runnable': waits,
  empty: { ...waits, waivable: false },
} as const satisfies Record<string, OutcomeRow>;

export type OutcomeName = keyof typeof outcomeTable;

/** An objection as a gate raises it, before anyone has waived or decided anything. */
export interface Objection {
  /** What `/waive NAME` takes. */
  name: string;
  gate: Finding['gate'];
  message: string;
  paths: readonly string[];
}

export interface DecisionInput {
  checks: readonly CheckVerdict[];
  objections: readonly Objection[];
  waived: readonly Waiver[];
  /** Policy `flaky`. */
  flaky: 'wait' | 'pass';
  lastRound: boolean;
  /** Names of the findings for which the work has been sent back before in this attempt. */
  sentBack: readonly string[];
}

export interface Decision {
  checks: CheckVerdict[];
  findings: Finding[];
  next: Verdict['next'];
  conclusion: Verdict['conclusion'];
}

/** Applies waivers and the table. Pure: the same verdict always means the same next step. */
export function decide(input: DecisionInput): Decision {
  const judged = input.checks.map((check) => judgeCheck(check, input));
  const checks = judged.map(({ check }) => check);
  const findings = [
    ...judged.flatMap(({ finding }) => finding ?? []),
    ...input.objections.map((objection) => judge(objection, objection.gate as OutcomeName, input)),
  ];
  const steps = findings.map((finding) => finding.next);
  const next = nextOf(steps, input.lastRound);
  return { checks, findings, next, conclusion: next === 'open' ? conclusionOf(checks, findings, input) : 'none' };
}

/** A round that some objection asks for is used before anyone is asked to wait; a last round that no person can save has failed. */
function nextOf(steps: readonly Step[], lastRound: boolean): Verdict['next'] {
  const order: readonly Step[] = lastRound ? ['fail', 'build', 'wait'] : ['build', 'fail', 'wait'];
  const step = order.find((candidate) => steps.includes(candidate));
  return step === undefined || step === 'none' ? 'open' : step;
}

/** Gate of the finding that a check's state amounts to. */
const stateGates: Partial<Record<CheckState, Finding['gate']>> = {
  failed: 'check',
  'timed-out': 'check',
  'out-of-memory': 'check',
  'output-limit': 'check',
  flaky: 'flaky',
  'not-runnable': 'not-runnable',
};

function judgeCheck(check: CheckVerdict, input: DecisionInput): { check: CheckVerdict; finding: Finding | null } {
  const gate = stateGates[check.state];
  if (gate === undefined) return { check, finding: null };
  const row = check.state === 'flaky' && input.flaky === 'pass' ? 'flaky-passes' : (check.state as OutcomeName);
  const objection: Objection = {
    // `/waive flaky` covers every flaky check, `/waive KIND` the one.
    name: gate === 'flaky' && !input.waived.some((waiver) => waiver.name === check.kind) ? 'flaky' : check.kind,
    gate,
    message: check.reason === null ? `${check.label}: ${stateText[check.state]}` : `${check.label}: ${check.reason}`,
    paths: [],
  };
  const finding = judge(objection, row, input);
  if (finding.waivedBy === null) return { check, finding };
  const reason = `${stateText[check.state]}, waived by ${finding.waivedBy}: ${finding.waiveReason ?? ''}`;
  return { check: { ...check, state: 'waived', reason }, finding };
}

const stateText: Readonly<Record<CheckState, string>> = {
  passed: 'passed',
  failed: 'failed',
  'failing-before': 'also fails on base',
  flaky: 'differs when run again',
  'timed-out': 'timed out',
  'out-of-memory': 'ran out of memory',
  'output-limit': 'wrote too much output',
  'not-runnable': 'cannot run here',
  skipped: 'skipped',
  'not-configured': 'not configured',
  waived: 'waived',
};

function judge(objection: Objection, outcome: OutcomeName, input: DecisionInput): Finding {
  const row: OutcomeRow = outcomeTable[outcome === ('check' as string) ? 'failed' : outcome];
  const waiver = row.waivable ? input.waived.find((entry) => entry.name === objection.name) : undefined;
  const again = input.sentBack.includes(objection.name);
  const step = input.lastRound ? row.last : again ? row.again : row.first;
  return {
    ...objection,
    paths: [...objection.paths],
    next: waiver === undefined ? step : 'none',
    waivedBy: waiver?.by ?? null,
    waiveReason: waiver?.reason ?? null,
  };
}

function conclusionOf(
  checks: readonly CheckVerdict[],
  findings: readonly Finding[],
  input: DecisionInput,
): 'success' | 'neutral' {
  const rows = checks.map((check) =>
    check.state === 'flaky' && input.flaky === 'pass' ? outcomeTable['flaky-passes'] : outcomeTable[check.state],
  );
  const neutral =
    rows.some((row) => row.checkRun === 'neutral') || findings.some((finding) => finding.waivedBy !== null);
  return neutral ? 'neutral' : 'success';
}
