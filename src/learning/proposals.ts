import { defaultLimits } from '../contract/defaults.ts';
import {
  hasSetup,
  policyNumber,
  withFieldHint,
  withPolicyEntry,
  withPolicyNumber,
  withRequiredFields,
} from '../contract/yaml-edit.ts';
import type { Cause } from '../engine/records.ts';
import { formPath } from '../onboarding.ts';
import { policyPath } from '../policy-source.ts';
import { code, inert, quote } from '../report/escape.ts';
import { withRule } from './agent-rules.ts';
import { guardTest } from './guard-test.ts';
import { missingFixture } from './missing-fixture.ts';
import type { Proposal, ReadFile } from './proposal.ts';

export const rulesPath = 'AGENTS.md';
export const skillPath = '.agents/skills/regression-tests/SKILL.md';
const longestWords = 300;

interface Draft {
  id: string;
  cause: Cause;
  /** Paths that more than one run met it with. */
  shared?: readonly string[];
  /** One sentence of a model for the rule; untrusted. Null: the template's. */
  sentence: string | null;
}

/** Chooses the fix by the kind of what repeats; where its file does not lend itself, a rule in AGENTS.md. Null when that has no place either. */
export async function proposalFor(draft: Draft, read: ReadFile): Promise<Proposal | null> {
  const special = await specials[draft.cause.kind]?.(draft, read);
  return special ?? ruleProposal(draft, read);
}

/** Whether the fix for a cause is a rule, for which a model may find better words. */
export function isRule({ kind, hosts = [] }: Cause): boolean {
  return kind === 'check' || kind === 'flaky' || kind === 'review' || (kind === 'environment' && hosts.length === 0);
}

const specials: Partial<Record<Cause['kind'], (draft: Draft, read: ReadFile) => Promise<Proposal | null>>> = {
  contract: requireFields,
  limit: raiseLimit,
  environment: mendEnvironment,
  gate: mendGate,
};

async function ruleProposal({ id, cause, sentence }: Draft, read: ReadFile): Promise<Proposal | null> {
  const rule = sentence === null ? templateRule(cause) : inert(sentence, { maxChars: longestWords });
  const now = await read(rulesPath);
  return { path: rulesPath, text: withRule(now, id, rule), what: 'a rule for agents', rule };
}

/** The rule in the app's own words. What repeats is quoted as code, so that it cannot become anything else. */
function templateRule(cause: Cause): string {
  const { kind, subject, command, words = '', paths } = cause;
  const sign = cause.lines[0] === undefined ? '' : `, such as ${code(cause.lines[0], 'text', 160)}`;
  const name = code(subject);
  switch (kind) {
    case 'check':
      return `Before handing in, run ${command ? code(command) : `the check ${name}`} and mend what it says: ${name} failed the same way in several runs${sign}.`;
    case 'flaky':
      return `${name} gave different results when run again, in several runs: make tests wait for what they need instead of for time, and give each its own data.`;
    case 'environment':
      return `The check ${name} could not run in the sandbox in several runs${sign}: what it needs belongs into \`image\` or \`setup\` of \`${policyPath}\`.`;
    case 'guidance':
      return `People had to say it in several runs: ${inert(words.replace(/\s+/g, ' '), { maxChars: longestWords })}`;
    case 'review':
      return `Mind ${code(paths[0] ?? subject)}: the second look found the same in several runs: ${inert(words.replace(/\s+/g, ' '), { maxChars: longestWords })}`;
    case 'limit':
      return `Keep each change small: several runs reached the limit ${name}.`;
    case 'contract':
      return `Contracts here were not testable several times for want of: ${inert(subject)}.`;
    default:
      return `Several runs were stopped by the gate ${name}: plan the change so that it does not come to that.`;
  }
}

async function requireFields({ cause }: Draft, read: ReadFile): Promise<Proposal | null> {
  const form = await read(formPath);
  const text = form === null ? null : withRequiredFields(form, cause.fields ?? []);
  if (text === null) return null;
  const rule = `The issue form asks for ${(cause.fields ?? []).map((field) => code(field)).join(', ')} before it lets an issue be opened.`;
  return { path: formPath, text, what: 'a change of the contract template', rule };
}

