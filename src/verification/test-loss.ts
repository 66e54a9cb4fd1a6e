import { lostExpectations } from './expectations.ts';
import type { FileVersions } from './file-versions.ts';
import { inlineGate, inlineTests } from './inline-tests.ts';
import type { Objection } from './outcomes.ts';
import { hasDetour } from './test-detours.ts';
import { noMarkers, type TestMarkers, testMarkers } from './test-markers.ts';
import { importedPaths, isRunnable, isSnapshot, isTestCode, isTestPath, stem, withoutExtension } from './test-paths.ts';
import { placesChanged, testPlaces } from './test-places.ts';

export interface TestLoss {
  objections: Objection[];
  notes: string[];
  /** Existing tests whose expectations the patch changes: whether they still hold in their old form is for a run to tell. */
  changedExpectations: string[];
  /** Tests that were deleted together with their source: a run may be short of them. */
  goneWithSource: number;
  /** Sources whose own tests, which lie in the same file, expect something else now. */
  inlineExpectations: string[];
}

/** Objects to tests that are deleted, switched off, emptied or crowded out. Reads text only; runs nothing. */
export function judgeTestLoss(files: readonly FileVersions[]): TestLoss {
  const loss: TestLoss = {
    objections: [],
    notes: [],
    changedExpectations: [],
    goneWithSource: 0,
    inlineExpectations: [],
  };
  const tests = files.filter((file) => isTestCode(file.from ?? file.path) || isTestCode(file.path));
  const kept = tests.filter((file) => isTestCode(file.path));
  const namesIn = (some: readonly FileVersions[]) =>
    new Set(some.flatMap((file) => markersOf(file.path, file.after).names));
  const namesAfter = namesIn(kept);
  const runnableNames = namesIn(kept.filter(({ path }) => isRunnable(path)));
  const assertionsFell =
    sum(kept.map((file) => markersOf(file.path, file.after).assertions)) <
    sum(tests.map((file) => markersOf(file.from ?? file.path, file.before).assertions));
  for (const file of tests) {
    const ranBefore = isRunnable(file.from ?? file.path);
    if (
      file.before !== null &&
      (file.after === null || !isTestCode(file.path) || (ranBefore && !isRunnable(file.path)))
    )
      judgeDeleted(file, files, ranBefore ? runnableNames : namesAfter, loss);
    else judgeKept(file, { namesAfter, assertionsFell, files }, loss);
  }
  loss.changedExpectations.push(...displaced(tests, kept, loss.changedExpectations));
  for (const file of files.filter(({ path }) => isTestPath(path) && !isTestCode(path))) judgeData(file, files, loss);
  for (const file of files.filter(({ path }) => !isTestCode(path))) judgeInline(file, loss);
  return loss;
}

/** Files with tests that now stand in something else than before, here or where they were moved to: an old run tells whether that matters. */
function displaced(tests: readonly FileVersions[], kept: readonly FileVersions[], known: readonly string[]): string[] {
  const after = new Map<string, Set<string>>();
  for (const { path, after: text } of kept) {
    if (text === null) continue;
    for (const [name, places] of testPlaces(path, text))
      after.set(name, new Set([...(after.get(name) ?? []), ...places]));
  }
  return tests
    .filter(({ from, path, before }) => before !== null && placesChanged(testPlaces(from ?? path, before), after))
    .map(({ path }) => path)
    .filter((path) => !known.includes(path));
}

function sum(counts: readonly number[]): number {
  return counts.reduce((total, count) => total + count, 0);
}

function markersOf(path: string, text: string | null): TestMarkers {
  return text === null ? noMarkers : testMarkers(path, text);
}

/** Of Go: comments that say where a file is compiled. */
function constraints(text: string | null): number {
  return text?.match(/^[ \t]*\/\/(?:go:build| ?\+build)\s.*$/gm)?.length ?? 0;
}

function objection(message: string, path: string): Objection {
  return { gate: 'tests', name: 'tests', message, paths: [path] };
}

function judgeDeleted(
  file: FileVersions,
  files: readonly FileVersions[],
  namesAfter: ReadonlySet<string>,
  loss: TestLoss,
): void {
  const old = file.from ?? file.path;
  const markers = markersOf(old, file.before);
  if (markers.tests === 0 && markers.assertions === 0) return;
  const moved = markers.names.length > 0 && markers.names.every((name) => namesAfter.has(name));
  if (moved) {
    loss.notes.push(`Tests of ${old} were moved to another file.`);
    return;
  }
  const source = sourceGone(old, file.before ?? '', files);
  if (source !== null) {
    loss.goneWithSource += markers.tests;
    loss.notes.push(`The test file ${old} was deleted together with its source ${source}.`);
    return;
  }
  const what = file.after === null ? 'deleted' : `renamed to ${file.path}, which no runner takes for a test`;
  loss.objections.push(objection(`A test file with ${markers.tests} tests was ${what}, while its source stays.`, old));
}

/** The source whose deletion makes this test pointless: named alike, or the one thing of the repository that it imports. */
function sourceGone(path: string, text: string, files: readonly FileVersions[]): string | null {
  const gone = files.filter((file) => file.after === null && !isTestPath(file.path));
  const alike = gone.find((file) => stem(file.path) === stem(path));
  if (alike !== undefined) return alike.path;
  const imported = importedPaths(path, text);
  const lost = imported.map((target) => gone.find((file) => withoutExtension(file.path) === withoutExtension(target)));
  return imported.length > 0 && lost.every((file) => file !== undefined) ? (lost[0]?.path ?? null) : null;
}

