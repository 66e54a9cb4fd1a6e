import { setTimeout as delay } from 'node:timers/promises';
import { parseContract } from './contract/parse.ts';
import { type Doors, repositoryKey } from './doors.ts';
import { latestRun } from './engine/runs.ts';
import { asMillwrightError, type ErrorCode } from './errors.ts';
import { rememberShown } from './gates.ts';
import type { RepositoryRef } from './github/github.ts';
import { labelOf, labelSpecs, stateLabels } from './labels.ts';
import { inert } from './report/escape.ts';
import { statusComment, statusMarker } from './report/status-comment.ts';
import type { Run, RunRequest } from './run.ts';
import { nothingYet, statusInput } from './status-input.ts';

/** What this process showed on an issue last, so that nothing is written twice; one entry an issue, with the writes in order. */
interface Shown {
  queue: Promise<void>;
  again: boolean;
  /** Run, attempt and epoch of the last write: under another one, another process may have written since. */
  key: string;
  body: string;
  label: string | null;
  /** Attempt for which the labeller was assigned. */
  assigned: string;
}
const shownFrom = new WeakMap<Doors['db'], Map<string, Shown>>();

const stoppingErrors: readonly ErrorCode[] = ['run.lost-lease', 'outside.database'];
const retriesMs = [2_000, 10_000, 60_000] as const;

/**
 * Brings the one status comment and the state label up to date with the store. Writes of an issue never overtake each
 * other. While GitHub does not answer it is tried again in the background, and by reconciliation. Errors: of the store only.
 */
export function showStatus(run: Run, doors: Doors): Promise<void> {
  const entry = entryOf(run, doors);
  entry.queue = entry.queue.catch(() => {}).then(() => update(run, entry, doors));
  return entry.queue.catch((error) => {
    const known = asMillwrightError(error);
    if (stoppingErrors.includes(known.code)) throw error;
    doors.log.warn({ err: known, run: run.id }, 'the status comment could not be brought up to date now');
    if (known.retry) void showLater(run, doors);
  });
}

async function showLater(run: Run, doors: Doors): Promise<void> {
  for (const waitMs of retriesMs) {
    await delay(waitMs, undefined, { ref: false });
    const entry = entryOf(run, doors);
    entry.queue = entry.queue.catch(() => {}).then(() => update(run, entry, doors));
    const error = await entry.queue.then(
      () => null,
      (reason: unknown) => reason,
    );
    if (error === null || !asMillwrightError(error).retry) return;
  }
}

/** The same without waiting for it, for news in mid-run: several at once become one. */
export function showStatusSoon(run: Run, doors: Doors): void {
  const entry = entryOf(run, doors);
  if (entry.again) return;
  entry.again = true;
  entry.queue = entry.queue
    .catch(() => {})
    .then(async () => {
      entry.again = false;
      await update(run, entry, doors);
    })
    .catch((error) =>
      doors.log.warn(
        { err: asMillwrightError(error), run: run.id },
        'the status comment could not be brought up to date now',
      ),
    );
}

function entryOf(run: Pick<Run, 'repository' | 'issue'>, { db }: Doors): Shown {
  const shown = shownFrom.get(db) ?? new Map<string, Shown>();
  shownFrom.set(db, shown);
  const key = `${run.repository}#${run.issue}`;
  const known = shown.get(key) ?? {
    queue: Promise.resolve(),
    again: false,
    key: '',
    body: '',
    label: null,
    assigned: '',
  };
  // One map for the life of the process: the oldest entries go once there are many.
  if (!shown.has(key) && shown.size > 5_000) shown.delete(shown.keys().next().value as string);
  shown.set(key, known);
  return known;
}

/** Writes until what was written is what the store says: another process may have moved the run meanwhile. */
async function update(asked: Pick<Run, 'repository' | 'issue'>, entry: Shown, doors: Doors): Promise<void> {
  let run = await latestRun(doors.db, asked.repository, asked.issue);
  for (let tries = 1; run && tries <= 3; tries++) {
    await write(run, entry, doors);
    const now: Run | null = await latestRun(doors.db, asked.repository, asked.issue);
    if (now === null || standing(now) === standing(run)) return;
    run = now;
  }
}