async function raiseLimit({ cause }: Draft, read: ReadFile): Promise<Proposal | null> {
  const policy = await read(policyPath);
  const usual = (defaultLimits as Readonly<Record<string, unknown>>)[cause.subject];
  if (policy === null) return null;
  const now = policyNumber(policy, ['limits', cause.subject]) ?? (typeof usual === 'number' ? usual : null);
  if (now === null) return null;
  const next = cause.subject === 'dollars' ? Math.round(now * 150) / 100 : Math.ceil(now * 1.5);
  const text = withPolicyNumber(policy, ['limits', cause.subject], next);
  if (text === null) return null;
  const rule = `The limit ${code(cause.subject)} of a run goes from ${now} to ${next}; a lower one of the operator or the organisation still counts.`;
  return { path: policyPath, text, what: 'a policy change', rule };
}

/** A host that was refused, else a file that is not there. */
async function mendEnvironment(draft: Draft, read: ReadFile): Promise<Proposal | null> {
  return (await grantHosts(draft, read)) ?? (await missingFixture(draft.cause.subject, draft.cause.lines, read));
}

async function grantHosts({ cause }: Draft, read: ReadFile): Promise<Proposal | null> {
  const [host] = cause.hosts ?? [];
  const policy = await read(policyPath);
  if (host === undefined || policy === null) return null;
  const path = hasSetup(policy) ? ['setup', 'hosts'] : ['network', 'hosts'];
  const text = withPolicyEntry(policy, path, host);
  if (text === null) return null;
  const rule = `${code(host)} is added to ${code(path.join('.'))}: the check ${code(cause.subject)} could not run without it. An allowed host can be used to send data out; merge it only if you trust it.`;
  return { path: policyPath, text, what: 'a policy change', rule };
}

const hints: Readonly<Record<string, { label: string; hint: string }>> = {
  size: {
    label: 'Goal',
    hint: 'One change that a reviewer reads in one sitting; earlier tasks were too large, so open one issue for each part.',
  },
  scope: {
    label: 'Allowed files',
    hint: 'Name tests, fixtures and documentation that the change needs as well: earlier runs stopped because they were missing here.',
  },
};

async function mendGate({ id, cause, shared = [] }: Draft, read: ReadFile): Promise<Proposal | null> {
  const guard = cause.subject === 'tests' ? await guardTest(id, shared, read) : null;
  if (guard !== null) return guard;
  if (cause.subject === 'tests' || cause.subject === 'definitions') return writeSkill(read);
  const hint = hints[cause.subject];
  const form = hint && (await read(formPath));
  const text = hint && form ? withFieldHint(form, hint.label, hint.hint) : null;
  return hint && text !== null
    ? { path: formPath, text, what: 'a change of the contract template', rule: inert(hint.hint) }
    : null;
}

/** A skill, unless there is one already: then a rule has to do. */
async function writeSkill(read: ReadFile): Promise<Proposal | null> {
  if ((await read(skillPath)) !== null) return null;
  const rule =
    'Tests are added beside the old ones, fail on the base and pass with the change; what defines a check stays as it is.';
  return { path: skillPath, text: skillText, what: 'a skill', rule };
}

const skillText = `---
name: regression-tests
description: How to show a change by tests here without weakening the ones that are there.
---

# Regression tests

1. Write the test first. Run it on the code as it is: it has to fail, for the reason that the task names.
2. Change the code until it passes. Run the whole check once more.
3. Leave the tests that are there alone: none deleted, skipped, loosened or renamed away, unless the task says so by name.
4. Leave what defines a check alone: scripts, runner configuration, Makefile, fixtures of others.
5. Where a test cannot fail on the base (a refactoring), say so when you hand in, with the check that covers it.
`;

/** Evidence as it stood in the runs. */
export function evidenceOf(cause: Cause): string {
  if (cause.words !== undefined) return quote(cause.words, 600);
  return cause.lines.length === 0 ? '' : cause.lines.map((line) => `- ${code(line, 'text', 240)}`).join('\n');
}
