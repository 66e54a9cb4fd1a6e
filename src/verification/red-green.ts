import type { Contract } from '../contract/contract.ts';
import type { DiffFile } from '../git/git.ts';
import type { Overlay } from '../sandbox/sandbox.ts';
import { type Benches, jobOf } from './benches.ts';
import { isTestCheck, type JudgedCheck } from './checks.ts';
import { type Execution, passed } from './execute.ts';
import type { FileVersions } from './file-versions.ts';
import { isForeseen, onlyTestsAllowed } from './foreseen.ts';
import { meddlingTests } from './meddling.ts';
import type { Objection } from './outcomes.ts';
import { testMarkers } from './test-markers.ts';
import { isTestCode, isTestPath } from './test-paths.ts';
import type { TestEvidence } from './verdict.ts';

export interface RedGreenInput {
  files: readonly DiffFile[];
  versions: readonly FileVersions[];
  /** What turns base into head. */
  overlay: Overlay;
  checks: readonly JudgedCheck[];
  /** Existing tests whose expectations the patch changes. */
  changedExpectations: readonly string[];
  contract: Contract;
}

export interface RedGreen {
  tests: TestEvidence[];
  objections: Objection[];
  notes: string[];
  /** The new tests run on base, when they were. */
  before: Execution | null;
}

/**
 * Runs the patch's tests on base's code, and base's tests on the patch's code. New tests ought to fail before the change; old ones must not
 * have been bent to it.
 */
export async function judgeRedGreen(input: RedGreenInput, benches: Benches): Promise<RedGreen> {
  const changed = input.files.filter(
    (file) => isTestCode(file.path) && file.status !== 'deleted' && file.added + file.removed > 0 && !file.binary,
  );
  const found: RedGreen = { tests: [], objections: [], notes: [], before: null };
  if (changed.length === 0 && input.changedExpectations.length === 0) return found;
  const unit = testCheckOf(input.checks);
  if (unit === null) {
    const note = 'no check that runs tests ran';
    return { ...found, tests: changed.map(({ path }) => ({ path, state: 'not-run', note })) };
  }
  const job = jobOf(unit.check);
  const testsOnly = part(input.overlay, isTestPath);
  found.before = isEmpty(testsOnly)
    ? await benches.base(job, 'first')
    : await benches.partial(job, { name: 'tests', overlay: testsOnly });
  const before = found.before;
  found.tests = changed.map(({ path }) => evidenceOf(path, input.versions, unit, before));
  await judgeExpectations(input, unit, before, benches, found);
  await judgeMeddling(input, unit, benches, found);
  return found;
}

/** Runs everything but the new test files that may reach into others: what passes only in their company is not what the code does. */
async function judgeMeddling(
  input: RedGreenInput,
  unit: JudgedCheck,
  benches: Benches,
  found: RedGreen,
): Promise<void> {
  const paths = meddlingTests(input.versions);
  if (paths.length === 0 || unit.head === null || !passed(unit.head.record)) return;
  const without = part(input.overlay, (path) => !paths.includes(path));
  const run = () =>
    isEmpty(without)
      ? benches.base(jobOf(unit.check), 'first')
      : benches.partial(jobOf(unit.check), { name: 'source', overlay: without });
  if (holds(await run()) || holds(await run())) return;
  const base = unit.base;
  // Red on base as well: the new file cannot be what hides a fault of the patch.
  if (base !== null && !passed(base.record) && isEmpty(without)) return;
  const message = 'The other tests fail without these new test files: they change what is tested.';
  found.objections.push({ gate: 'tests', name: 'tests', message, paths });
}

/** The check by which tests are run: `unit`, else the first that runs tests and ended by itself. */
function testCheckOf(checks: readonly JudgedCheck[]): JudgedCheck | null {
  const ran = checks.filter(({ head }) => head !== null && head.record.end === 'exited');
  return (
    ran.find(({ check }) => check.kind === 'unit') ?? ran.find(({ check, head }) => isTestCheck(check, head)) ?? null
  );
}

function part(overlay: Overlay, belongs: (path: string) => boolean): Overlay {
  return {
    writes: overlay.writes.filter(({ path }) => belongs(path)),
    links: overlay.links.filter(({ path }) => belongs(path)),
    deletes: overlay.deletes.filter(belongs),
  };
}

