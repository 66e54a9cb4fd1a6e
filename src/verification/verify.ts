import { inOrder } from '../in-order.ts';
import type { Overlay } from '../sandbox/sandbox.ts';
import { readAnnotations, treePaths } from './annotations.ts';
import { createBenches, type Part } from './benches.ts';
import { type JudgedCheck, judgeCheck } from './checks.ts';
import { judgeCriteria } from './criteria.ts';
import { judgeExecutedTests } from './executed-tests.ts';
import { feedbackOf, questionOf } from './feedback.ts';
import { decide } from './outcomes.ts';
import { judgePatch, mergeObjections } from './patch-gates.ts';
import { patchNotes } from './patch-notes.ts';
import { judgeRedGreen } from './red-green.ts';
import { tryRollback } from './rollback.ts';
import { isTestPath } from './test-paths.ts';
import type { Verdict } from './verdict.ts';
import type { VerifyDoors, VerifyRequest } from './verify-request.ts';

/**
 * Concludes about one tree, from exit codes that the app saw in containers that the agent never touched (SPEC §7). May be called again
 * with the same request. Errors: `outside.sandbox` when a container is lost (run it again, no round is used), the signal's reason.
 */
export async function verify(request: VerifyRequest, doors: VerifyDoors, signal: AbortSignal): Promise<Verdict> {
  const { git } = doors;
  const diff = await git.diff(request.repository, request.base, request.tree);
  if (diff.files.length === 0) return emptyVerdict(request);
  const patch = await judgePatch(request, diff, doors);
  const benches = createBenches(request, doors, signal);
  const checks = await inOrder(request.walls.checks, request.walls.concurrency.checks, (check, index) =>
    judgeCheck(check, request.walls.checks.slice(0, index), benches),
  );
  const overlay = await git.overlay(request.repository, request.base, request.tree);
  const { contract } = request;
  const redGreen = await judgeRedGreen(
    {
      files: diff.files,
      versions: patch.versions,
      overlay,
      checks,
      changedExpectations: patch.loss.changedExpectations,
      contract,
    },
    benches,
  );
  const criteria = await judgeCriteria(
    {
      contract,
      claims: request.claims,
      checks,
      tests: redGreen.tests,
      readHead: async (path) => textOf(await git.read(request.repository, request.tree, path)),
      readBase: async (path) => textOf(await git.read(request.repository, request.base, path)),
      judgeCommand: doors.judgeCommand,
      testsOnly: testsOnly(overlay),
      commandTimeoutMs: request.walls.limits.toolTimeoutMs,
    },
    benches,
  );
  const decided = decide({
    checks: checks.map(({ verdict }) => verdict),
    objections: mergeObjections([
      ...patch.objections,
      ...redGreen.objections,
      ...judgeExecutedTests(checks, patch.loss.goneWithSource),
    ]),
    waived: request.waived,
    flaky: request.walls.flaky,
    lastRound: request.lastRound,
    sentBack: request.sentBack,
  });
  return {
    base: request.base,
    tree: request.tree,
    ...decided,
    criteria,
    tests: redGreen.tests,
    notes: [...patch.loss.notes, ...redGreen.notes, ...patchNotes(diff)],
    rollbackTried: await rollbackOf(request, git),
    blocked: benches.blocked,
    annotations: await annotationsOf(checks, request, doors),
    feedback: decided.next === 'open' ? null : feedbackOf(decided.findings, decided.checks),
    question: questionOf(decided, request.emptyReason),
  };
}

async function rollbackOf(request: VerifyRequest, git: VerifyDoors['git']): Promise<Verdict['rollbackTried']> {
  const { ok, note } = await tryRollback(git, request.repository, { base: request.base, head: request.tree });
  return { ok, note };
}

function testsOnly(overlay: Overlay): Part | null {
  const part: Overlay = {
    writes: overlay.writes.filter(({ path }) => isTestPath(path)),
    links: overlay.links.filter(({ path }) => isTestPath(path)),
    deletes: overlay.deletes.filter(isTestPath),
  };
  const size = part.writes.length + part.links.length + part.deletes.length;
  return size === 0 ? null : { name: 'tests', overlay: part };
}

async function annotationsOf(
  checks: readonly JudgedCheck[],
  request: VerifyRequest,
  doors: VerifyDoors,
): Promise<Verdict['annotations']> {
  const red = checks.filter(({ verdict, head }) => head !== null && verdict.state !== 'passed');
  if (red.length === 0) return [];
  const tree = treePaths((await doors.git.list(request.repository, request.tree)).map(({ path }) => path));
  return red
    .flatMap(({ check, head }) =>
      head === null
        ? []
        : readAnnotations({ kind: check.kind, output: head.record.output, workdir: head.workdir }, tree),
    )
    .slice(0, 50);
}

function textOf(bytes: Uint8Array | null): string | null {
  return bytes === null ? null : new TextDecoder().decode(bytes);
}

function emptyVerdict(request: VerifyRequest): Verdict {
  const decided = decide({
    checks: [],
    objections: [{ gate: 'empty', name: 'empty', message: 'Nothing was changed.', paths: [] }],
    waived: request.waived,
    flaky: request.walls.flaky,
    lastRound: request.lastRound,
    sentBack: request.sentBack,
  });
  return {
    base: request.base,
    tree: request.tree,
    ...decided,
    criteria: request.contract.criteria.map(({ id, text }) => ({ id, text, state: 'none', by: null, note: null })),
    tests: [],
    notes: [],
    rollbackTried: null,
    blocked: [],
    annotations: [],
    feedback: null,
    question: questionOf(decided, request.emptyReason),
  };
}
