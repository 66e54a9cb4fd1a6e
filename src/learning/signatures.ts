import { createHash } from 'node:crypto';
import { z } from 'zod';
import { standardCheckKinds, standardCheckLabels } from '../contract/contract.ts';
import { sections } from '../contract/fields.ts';
import type { Cause } from '../engine/records.ts';
import type { CheckVerdict, Finding, Verdict } from '../verification/verdict.ts';
import { failureLines, normaliseWords } from './normalise.ts';

/** What one attempt went through, as far as something can be learnt from it. */
export interface Lived {
  outcome: string;
  /** How the attempt stands: `failed`, `waiting`, `done` … */
  state: string;
  /** Verdicts of this attempt, oldest first. */
  verdicts: readonly Pick<Verdict, 'next' | 'findings' | 'checks' | 'annotations' | 'blocked'>[];
  /** What was wrong with a contract that was refused. */
  problems: readonly { field: string; blocking: boolean }[];
  /** The words of `/retry` that began it; only of someone who may command. */
  guidance: string | null;
  /** Of the second look: written by a model. */
  findings: readonly { path: string; consequence: string }[];
}

export interface Signs {
  /** Each teaches something, should it repeat. */
  causes: Cause[];
  /** Of the failure that the attempt ended with; null when it did not fail, or nobody can tell. */
  failure: string | null;
}

/** Ends that are nobody's failure: a person decides, or the work is done. */
const noFailure = new Set([
  ...['review', 'merged', 'closed', 'stopped', 'plan-approval', 'approval-needed', 'no-change', 'split'],
  ...['labeller-not-allowed', 'foreign-commits', 'base-conflict', 'wait-expired'],
]);
/** Labels that the app gives; every other one was an issue's, for a check of its own. */
const checksLabel = 'Checks before review';
const ownLabels = new Set([
  ...sections.flatMap(({ label, fields }) => [label, ...fields.map((each) => each.label)]),
  ...Object.values(standardCheckLabels),
]);
/** Shorter guidance, such as "again", says nothing about the work. */
const leastGuidance = 12;
const mostLines = 12;
const mostPaths = 10;

/** Signatures of what one attempt failed with or had to do again; the same failure has the same one in every run. Pure. */
export function signsOf(lived: Lived): Signs {
  const causes = new Map<string, Cause>();
  const add = (cause: Cause) => void causes.set(cause.signature, causes.get(cause.signature) ?? cause);
  const verdicts = lived.verdicts.filter(({ next }) => next !== 'open');
  for (const verdict of verdicts) for (const cause of causesOfVerdict(verdict)) add(cause);
  const ended = lived.state === 'failed' || lived.state === 'waiting';
  const last = verdicts.at(-1);
  const final = ended && last && last.next !== 'build' ? causesOfVerdict(last) : [];
  const other = ended && final.length === 0 ? causeOfOutcome(lived) : null;
  if (other !== null) add(other);
  for (const cause of [guidanceCause(lived.guidance), ...lived.findings.map(findingCause)]) if (cause) add(cause);
  return { causes: [...causes.values()], failure: final[0]?.signature ?? other?.signature ?? null };
}

function causesOfVerdict(verdict: Lived['verdicts'][number]): Cause[] {
  return verdict.findings
    .filter(({ next }) => next !== 'none')
    .map((finding) => causeOfFinding(finding, verdict))
    .toSorted((left, right) => (left.signature < right.signature ? -1 : 1));
}

function causeOfFinding(finding: Finding, verdict: Lived['verdicts'][number]): Cause {
  const check = verdict.checks.find(({ kind }) => kind === finding.name);
  if (check && finding.gate === 'check') return causeOfCheck(check, verdict);
  if (check && finding.gate === 'not-runnable') {
    const hosts = [...new Set(verdict.blocked.map(({ host, port }) => `${host}:${port}`))].filter(isPlainHost);
    const lines = check.head === null ? [] : failureLines(check.head.output);
    return cause('environment', check.kind, lines, { ...wordsOf(check), hosts: hosts.toSorted().slice(0, 5) });
  }
  const paths = finding.paths.slice(0, mostPaths);
  if (finding.gate === 'flaky')
    return cause('flaky', finding.name, [], { paths, ...(check ? { subject: nameOf(check) } : {}) });
  // What exactly was touched differs from task to task; that this gate objected is what repeats.
  return cause('gate', finding.gate, [], { paths });
}

