import { amended } from './attempt.ts';
import { commandRules, roleFor } from './command-rules.ts';
import { type CommandLine, type CommandName, readCommands, readRetry, readWaive } from './command-text.ts';
import { amendFiles } from './contract/globs.ts';
import { revisionOf } from './contract/revision.ts';
import type { Walls } from './contract/walls.ts';
import { type Doors, repositoryKey } from './doors.ts';
import { isDone, once } from './engine/effects.ts';
import { latestOutput } from './engine/outputs.ts';
import {
  beginAttempt,
  latestRun,
  type RequestChange,
  requestCancel,
  runByPullRequest,
  updateRequest,
} from './engine/runs.ts';
import { gateOf, revisionAt, whenShown } from './gates.ts';
import type { ReactionTarget, RepositoryGitHub, RepositoryRef } from './github/github.ts';
import { startLabel } from './labels.ts';
import { readLayers, wallsWithoutContract } from './policy-source.ts';
import type { ReplyInput } from './report/facts.ts';
import { reply } from './report/reply.ts';
import { openRollback } from './rollback.ts';
import type { AttemptStart, Run } from './run.ts';
import { holds, IntakeResult } from './stages/intake.ts';
import { pinAgain } from './start-run.ts';
import { showStatus } from './status.ts';
import { statusInput } from './status-input.ts';

/** A new comment or review body, from whichever way it reached the app. */
export interface CommandSource {
  ref: RepositoryRef;
  /** Number of the issue or pull request. */
  number: number;
  onPullRequest: boolean;
  author: string;
  authorIsBot: boolean;
  body: string;
  reactTo: ReactionTarget | null;
  /** Such as `comment:ID` or `review:ID`: each command in it takes effect once, however often it is found. */
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
  const walls = wallsWithoutContract(await readLayers(doors, source.ref), doors, source.ref);
  for (const [index, line] of lines.entries()) {
    const cause = `${source.key}:${index}`;
    await once(doors.db, commandsOf(source.ref, doors), cause, async () => {
      if (source.reactTo) await github.react(source.reactTo, 'eyes');
      await answer(await apply(line, { source, cause, walls, github, doors }), { line, source, github });
    });
  }
}

/** Whether every command of a comment has had its effect. */
export async function isApplied(source: Pick<CommandSource, 'ref' | 'body' | 'key'>, doors: Doors): Promise<boolean> {
  const holder = commandsOf(source.ref, doors);
  const done = await Promise.all(
    readCommands(source.body).map((_line, index) => isDone(doors.db, holder, `${source.key}:${index}`)),
  );
  return done.every((one) => one);
}

/** Under what the effects of a repository's commands are kept: a comment counts once, whichever run it finds. */
const commandsOf = (ref: RepositoryRef, { host }: Doors) => `commands:${repositoryKey(host.githubHost, ref)}`;

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
  if (result.kind !== 'done') {
    // A refusal explains itself once for each person and command, in one comment that is edited in place.
    const subject = result.kind === 'refused' ? `refused:${source.author}:${line.name}` : line.name;
    const marker = `<!-- millwright:reply:${subject} -->`;
    await github.upsertComment(source.number, marker, `${marker}\n${reply(result.reply)}`);
  }
  if (source.reactTo) await github.react(source.reactTo, result.kind === 'refused' ? 'confused' : '+1');
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
  help: async (_line, _run, context) => help(context),
};

const help = ({ walls }: Context): Result => ({
  kind: 'answered',
  reply: { kind: 'help', commands: commandRules(walls) },
});

async function apply(line: CommandLine, context: Context): Promise<Result> {
  const needs = roleFor(line.name, context.walls);
  if (needs !== null && !holds(await context.github.roleOf(context.source.author), needs)) {
    return { kind: 'refused', reply: { kind: 'refused', command: `/${line.name}`, needs } };
  }
  const run = await runOf(context.source, context.doors);
  if (run === null) return withoutRun(line, context);
  const isQuestion = line.name === 'status' || line.name === 'help';
  if (!isQuestion && context.source.writtenAtMs < run.request.labelledAtMs)
    return refuse(line.name, 'It was written before the label was put on.');
  return verbs[line.name](line, run, context);
}

/** On an issue or pull request that nothing was started for. */
function withoutRun(line: CommandLine, context: Context): Result {
  if (line.name === 'help') return help(context);
  const reason = `Nothing was started here. The label ${startLabel} on an issue starts a run.`;
  if (line.name !== 'status') return refuse(line.name, reason);
  return { kind: 'answered', reply: { kind: 'impossible', command: '/status', reason } };
}

function refuse(name: CommandName, reason: string): Result {
  return { kind: 'refused', reply: { kind: 'impossible', command: `/${name}`, reason } };
}

async function retry(line: CommandLine, run: Run, { source, doors, cause }: Context): Promise<Result> {
  if (run.start.cause === cause) return done;
  const { from, guidance, unknownStage } = readRetry(line.rest);
  if (unknownStage)
    return refuse(
      'retry',
      `There is no stage of that name. Stages: intake, context, plan, build, verify, review, learn.`,
    );
  if (run.state === 'queued' || run.state === 'running') return refuse('retry', goingOn);
  if (run.outcome?.code === 'merged')
    return refuse('retry', 'The pull request is merged: open a new issue for further work.');
  const start = { from: from ?? defaultStage(run), reason: 'retry', by: source.author, guidance } as const;
  return begin(run, { ...start, cause, askedAtMs: source.writtenAtMs }, {}, doors, 'retry');
}