function isEmpty(overlay: Overlay): boolean {
  return overlay.writes.length + overlay.links.length + overlay.deletes.length === 0;
}

function evidenceOf(
  path: string,
  versions: readonly FileVersions[],
  unit: JudgedCheck,
  before: Execution,
): TestEvidence {
  const text = versions.find((file) => file.path === path)?.after ?? '';
  const own = { path, names: testMarkers(path, text).names };
  const is = (state: TestEvidence['state'], note: string | null = null) => ({ path, state, note });
  if (unit.head === null) return is('not-run');
  if (failsIn(unit.head, own) && !passed(unit.head.record)) return is('fails-after');
  if (passed(before.record)) return is('passes-without-the-change');
  if (before.record.end !== 'exited')
    return is('not-run', `on base the run ended as ${before.record.end.replaceAll('-', ' ')}`);
  const known = unit.base === null || passed(unit.base.record) ? [] : namesOf(unit.base);
  const redAlready = unit.base !== null && !passed(unit.base.record);
  if (namesOf(before).length === 0) {
    return redAlready
      ? is('not-run', 'base is red by itself and its output names no tests')
      : is('fails-before-passes-after');
  }
  return failsIn(before, own, known) ? is('fails-before-passes-after') : is('passes-without-the-change');
}

/** Whether a failing run names this file or one of its tests. Without any names the whole run stands for each of its files. */
function failsIn(
  execution: Execution,
  own: { path: string; names: readonly string[] },
  except: readonly string[] = [],
): boolean {
  if (passed(execution.record)) return false;
  const names = namesOf(execution);
  if (names.length === 0) return true;
  return names
    .filter((name) => !except.includes(name))
    .some(
      (name) =>
        name.includes(own.path) || own.names.some((title) => title !== '' && (name === title || name.endsWith(title))),
    );
}

function namesOf(execution: Execution): string[] {
  return execution.junit?.failed ?? execution.runner.failures;
}

/** Whether the tests pass. A run without new tests may miss a threshold of coverage although no test fails. */
function holds({ record, runner }: Execution): boolean {
  if (passed(record)) return true;
  const noneFailed =
    (runner.executed ?? 0) > 0 && runner.failures.length === 0 && !/\b[1-9]\d* fail/i.test(record.output);
  return (
    record.end === 'exited' &&
    noneFailed &&
    /coverage\b.*\bthreshold|threshold\b.*\bcoverage|fail[-_ ]under|required test coverage/i.test(record.output)
  );
}

/** Runs the old tests against the new code; when they no longer hold, tells a foreseen change of behaviour from a test bent to pass. */
async function judgeExpectations(
  input: RedGreenInput,
  unit: JudgedCheck,
  before: Execution,
  benches: Benches,
  found: RedGreen,
): Promise<void> {
  const paths = input.changedExpectations;
  if (paths.length === 0 || unit.head === null || !passed(unit.head.record)) return;
  const sourceOnly = part(input.overlay, (path) => !isTestPath(path));
  const run = () =>
    isEmpty(sourceOnly)
      ? benches.base(jobOf(unit.check), 'again')
      : benches.partial(jobOf(unit.check), { name: 'source', overlay: sourceOnly });
  const old = await run();
  if (holds(old) || holds(await run())) {
    found.notes.push(`Existing tests were changed in ${paths.join(', ')}: they also pass in their old form.`);
    return;
  }
  const bent = passed(before.record) && !onlyTestsAllowed(input.contract);
  const foreseen = paths.filter((path) => isForeseen(path, input.contract));
  const unforeseen = paths.filter((path) => !foreseen.includes(path));
  if (bent) {
    const message =
      'Existing tests were changed so that they pass without any change of the code; in their old form they fail.';
    found.objections.push({ gate: 'tests', name: 'tests', message, paths });
  } else if (unforeseen.length > 0) {
    const message =
      'Existing tests in their old form fail on the changed code, and the contract does not name them among the tests in scope: restore what they expect, or let a person accept the changed behaviour.';
    found.objections.push({ gate: 'tests', name: 'tests', message, paths: unforeseen });
  }
  if (!bent && foreseen.length > 0) {
    found.notes.push(
      `What existing tests expect was changed, in files that the contract names: ${foreseen.join(', ')}.`,
    );
  }
}