const standing = (run: Run) => [run.id, run.attempt, run.epoch, run.state, run.outcome?.code ?? ''].join('/');

async function write(run: Run, entry: Shown, doors: Doors): Promise<void> {
  const github = doors.github.repository({ installationId: run.installationId, owner: run.owner, name: run.name });
  const body = statusComment(await statusInput(run, doors));
  const key = [run.id, run.attempt, run.epoch].join('/');
  const isNews = entry.key !== key;
  // Set again only when everything is written: what fails half-way is looked at anew.
  entry.key = '';
  if (isNews || body !== entry.body) {
    const { changedAtMs } = await github.upsertComment(run.issue, statusMarker, body);
    await rememberShown(run, changedAtMs, doors);
  }
  const label = labelOf(run);
  if (isNews || label !== entry.label) {
    if (label !== null) await github.ensureLabels(labelSpecs);
    await github.setStateLabel(run.issue, label, stateLabels);
  }
  // Edits and labels notify nobody: a waiting run is assigned to whoever started it.
  const attempt = `${run.id}/${run.attempt}`;
  if (run.state === 'waiting' && entry.assigned !== attempt) {
    await github.assign(run.issue, run.request.labeller);
    entry.assigned = attempt;
  }
  Object.assign(entry, { key, body, label });
}

/** A state label that a person put on says nothing: the run's own is set again. Bots are left alone, or two of them would never end. */
export async function restoreLabel(repository: string, issue: number, by: string, doors: Doors): Promise<void> {
  const run = by.endsWith('[bot]') ? null : await latestRun(doors.db, repository, issue);
  if (run === null) return;
  entryOf(run, doors).key = '';
  await showStatus(run, doors);
}

/** What a queued run's issue shows before the run exists, so that the comment is there before any worker writes to it. */
export async function showQueued(ref: RepositoryRef, issue: number, request: RunRequest, doors: Doors): Promise<void> {
  const entry = entryOf({ repository: repositoryKey(doors.host.githubHost, ref), issue }, doors);
  const github = doors.github.repository(ref);
  const { contract } = parseContract(request.body);
  const body = statusComment({ ...nothingYet, contract, revision: request.revision });
  entry.queue = entry.queue
    .catch(() => {})
    .then(async () => {
      entry.key = '';
      await github.ensureLabels(labelSpecs);
      await github.upsertComment(issue, statusMarker, body);
      await github.setStateLabel(issue, 'agent:running', stateLabels);
    });
  await entry.queue;
}

const editedMarker = (what: string) => `<!-- millwright:edited:${what} -->`;
const again = 'To work on the new text, take the label `agent-ready` off and put it on again.';

/** Says once for each run that an edit does not reach it. */
export async function announceEdit(run: Run, doors: Doors): Promise<void> {
  const github = doors.github.repository({ installationId: run.installationId, owner: run.owner, name: run.name });
  const marker = editedMarker(run.id);
  const text = `The issue was edited, but the run works on the text as it was when the label was put on. ${again}`;
  await github.upsertComment(run.issue, marker, `${marker}\n${text}`);
}

/** Says once to each person who put the label on again without the role that the open pull request stays as it is. */
export async function announceLabeller(run: Run, login: string, text: string, doors: Doors): Promise<void> {
  const github = doors.github.repository({ installationId: run.installationId, owner: run.owner, name: run.name });
  const marker = `<!-- millwright:labeller:${login.replace(/[^\w-]/g, '')} -->`;
  await github.upsertComment(run.issue, marker, `${marker}\n${inert(text)}`);
}

/** Says that nothing was started, because the text that was labelled is not the one that is there. */
export async function announceLateEdit(ref: RepositoryRef, issue: number, doors: Doors): Promise<void> {
  const marker = editedMarker('before-start');
  const text = `Nothing was started: the issue was edited after the label was put on, before the app heard of it. ${again}`;
  await doors.github.repository(ref).upsertComment(issue, marker, `${marker}\n${text}`);
}
