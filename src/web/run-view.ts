import type { Doors } from '../doors.ts';
import type { Database } from '../engine/database.ts';
import { type EventHead, eventPage } from '../engine/ledger.ts';
import { latestOutput, outputsOf, type SavedOutput } from '../engine/outputs.ts';
import { patchOf } from '../engine/patches.ts';
import { spentOn } from '../engine/spend.ts';
import { asMillwrightError } from '../errors.ts';
import { noNumbers, type RunNumbers, type StatusInput } from '../report/facts.ts';
import type { Run } from '../run.ts';
import { BuildResult } from '../stages/build.ts';
import { Briefing } from '../stages/context.ts';
import { PlanResult } from '../stages/plan.ts';
import { intakeOf, statusInput } from '../status-input.ts';
import { Verdict } from '../verification/verdict.ts';
import { type PatchFile, readPatch } from './patch-text.ts';

/** Everything that the page of a run tells. */
export interface RunView {
  run: Run;
  status: StatusInput;
  numbers: RunNumbers;
  /** On the issue, over all its runs. */
  spent: { usd: number; tokens: number; unpricedCalls: number };
  briefing: Briefing | null;
  plan: PlanResult | null;
  rounds: Round[];
  built: BuildResult | null;
  verdict: Verdict | null;
  patch: PatchView;
  log: EventHead[];
  transcript: EventHead[];
  issueUrl: string | null;
}

/** One round of build and verification, as far as it came. */
export interface Round {
  attempt: number;
  number: number;
  built: BuildResult | null;
  verdict: Verdict | null;
}

export interface PatchView {
  files: PatchFile[];
  /** Whether there is a whole patch to download. */
  whole: boolean;
  /** What a reader has to know about it. */
  note: string | null;
}

/** Lines of a diff that a page shows; the download has them all. */
const shownLines = 2_000;
/** Newest events that a page shows. */
const shownEvents = 200;
export const shownTranscript = 60;
/** Longest data of an event that a page shows, in characters of JSON. */
export const shownEventChars = 24_000;
/** Kinds that make the transcript: what was asked of the model, what it said, what its tools did. */
export const transcriptKinds = ['agent.', 'model.', 'tool.', 'mcp.'] as const;

type ViewDoors = Pick<Doors, 'db' | 'git' | 'host' | 'sandbox'>;

export async function viewOf(run: Run, doors: ViewDoors & Doors): Promise<RunView> {
  const { db, host } = doors;
  const [status, rounds, briefing, plan, spent, log, transcript] = await Promise.all([
    statusInput(run, doors),
    roundsOf(db, run.id),
    latestOutput(db, run.id, 'context', Briefing),
    latestOutput(db, run.id, 'plan', PlanResult),
    spentOn(db, `issue:${run.repository}#${run.issue}`),
    eventPage(db, run.id, { newest: true, limit: shownEvents, longestChars: shownEventChars }),
    eventPage(db, run.id, {
      newest: true,
      limit: shownTranscript,
      longestChars: shownEventChars,
      prefixes: transcriptKinds,
    }),
  ]);
  const built = rounds.findLast((round) => round.built !== null)?.built ?? null;
  const verdict = rounds.findLast((round) => round.verdict !== null)?.verdict ?? null;
  return {
    run,
    status,
    numbers: status.numbers ?? noNumbers,
    spent,
    briefing: briefing?.value ?? null,
    plan: plan?.value ?? null,
    rounds,
    built,
    verdict,
    patch: await patchView(run, built, doors),
    log,
    transcript,
    issueUrl: run.issue === 0 ? null : `${host.githubUrl}/${run.owner}/${run.name}/issues/${run.issue}`,
  };
}

async function roundsOf(db: Database, runId: string): Promise<Round[]> {
  const [builds, verdicts] = await Promise.all([
    outputsOf(db, runId, 'build', BuildResult),
    outputsOf(db, runId, 'verify', Verdict),
  ]);
  const rounds = new Map<string, Round>();
  const at = ({ attempt, name }: SavedOutput<unknown>): Round => {
    const number = Number(/-(\d+)$/.exec(name)?.[1] ?? 1);
    const key = `${attempt}/${number}`;
    const known = rounds.get(key) ?? { attempt, number, built: null, verdict: null };
    rounds.set(key, known);
    return known;
  };
  for (const saved of builds) at(saved).built = saved.value;
  for (const saved of verdicts) at(saved).verdict = saved.value;
  return [...rounds.values()].toSorted((left, right) => left.attempt - right.attempt || left.number - right.number);
}

/** The newest patch of a run as a text: as it was kept, or else from the mirror of this machine, where there is one. */
async function patchView(run: Run, built: BuildResult | null, doors: ViewDoors): Promise<PatchView> {
  const kept = await patchOf(doors.db, run.id);
  if (kept?.patch) {
    const files = readPatch(Buffer.from(kept.patch).toString('utf8'), shownLines);
    const note = kept.masked ? 'The value of a secret was taken out: this patch can be read, not applied.' : null;
    return { files, whole: true, note };
  }
  const base = (await intakeOf(run, doors))?.base?.commit;
  if (built === null || built.empty || base === undefined) return { files: [], whole: false, note: null };
  try {
    const { text } = await doors.git.diff(run.repository, base, kept?.tree ?? built.tree);
    return { files: readPatch(text, shownLines), whole: false, note: null };
  } catch (error) {
    const { code } = asMillwrightError(error);
    return {
      files: [],
      whole: false,
      note: `The patch is not on this machine any more (${code}). What is known of it:`,
    };
  }
}
