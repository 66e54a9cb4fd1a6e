import { amended } from './attempt.ts';
import { commandRules, roleFor } from './command-rules.ts';
import { type CommandLine, type CommandName, readCommands, readRetry, readWaive } from './command-text.ts';
import { amendFiles } from './contract/globs.ts';
import { revisionOf } from './contract/revision.ts';
import type { Walls } from './contract/walls.ts';
import { type Doors, repositoryKey } from './doors.ts';
import { once } from './engine/effects.ts';
import { latestOutput } from './engine/outputs.ts';
import { beginAttempt, latestRun, requestCancel, runByPullRequest, updateRequest } from './engine/runs.ts';
import type { RepositoryGitHub, RepositoryRef } from './github/github.ts';
import { readLayers, wallsWithoutContract } from './policy-source.ts';
import type { ReplyInput } from './report/facts.ts';
import { reply } from './report/reply.ts';
import { openRollback } from './rollback.ts';
import type { AttemptStart, Run, RunRequest } from './run.ts';
import { holds, IntakeResult } from './stages/intake.ts';
import { showStatus, statusInput } from './status.ts';

/** A new comment or review body, from whichever way it reached the app. */
export interface CommandSource {
  ref: RepositoryRef;
  /** Number of the issue or pull request. */
  number: number;
  onPullRequest: boolean;
  author: string;
  authorIsBot: boolean;
  body: string;
  /** Null where the host takes no reaction (review bodies). */
  reactTo: { kind: 'comment' | 'review-comment'; id: number } | null;
  /** `comment:ID` or `review:ID`: each command in it takes effect once, however often it is found. */
  key: string;
  writtenAtMs: number;
}

/** What a command came to: done, refused (with the answer to give), or answered. */
type Result = { kind: 'done' } | { kind: 'refused'; reply: ReplyInput } | { kind: 'answered'; reply: ReplyInput };

const done: Result = { kind: 'done' };

/** Applies the commands of one comment, in order, each once. Bots, the app among them, are never heard. */
export async function applyCommands(source: CommandSource, doors: Doors): Promise<void> {
  const lines = source.authorIsBot ? [] : readCommands(source.body);
  if (lines.length === 0) return;
  const github = doors.github.repository(source.ref);
  if (source.author === (await doors.github.identity()).login) return;
  const run = await runOf(source, doors);
  if (!run) return;
  const walls = wallsWithoutContract(await readLayers(doors, source.ref), doors, source.ref);
  for (const [index, line] of lines.entries()) {
    await once(doors.db, run.id, `command:${source.key}:${index}`, async () => {
      if (source.reactTo) await github.react(source.reactTo, 'eyes');
      const cause = `${source.key}:${index}`;
      await answer(await apply(line, { source, cause, walls, github, doors }), { line, source, github });
    });
  }
}

async function runOf(source: CommandSource, doors: Doors): Promise<Run | null> {
  const key = repositoryKey(doors.host.githubHost, source.ref);
  return source.onPullRequest
    ? runByPullRequest(doors.db, key, source.number)
    : latestRun(doors.db, key, source.number);
}

interface Context {
  source: CommandSource;
  /** Which command of which comment: an attempt that it began already is not begun again. */
  cause: string;
  walls: Walls;
  github: RepositoryGitHub;
  doors: Doors;
}

async function answer(
  result: Result,
  at: { line: CommandLine; source: CommandSource; github: RepositoryGitHub },
): Promise<void> {
  const { line, source, github } = at;
  if (source.reactTo) await github.react(source.reactTo, result.kind === 'refused' ? 'confused' : '+1');
  if (result.kind === 'done') return;
  // A refusal explains itself once for each person and command, in one comment that is edited in place.
  const subject = result.kind === 'refused' ? `refused:${source.author}:${line.name}` : line.name;
  const marker = `<!-- millwright:reply:${subject} -->`;
  await github.upsertComment(source.number, marker, `${marker}\n${reply(result.reply)}`);
}

const verbs: Record<CommandName, (line: CommandLine, run: Run, context: Context) => Promise<Result>> = {
  retry,
  stop,
  approve,
  allow,
  waive,
  rollback,
  status: async (_line, run, { doors }) => ({
    kind: 'answered',
    reply: { kind: 'status', status: await statusInput(run, doors) },
  }),
  help: async (_line, _run, { walls }) => ({
    kind: 'answered',
    reply: { kind: 'help', commands: commandRules(walls) },
  }),
};

async function apply(line: CommandLine, context: Context): Promise<Result> {
  const run = await runOf(context.source, context.doors);
  if (!run) return done;
  const needs = roleFor(line.name, context.walls);
  if (needs !== null && !holds(await context.github.roleOf(context.source.author), needs)) {
    return { kind: 'refused', reply: { kind: 'refused', command: `/${line.name}`, needs } };
  }
  return verbs[line.name](line, run, context);
}

function refuse(name: CommandName, reason: string): Result {
  return { kind: 'refused', reply: { kind: 'impossible', command: `/${name}`, reason } };
}

async function retry(line: CommandLine, run: Run, { source, doors, cause }: Context): Promise<Result> {
  const { from, guidance, unknownStage } = readRetry(line.rest);
  if (unknownStage)
    return refuse(
      'retry',
      `There is no stage of that name. Stages: intake, context, plan, build, verify, review, learn.`,
    );
  if (run.state === 'queued' || run.state === 'running')
    return refuse('retry', 'A run is going on: stop it first (`/stop`).');
  if (run.outcome?.code === 'merged')
    return refuse('retry', 'The pull request is merged: open a new issue for further work.');
  return begin(
    run,
    { from: from ?? defaultStage(run), reason: 'retry', by: source.author, guidance, cause },
    {},
    doors,
    'retry',
  );
}

