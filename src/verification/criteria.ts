import type { Contract } from '../contract/contract.ts';
import { type Benches, jobOf, type Part } from './benches.ts';
import { isTestCheck, type JudgedCheck } from './checks.ts';
import { type Job, passed } from './execute.ts';
import { isTestCode } from './test-paths.ts';
import type { CriterionEvidence, EvidenceClaim, TestEvidence } from './verdict.ts';

export interface CriteriaInput {
  contract: Contract;
  claims: readonly EvidenceClaim[];
  checks: readonly JudgedCheck[];
  tests: readonly TestEvidence[];
  /** Text of a file at head, or null. */
  readHead: (path: string) => Promise<string | null>;
  /** The same at base. */
  readBase: (path: string) => Promise<string | null>;
  /** Whether policy lets the command run in the sandbox. */
  judgeCommand: (command: string) => { allowed: boolean };
  /** Base with the patch's test files: what a command is compared with. Null: base itself. */
  testsOnly: Part | null;
  commandTimeoutMs: number;
}

/** A proposal is cheap, an execution is not. */
const mostCommands = 8;
/** Of one criterion; further ones add nothing. */
const mostClaims = 20;

type Shown = Pick<CriterionEvidence, 'state' | 'by' | 'note'>;

/** Evidence for every acceptance criterion: what the agent proposed, run by the verifier. What cannot be run or is unknown is no evidence. */
export async function judgeCriteria(input: CriteriaInput, benches: Benches): Promise<CriterionEvidence[]> {
  let commandsLeft = mostCommands;
  const evidence: CriterionEvidence[] = [];
  for (const { id, text } of input.contract.criteria) {
    const shown: Shown[] = [];
    for (const claim of input.claims.filter(({ criterion }) => criterion === id).slice(0, mostClaims)) {
      if (claim.kind === 'command') commandsLeft -= 1;
      shown.push(
        claim.kind === 'command' && commandsLeft < 0
          ? none('too many commands were proposed')
          : await judgeClaim(claim, input, benches),
      );
    }
    evidence.push({ id, text, ...strongest(shown) });
  }
  return evidence;
}

function none(note: string): Shown {
  return { state: 'none', by: null, note };
}

function strongest(shown: readonly Shown[]): Shown {
  const red = shown.filter(({ state }) => state === 'red-green');
  const good = red.length > 0 ? red : shown.filter(({ state }) => state === 'shown');
  const first = good[0] ?? shown[0];
  if (first === undefined) return { state: 'none', by: null, note: null };
  const by = [...new Set(good.map((entry) => entry.by))].filter((name) => name !== null).join(', ');
  return { ...first, by: by === '' ? null : by };
}

function judgeClaim(claim: EvidenceClaim, input: CriteriaInput, benches: Benches): Promise<Shown> {
  if (claim.kind === 'check') return judgeCheckClaim(claim.value, input, benches);
  if (claim.kind === 'test') return judgeTestClaim(claim.value, input);
  return judgeCommandClaim(claim.value, input, benches);
}

async function judgeCheckClaim(kind: string, input: CriteriaInput, benches: Benches): Promise<Shown> {
  const named = input.checks.filter(
    ({ check }) => check.kind === kind.trim().toLowerCase() || check.label === kind.trim(),
  );
  const judged = named.find(({ verdict }) => verdict.state === 'passed');
  if (judged === undefined)
    return none(named.length === 0 ? `there is no check ${kind.slice(0, 60)}` : `${kind.slice(0, 60)} did not pass`);
  const base = judged.base ?? (await benches.base(jobOf(judged.check), 'first'));
  return { state: passed(base.record) ? 'shown' : 'red-green', by: judged.check.label, note: null };
}

/** `path` or `path::name`. A test is evidence when it is in the tree, a check that runs tests passed, and its name stands in the file. */
async function judgeTestClaim(value: string, input: CriteriaInput): Promise<Shown> {
  const [path = '', ...rest] = value.trim().split('::');
  const name = rest.join('::').trim();
  const text = isTestCode(path) ? await input.readHead(path) : null;
  if (text === null) return none(`there is no test ${path.slice(0, 120)}`);
  const title = name.split(/::|\s[>›]\s/).at(-1) ?? '';
  if (title !== '' && !text.includes(title)) return none(`${path.slice(0, 120)} has no test of that name`);
  const ran = input.checks.find(({ check, head, verdict }) => verdict.state === 'passed' && isTestCheck(check, head));
  if (ran === undefined) return none('the check that runs tests did not pass');
  const by = name === '' ? path : `${path} (${name.slice(0, 160)})`;
  const changed = input.tests.find((test) => test.path === path);
  if (changed === undefined) return { state: 'shown', by, note: 'a test that was there before' };
  // A file fails before for the sake of its new tests: one that base has too is not what failed.
  if (title !== '' && (await input.readBase(path))?.includes(title)) {
    return { state: 'shown', by, note: 'a test that was there before' };
  }
  if (changed.state === 'fails-before-passes-after') return { state: 'red-green', by, note: null };
  if (changed.state === 'passes-without-the-change')
    return { state: 'shown', by, note: 'it passes without the change' };
  return none(`${path.slice(0, 120)} was not seen to pass`);
}

async function judgeCommandClaim(command: string, input: CriteriaInput, benches: Benches): Promise<Shown> {
  if (cannotFail(command)) return none('the proposed command cannot fail');
  if (!input.judgeCommand(command).allowed) return none('policy does not allow the proposed command');
  const job: Job = { command, timeoutMs: input.commandTimeoutMs, report: null, first: [] };
  const head = await benches.head(job);
  if (!passed(head.record)) return none('the proposed command failed');
  const base =
    input.testsOnly === null ? await benches.base(job, 'first') : await benches.partial(job, input.testsOnly);
  return { state: passed(base.record) ? 'shown' : 'red-green', by: command.slice(0, 300), note: null };
}

/** Commands that say yes to anything. */
function cannotFail(command: string): boolean {
  const last =
    command
      .trim()
      .split(/;|\|\||&(?!&)|\n/)
      .map((part) => part.trim())
      .filter((part) => part !== '')
      .at(-1) ?? '';
  const only = command
    .trim()
    .split(/&&|;|\|\||\n/)
    .every((part) => /^\s*(?:true|:|echo\b.*|printf\b.*|exit(?:\s+0)?|pwd|ls|cd\b.*|cat\b.*)?\s*$/.test(part));
  return (
    only ||
    /^(?:true|:|exit(?:\s+0)?|echo\b.*|printf\b.*)$/.test(last) ||
    /\|\s*(?:cat|head|tail|tee|true)\b[^|]*$/.test(command)
  );
}
