import { remoteOf } from '../attempt.ts';
import type { Doors } from '../doors.ts';
import type { Cause } from '../engine/records.ts';
import { listRunHeads } from '../engine/run-list.ts';
import { getRun } from '../engine/runs.ts';
import { asMillwrightError, MillwrightError } from '../errors.ts';
import type { Remote } from '../git/git.ts';
import type { RepositoryGitHub } from '../github/github.ts';
import { readLayers, wallsWithoutContract } from '../policy-source.ts';
import { isOwnAddress, publishCommit } from '../publish-commit.ts';
import type { Run } from '../run.ts';
import { withoutRule } from './agent-rules.ts';
import { lessonBody, lessonMessage, lessonTitle } from './lesson-report.ts';
import {
  decideLesson,
  getLesson,
  type Lesson,
  type LessonRun,
  lessonBranch,
  postponeLesson,
  runsWith,
  saveProposal,
  settleDue,
  takeDueLesson,
} from './lessons.ts';
import type { Proposal, ReadFile } from './proposal.ts';
import { proposalFor, rulesPath } from './proposals.ts';
import { removalBody, removalTitle } from './removal-report.ts';
import { undone, undoOf } from './undo.ts';
import { wordRule } from './word-rule.ts';

const againMs = 5 * 60_000;

/**
 * Proposes the lesson that waits longest, or brings its pull request up to date; false when none waits. May run twice for the same
 * lesson: branch and commit are named by it, and what is there is looked up first. Errors: `outside.database`.
 */
export async function publishNextLesson(doors: Doors, signal: AbortSignal): Promise<boolean> {
  const lesson = await takeDueLesson(doors.db);
  if (lesson === null) return false;
  try {
    await publishLesson(lesson, doors, signal);
    await settleDue(doors.db, lesson);
  } catch (error) {
    const known = asMillwrightError(error);
    doors.log.warn({ err: known, lesson: lesson.id, repository: lesson.repository }, 'a lesson could not be proposed');
    if (signal.aborted) await postponeLesson(doors.db, lesson.id, 0);
    else if (known.retry) await postponeLesson(doors.db, lesson.id, againMs);
    else await settleDue(doors.db, lesson);
  }
  return true;
}

interface Publishing {
  lesson: Lesson;
  /** The newest run that taught it, or else of the repository: through its installation the repository is reached. */
  run: Run;
  runs: LessonRun[];
  github: RepositoryGitHub;
  remote: Remote;
  base: { branch: string; commit: string };
}

async function publishLesson(lesson: Lesson, doors: Doors, signal: AbortSignal): Promise<void> {
  const subject = lesson.data.removes === null ? lesson : await getLesson(doors.db, lesson.data.removes);
  const runs = subject === null ? [] : await runsWith(doors.db, lesson.repository, subject.signature);
  const newest = runs.at(-1);
  if (subject === null || newest === undefined) return;
  // Runs are deleted after a while, what they taught is not.
  const run = (await getRun(doors.db, newest.runId)) ?? (await newestRunOf(doors.db, lesson.repository));
  if (run === null) throw new MillwrightError('outside.github', { message: 'no run says how to reach the repository' });
  const layers = await readLayers(doors, run);
  if (wallsWithoutContract(layers, doors, run).learn === 'off') return;
  const github = doors.github.repository(run);
  const facts = await github.facts();
  if (facts.archived) return;
  const there = await github.findPullRequest(lessonBranch(lesson.id));
  // Decided while nobody listened: what a person merged or closed is not opened again.
  if (there?.state === 'closed') return settleClosed(lesson, there, doors);
  const remote = await remoteOf(run, github, doors);
  const commit = await doors.git.fetch(remote, `refs/heads/${facts.defaultBranch}`, signal);
  const base = { branch: facts.defaultBranch, commit };
  const publishing: Publishing = { lesson, run, runs, github, remote, base };
  if (lesson.data.removes === null) await propose(publishing, newest.cause, doors, signal);
  else await proposeRemoval(publishing, subject, doors);
}

async function newestRunOf(db: Doors['db'], repository: string): Promise<Run | null> {
  const [head] = await listRunHeads(db, { repository, limit: 1 });
  return head === undefined ? null : await getRun(db, head.id);
}