/** Work begins again at build, unless the contract itself was not accepted yet. */
function defaultStage(run: Run): AttemptStart['from'] {
  return run.stage === 'intake' ? 'intake' : 'build';
}

async function begin(
  run: Run,
  start: AttemptStart,
  change: Partial<RunRequest>,
  doors: Doors,
  name: CommandName,
): Promise<Result> {
  if (start.cause && run.start.cause === start.cause) return done;
  const begun = await beginAttempt(doors.db, run.id, start, change);
  if (!begun) return refuse(name, 'A run is going on: stop it first (`/stop`).');
  await showStatus(begun, doors);
  return done;
}

async function stop(line: CommandLine, run: Run, { source, doors }: Context): Promise<Result> {
  // What is merged or closed has ended by itself.
  if (run.state === 'done' && run.outcome?.code !== 'review') return done;
  const result = await requestCancel(doors.db, run.id, { by: source.author, reason: line.rest });
  if (result === 'stopped') await showStatus(run, doors);
  return done;
}

async function approve(_line: CommandLine, run: Run, { source, doors, cause, github }: Context): Promise<Result> {
  const gate =
    run.outcome?.code === 'approval-needed' ? 'intake' : run.outcome?.code === 'plan-approval' ? 'plan' : null;
  if (run.state !== 'waiting' || gate === null) {
    const already = run.request.approved.some((approval) => approval.revision === run.request.revision);
    return already ? done : refuse('approve', 'Nothing waits for an approval.');
  }
  if (source.writtenAtMs < run.request.labelledAtMs) {
    return refuse('approve', 'It was written before the revision that is shown now: approve again.');
  }
  if (gate === 'intake') {
    const issue = await github.issue(run.issue);
    if (revisionOf(issue.body) !== run.request.revision) {
      await pinAgain(run, issue, doors);
      return refuse(
        'approve',
        'The issue was edited since its contract was shown. The new text is shown now: approve that one.',
      );
    }
  }
  const approved = [...run.request.approved, { gate, revision: run.request.revision, by: source.author } as const];
  const from = gate === 'intake' ? 'intake' : 'build';
  return begin(
    run,
    { from, reason: 'approve', by: source.author, guidance: null, cause },
    { approved },
    doors,
    'approve',
  );
}

/** While a run waits for `/approve` of its text, an edit makes a new revision that is shown and asked about again. */
export async function pinAgain(
  run: Run,
  issue: { title: string; body: string; editor: string | null },
  doors: Doors,
): Promise<void> {
  const change = {
    title: issue.title,
    body: issue.body,
    editor: issue.editor,
    revision: revisionOf(issue.body),
    labelledAtMs: doors.clock.nowMs(),
  };
  const start = { from: 'intake', reason: 'label', by: run.request.labeller, guidance: null } as const;
  const begun = await beginAttempt(doors.db, run.id, start, change);
  if (begun) await showStatus(begun, doors);
}

async function contractOf(run: Run, { db }: Doors) {
  const accepted = (await latestOutput(db, run.id, 'intake', IntakeResult))?.value;
  return accepted?.contract && accepted.walls
    ? amended(
        { contract: accepted.contract, walls: accepted.walls },
        run.request.allowed.map((entry) => entry.glob),
      ).contract
    : null;
}

async function allow(line: CommandLine, run: Run, { source, doors, cause }: Context): Promise<Result> {
  const glob = line.rest.replace(/^`+|`+$/g, '').trim();
  const contract = await contractOf(run, doors);
  const widened = contract ? amendFiles(contract, glob) : null;
  if (!widened) return refuse('allow', 'The contract is not accepted yet: edit the issue and put the label on again.');
  if (!widened.ok) return refuse('allow', widened.message);
  if (run.request.allowed.some((entry) => entry.glob === glob) && run.state !== 'waiting') return done;
  const allowed = [...run.request.allowed, { glob, by: source.author }];
  return amend(
    run,
    { allowed },
    { from: 'verify', reason: 'allow', by: source.author, guidance: null, cause },
    doors,
    'allow',
  );
}

async function waive(line: CommandLine, run: Run, { source, doors, cause }: Context): Promise<Result> {
  const asked = readWaive(line.rest);
  if (!asked) return refuse('waive', 'Expected `/waive NAME reason`, such as `/waive lint the rule is being dropped`.');
  const waived = [...run.request.waived.filter((entry) => entry.name !== asked.name), { ...asked, by: source.author }];
  return amend(
    run,
    { waived },
    { from: 'verify', reason: 'waive', by: source.author, guidance: null, cause },
    doors,
    'waive',
  );
}

/** A waiting or failed run goes on at verification with the same patch; any other keeps the amendment for its next verdict. */
async function amend(
  run: Run,
  change: Partial<RunRequest>,
  start: AttemptStart,
  doors: Doors,
  name: CommandName,
): Promise<Result> {
  if (run.state === 'waiting' || run.state === 'failed') {
    const from = run.stage === 'intake' ? 'intake' : start.from;
    return begin(run, { ...start, from }, change, doors, name);
  }
  await updateRequest(doors.db, run.id, change);
  return done;
}

async function rollback(_line: CommandLine, run: Run, { doors }: Context): Promise<Result> {
  if (run.outcome?.code !== 'merged') return refuse('rollback', 'The pull request is not merged; close it instead.');
  const opened = await openRollback(run, doors);
  return opened.ok ? done : refuse('rollback', opened.reason);
}