/** What is told of all changed test files together, so that moving a test loses nothing. */
interface Together {
  namesAfter: ReadonlySet<string>;
  assertionsFell: boolean;
  files: readonly FileVersions[];
}

function judgeKept(file: FileVersions, together: Together, loss: TestLoss): void {
  const before = markersOf(file.from ?? file.path, file.before);
  const after = markersOf(file.path, file.after);
  const object = (message: string) => loss.objections.push(objection(message, file.path));
  judgeSkips(file, before, after, together, loss);
  if (after.focused > before.focused) object('Focused tests keep all others from running.');
  if (after.undone > before.undone) object('Assertions were made harmless by an “or true”.');
  if (file.typeChanged) object('The test file was replaced by a link.');
  if (file.before !== null && constraints(file.after) > constraints(file.before))
    object('A build constraint may keep the tests of the file from being compiled.');
  const lost = file.before === null || file.after === null ? [] : lostExpectations(file.path, file.before, file.after);
  if (after.vacuous > before.vacuous) {
    if (lost.length > 0) object('Assertions were replaced by ones that no code can fail.');
    else loss.notes.push(`${file.path} has new assertions that no code can fail.`);
  }
  if (file.before === null) {
    if (after.tests > 0 && after.assertions === 0)
      loss.notes.push(`The new test file ${file.path} asserts nothing that is recognised.`);
    return;
  }
  const lostNames = before.names.filter((name) => !together.namesAfter.has(name));
  if (after.tests < before.tests && (lostNames.length > 0 || before.names.length === 0)) {
    object(`Declared tests fell from ${before.tests} to ${after.tests}.`);
  } else if (after.assertions < before.assertions && together.assertionsFell) {
    object(`Assertions fell from ${before.assertions} to ${after.assertions}.`);
  }
  if (lost.length > 0 || hasDetour(file, together.files)) loss.changedExpectations.push(file.path);
}

/** A test that ran before and is skipped now is lost; a new one that is skipped (on some platform, say) takes nothing away. */
function judgeSkips(
  file: FileVersions,
  before: TestMarkers,
  after: TestMarkers,
  together: Together,
  loss: TestLoss,
): void {
  const newly = after.skipped.filter((name) => !before.skipped.includes(name));
  const existing = newly.filter((name) => before.names.includes(name));
  const renamed = newly.length > 0 && before.names.some((name) => !together.namesAfter.has(name));
  if (existing.length > 0 || renamed || after.skippedGroups > before.skippedGroups) {
    const told = existing.length > 0 ? `: ${existing.slice(0, 5).join(', ')}` : '';
    loss.objections.push(objection(`Tests are newly skipped${told}.`, file.path));
  } else if (newly.length > 0) {
    loss.notes.push(
      `${file.path} brings new tests that are skipped, at least on some platforms: ${newly.slice(0, 5).join(', ')}.`,
    );
  }
}

/** Tests that lie in the file that they test, as those of Rust do: no run can part the two. */
function judgeInline(file: FileVersions, loss: TestLoss): void {
  const old = inlineTests(file.from ?? file.path, file.before);
  if (old === null || file.after === null) return;
  const now = inlineTests(file.path, file.after) ?? '';
  const before = markersOf(file.path, old);
  const after = markersOf(file.path, now);
  const gone = before.names.filter((name) => !after.names.includes(name));
  const object = (message: string) => loss.objections.push(objection(message, file.path));
  if (gone.length > 0) object(`Tests in the source are gone: ${gone.slice(0, 5).join(', ')}.`);
  if (after.skipped.length + after.skippedGroups > before.skipped.length + before.skippedGroups)
    object('Tests in the source are newly skipped.');
  if (inlineGate(now) !== inlineGate(old)) object('Tests in the source are compiled under another condition.');
  if (after.vacuous > before.vacuous) object('Assertions were replaced by ones that no code can fail.');
  if (lostExpectations(file.path, old, now).length > 0) loss.inlineExpectations.push(file.path);
}

/** Snapshots and fixtures. */
function judgeData(file: FileVersions, files: readonly FileVersions[], loss: TestLoss): void {
  if (file.before === null) return;
  if (isSnapshot(file.path)) {
    const testGone = files.some(
      (other) =>
        other.after === null && isTestCode(other.path) && file.path.includes(other.path.split('/').at(-1) ?? '/'),
    );
    if (!testGone && (file.after === null || lostLines(file.before, file.after))) {
      loss.notes.push(
        `The snapshot ${file.path} was ${file.after === null ? 'deleted' : 'changed'}: what the tests expect changed with it.`,
      );
      loss.changedExpectations.push(file.path);
    }
    return;
  }
  loss.changedExpectations.push(file.path);
}

/** Whether lines of the old text are missing in the new one: an entry that was only added takes nothing away. */
function lostLines(before: string, after: string): boolean {
  const kept = new Set(after.split('\n'));
  return before.split('\n').some((line) => !kept.has(line));
}