async function settleClosed(
  lesson: Lesson,
  pull: { number: number; merged: boolean },
  { db }: Pick<Doors, 'db'>,
): Promise<void> {
  await saveProposal(db, lesson, { data: lesson.data, state: lesson.state, pullRequest: pull.number });
  await decideLesson(db, lesson, pull.merged ? 'merged' : 'closed');
}

async function propose(publishing: Publishing, cause: Cause, doors: Doors, signal: AbortSignal): Promise<void> {
  const { lesson, runs } = publishing;
  const read = readerAt(publishing.remote, publishing.base.commit, doors);
  const draft = { id: lesson.id, cause, sentence: lesson.data.sentence, shared: sharedPaths(runs) };
  const byCode = await proposalFor(draft, read);
  // Only a rule has words that a model may better.
  const isRule = byCode?.path === rulesPath;
  const worded = isRule ? await wordRule(publishing, cause, doors, signal) : {};
  const data = { ...lesson.data, ...worded, about: foldersOf(cause.paths) };
  const proposal = isRule ? await proposalFor({ ...draft, sentence: data.sentence }, read) : byCode;
  if (proposal === null || !(await hasPlace(proposal.path, publishing, doors))) return;
  const report = { id: lesson.id, signature: lesson.signature, cause, runs, byModel: isRule && data.sentence !== null };
  const undo = proposal.path === rulesPath ? null : undoOf(await read(proposal.path), proposal.text);
  await open(
    publishing,
    { ...data, path: proposal.path, rule: proposal.rule, undo },
    {
      proposal,
      title: lessonTitle(report),
      body: lessonBody({ ...report, proposal }),
      message: lessonMessage(report, proposal.path),
    },
    doors,
  );
}

async function proposeRemoval(publishing: Publishing, subject: Lesson, doors: Doors): Promise<void> {
  const { lesson, remote, base } = publishing;
  const path = subject.data.path ?? rulesPath;
  const text = await readerAt(remote, base.commit, doors)(path);
  const without = text === null ? null : withoutLesson(text, path, subject);
  // A person has taken it out already, or has made it their own.
  if (without === null)
    return decideLesson(doors.db, lesson, text === null || path === rulesPath ? 'merged' : 'closed');
  const title = removalTitle(subject);
  const proposal = {
    path,
    text: without === 'gone' ? null : without,
    what: 'taking a lesson out',
    rule: subject.data.rule ?? '',
  };
  const body = await removalBody(subject, { db: doors.db, nowMs: doors.clock.nowMs() });
  await open(publishing, lesson.data, { proposal, title, body, message: `${title}\n\nLesson: ${subject.id}\n` }, doors);
}

function withoutLesson(text: string, path: string, { id, data }: Lesson): string | 'gone' | null {
  if (path !== rulesPath) return data.undo === null ? null : undone(text, data.undo);
  const shorter = withoutRule(text, id);
  return shorter === text ? null : shorter;
}

interface Shown {
  /** Without a text, the file goes. */
  proposal: Omit<Proposal, 'text'> & { text: string | null };
  title: string;
  body: string;
  message: string;
}

async function open(publishing: Publishing, data: Lesson['data'], shown: Shown, doors: Doors): Promise<void> {
  const { lesson, github, base } = publishing;
  // Kept before anything is made outside: after a crash the same proposal is made, whatever a model would say now.
  await saveProposal(doors.db, lesson, { data, state: lesson.state, pullRequest: lesson.pullRequest });
  if (!(await push(publishing, shown, doors))) return;
  const pull = await github.upsertPullRequest({
    branch: lessonBranch(lesson.id),
    base: base.branch,
    title: shown.title,
    body: shown.body,
    draft: true,
    ...(lesson.pullRequest === null ? {} : { known: { number: lesson.pullRequest, reopen: false } }),
  });
  await saveProposal(doors.db, lesson, { data, state: 'open', pullRequest: pull.number });
  // A person was quicker.
  if (pull.state === 'closed') await decideLesson(doors.db, lesson, pull.merged ? 'merged' : 'closed');
}