function causeOfCheck(check: CheckVerdict, verdict: Lived['verdicts'][number]): Cause {
  // Names of tests, where a report tells them, are steadier than what a runner prints about them.
  const named = check.newFailures.toSorted().slice(0, mostLines);
  const lines = named.length > 0 ? named : failureLines(check.head?.output ?? '');
  const paths = verdict.annotations.filter(({ kind }) => kind === check.kind).map(({ path }) => path);
  return cause('check', check.kind, lines, { ...wordsOf(check), paths: [...new Set(paths)].slice(0, mostPaths) });
}

/** Name and command of a check, as far as people with write access wrote them: an issue's own may be anybody's. */
const wordsOf = (check: CheckVerdict): Pick<Cause, 'subject' | 'command'> => ({
  subject: nameOf(check),
  command: check.origin === 'repository' ? check.command : null,
});

const nameOf = ({ kind, origin }: CheckVerdict): string =>
  origin === 'repository' || (standardCheckKinds as readonly string[]).includes(kind)
    ? kind
    : 'a check of the contract';

function causeOfOutcome({ outcome, problems }: Lived): Cause | null {
  if (noFailure.has(outcome)) return null;
  if (outcome === 'contract-untestable') {
    const named = problems
      .filter(({ blocking }) => blocking)
      .map(({ field }) => (ownLabels.has(field) ? field : checksLabel));
    const fields = [...new Set(named)].toSorted();
    return cause('contract', fields.join(', ') || 'contract', [], { fields });
  }
  const limit = /^limits?\.(\w+)$/.exec(outcome)?.[1];
  if (limit !== undefined) return cause('limit', limit, []);
  return cause('end', outcome, []);
}

function guidanceCause(guidance: string | null): Cause | null {
  const words = normaliseWords(guidance ?? '');
  return guidance === null || words.length < leastGuidance
    ? null
    : cause('guidance', '', [words], { words: guidance.slice(0, 400) });
}

function findingCause({ path, consequence }: { path: string; consequence: string }): Cause | null {
  const words = normaliseWords(consequence);
  return words === '' ? null : cause('review', path, [words], { words: consequence.slice(0, 400), paths: [path] });
}

function isPlainHost(address: string): boolean {
  return /^[a-z0-9](?:[a-z0-9.-]{0,250}[a-z0-9])?:\d{1,5}$/i.test(address);
}

function cause(kind: Cause['kind'], subject: string, lines: readonly string[], more: Partial<Cause> = {}): Cause {
  const text = [kind, subject, ...lines].join('\n');
  const hash = createHash('sha256').update(text).digest('hex').slice(0, 16);
  return { signature: `${kind}:${hash}`, kind, subject, lines: lines.slice(0, mostLines), paths: [], ...more };
}

const Refused = z.looseObject({ problems: z.array(z.looseObject({ field: z.string(), blocking: z.boolean() })) });
const Found = z.looseObject({ findings: z.array(z.looseObject({ path: z.string(), consequence: z.string() })) });
const Begun = z.looseObject({ state: z.literal('queued'), reason: z.literal('retry'), guidance: z.string() });

/** The same facts out of the events of one attempt. */
export function livedOf(
  events: readonly { kind: string; data: unknown }[],
): Pick<Lived, 'problems' | 'guidance' | 'findings'> {
  const last = <T>(shape: z.ZodType<T>, kind: string): T | undefined =>
    events
      .filter((event) => event.kind === kind)
      .map(({ data }) => shape.safeParse(data))
      .findLast(({ success }) => success)?.data;
  return {
    problems: last(Refused, 'intake.refused')?.problems ?? [],
    guidance: last(Begun, 'run.state')?.guidance ?? null,
    findings: last(Found, 'review.findings')?.findings ?? [],
  };
}