const goingOn = 'A run is going on: stop it first (/stop).';

/** Work begins again at build, unless what comes before it was not finished or not accepted yet. */
function defaultStage({ stage }: Run): AttemptStart['from'] {
  return stage === 'intake' || stage === 'context' || stage === 'plan' ? stage : 'build';
}

async function begin(
  run: Run,
  start: AttemptStart,
  change: RequestChange,
  doors: Doors,
  name: CommandName,
): Promise<Result> {
  const begun = await beginAttempt(doors.db, run.id, start, change);
  if (!begun) return refuse(name, goingOn);
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
  const gate = gateOf(run);
  if (gate === null) {
    const already = run.start.reason === 'approve' || run.request.approved.length > 0;
    return already ? done : refuse('approve', 'Nothing waits for an approval.');
  }
  const revision = await revisionAt(gate, run, doors);
  const shownAtMs = await whenShown(run, revision, doors);
  // GitHub tells whole seconds: within the same one it cannot be known which was read.
  if (shownAtMs === null || source.writtenAtMs <= shownAtMs)
    return refuse('approve', 'It was written before what is shown now. Read that, then approve it.');
  if (gate === 'intake') {
    const issue = await github.issue(run.issue);
    if (revisionOf(issue.body) !== run.request.revision) {
      await pinAgain(run, issue, { atMs: issue.lastEditedAtMs ?? source.writtenAtMs, cause: `${cause}:edit` }, doors);
      return refuse(
        'approve',
        'The issue was edited since its contract was shown. The new text is shown now: approve that one.',
      );
    }
  }
  const approved = { gate, revision, by: source.author };
  const from = gate === 'intake' ? 'intake' : 'build';
  const start = { from, reason: 'approve', by: source.author, guidance: null, cause } as const;
  const change: RequestChange = (request) => ({ approved: [...request.approved, approved] });
  return begin(run, { ...start, askedAtMs: source.writtenAtMs }, change, doors, 'approve');
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

async function allow(line: CommandLine, run: Run, context: Context): Promise<Result> {
  const glob = line.rest.replace(/^`+|`+$/g, '').trim();
  const contract = await contractOf(run, context.doors);
  const widened = contract ? amendFiles(contract, glob) : null;
  if (!widened) return refuse('allow', 'The contract is not accepted yet: edit the issue and put the label on again.');
  if (!widened.ok) return refuse('allow', widened.message);
  const change: RequestChange = ({ allowed }) => ({
    allowed: [...allowed.filter((entry) => entry.glob !== glob), { glob, by: context.source.author }],
  });
  return amend(run, change, 'allow', context);
}

async function waive(line: CommandLine, run: Run, context: Context): Promise<Result> {
  const asked = readWaive(line.rest);
  if (!asked) return refuse('waive', 'Expected /waive NAME reason, such as /waive lint the rule is being dropped.');
  const names = await waivableNames(run, context);
  if (!names.includes(asked.name))
    return refuse('waive', `${asked.name} cannot be waived. What can: ${names.join(', ')}.`);
  const change: RequestChange = ({ waived }) => ({
    waived: [...waived.filter((entry) => entry.name !== asked.name), { ...asked, by: context.source.author }],
  });
  return amend(run, change, 'waive', context);
}

/** SPEC §5: a check's kind, and the findings that a person may let through. */
async function waivableNames(run: Run, { doors, walls }: Context): Promise<string[]> {
  const accepted = (await latestOutput(doors.db, run.id, 'intake', IntakeResult))?.value.walls ?? walls;
  return ['tests', 'size', 'definitions', 'flaky', ...accepted.checks.map((check) => check.kind.toLowerCase())];
}

/** Ends of an attempt that an amendment may answer, and where the work then goes on, with the same patch. */
const amendable: Record<string, AttemptStart['from']> = {
  'plan-scope': 'plan',
  scope: 'verify',
  size: 'verify',
  tests: 'verify',
  definitions: 'verify',
  flaky: 'verify',
  check: 'verify',
  verification: 'verify',
  'verification-failed': 'verify',
};

/** A run that waits for just this goes on; any other keeps the amendment for its next verdict. */
async function amend(
  run: Run,
  change: RequestChange,
  name: 'allow' | 'waive',
  { source, cause, doors }: Context,
): Promise<Result> {
  if (run.start.cause === cause) return done;
  const from = run.state === 'waiting' || run.state === 'failed' ? amendable[run.outcome?.code ?? ''] : undefined;
  if (from === undefined) {
    await updateRequest(doors.db, run.id, change);
    return done;
  }
  const start = { from, reason: name, by: source.author, guidance: null, cause, askedAtMs: source.writtenAtMs };
  return begin(run, start, change, doors, name);
}

async function rollback(_line: CommandLine, run: Run, { doors }: Context): Promise<Result> {
  if (run.outcome?.code !== 'merged') return refuse('rollback', 'The pull request is not merged; close it instead.');
  const opened = await openRollback(run, doors);
  return opened.ok ? done : refuse('rollback', opened.reason);
}