/** Puts the file on the lesson's branch, unless it is there as it should be. False when the branch has no place for it. */
async function push(
  { lesson, remote, base, github }: Publishing,
  { proposal, message }: Shown,
  doors: Doors,
): Promise<boolean> {
  const { git } = doors;
  const { repository } = remote;
  const branch = lessonBranch(lesson.id);
  const identity = await doors.github.identity();
  const tip = await git.remoteHead(remote, branch);
  if (tip !== null) {
    await git.fetch(remote, tip);
    const apart = await git.log(repository, { from: base.commit, to: tip, limit: 100 });
    // A person goes on with it: only the words of the pull request are ours then.
    if (apart.length > 0 && apart.some((entry) => !isOwnAddress(entry.email, identity))) return true;
    const bytes = await git.read(repository, tip, proposal.path);
    const now = bytes === null ? null : Buffer.from(bytes).toString('utf8');
    if (apart.length > 0 && now === proposal.text) return true;
  }
  const parent = tip ?? base.commit;
  const { path, text } = proposal;
  const change =
    text === null
      ? { kind: 'deleted' as const, path }
      : { kind: 'file' as const, path, bytes: Buffer.from(text), mode: 0o644 };
  // The app's own file, not a container's: it may be one of the protected ones.
  const rules = { maxFiles: 1, maxFileBytes: 1024 ** 2, maxTotalBytes: 1024 ** 2, isProtected: () => false };
  const patch = await git.writePatch(repository, base.commit, [change], rules);
  if (!patch.ok || patch.empty) return false;
  const [entry] = await git.log(repository, { to: parent, limit: 1 });
  const { pushed } = await publishCommit(
    {
      remote,
      branch,
      tip,
      base: base.commit,
      tree: patch.tree,
      parents:
        tip === null
          ? [base.commit]
          : [tip, ...((await isOn(repository, tip, base.commit, doors)) ? [] : [base.commit])],
      message,
      author: { name: identity.name, email: identity.email },
      // A moment that hangs on the parent alone: what git makes again after a crash is the same commit.
      timestampS: (entry?.committedAtS ?? 0) + 1,
    },
    { git, github },
  );
  if (pushed.ok) return true;
  if (pushed.reason === 'moved') throw new MillwrightError('outside.git', { message: 'the lesson branch moved' });
  throw new MillwrightError('outside.push-refused', { detail: pushed.message });
}

async function isOn(repository: string, tip: string, commit: string, { git }: Pick<Doors, 'git'>): Promise<boolean> {
  return (await git.log(repository, { from: tip, to: commit, limit: 1 })).length === 0;
}

/** Reads files of the base. */
function readerAt({ repository }: Remote, commit: string, { git }: Pick<Doors, 'git'>): ReadFile {
  return async (path) => {
    const bytes = await git.read(repository, commit, path);
    return bytes === null ? null : Buffer.from(bytes).toString('utf8');
  };
}

/** Whether a plain file may stand at a path: a link or a folder of that name is nothing to write over. */
async function hasPlace(path: string, { remote, base }: Publishing, { git }: Pick<Doors, 'git'>): Promise<boolean> {
  const files = await git.list(remote.repository, base.commit);
  return files.every((entry) => {
    if (entry.path === path) return entry.mode.startsWith('100');
    return !entry.path.startsWith(`${path}/`) && !path.startsWith(`${entry.path}/`);
  });
}

/** Paths that more than one run met it with. */
function sharedPaths(runs: readonly LessonRun[]): string[] {
  const met = new Map<string, Set<string>>();
  for (const { runId, cause } of runs)
    for (const path of cause.paths) met.set(path, (met.get(path) ?? new Set()).add(runId));
  return [...met].flatMap(([path, by]) => (by.size > 1 ? [path] : [])).toSorted();
}

/** `src/list/sum.js` is about everything in `src/list`; a file at the top is about itself. */
function foldersOf(paths: readonly string[]): string[] {
  const globs = paths.map((path) => (path.includes('/') ? `${path.slice(0, path.lastIndexOf('/'))}/**` : path));
  return [...new Set(globs)].filter((glob) => /^[\w./@+-]+(?:\/\*\*)?$/.test(glob)).slice(0, 10);
}
