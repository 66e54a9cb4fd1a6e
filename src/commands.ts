import { allow, waive } from './command-amendments.ts';
import {
  begin,
  beingStopped,
  type CommandSource,
  type Context,
  done,
  goingOn,
  merged,
  type Result,
  refuse,
} from './command-context.ts';
import { commandRules, roleFor } from './command-rules.ts';
import { type CommandLine, type CommandName, readCommands, readRetry } from './command-text.ts';
import { problemText } from './contract/policy.ts';
import { revisionOf } from './contract/revision.ts';
import { type Doors, repositoryKey } from './doors.ts';
import { isCancelling } from './engine/claim.ts';
import { isDone, once } from './engine/effects.ts';
import { latestRun, type RequestChange, requestCancel, runByPullRequest } from './engine/runs.ts';
import { asMillwrightError } from './errors.ts';
import { gateOf, revisionAt, wasShown } from './gates.ts';
import type { RepositoryRef } from './github/github.ts';
import { startLabel } from './labels.ts';
import { readLayers, wallsWithoutContract } from './policy-source.ts';
import { reply } from './report/reply.ts';
import { openRollback } from './rollback.ts';
import type { Run } from './run.ts';
import { usualStart } from './run-actions.ts';
import { holds } from './stages/intake.ts';
import { pinAgain } from './start-run.ts';
import { showStatus } from './status.ts';
import { statusInput } from './status-input.ts';

/** Applies the commands of one comment, in order, each once. Bots, the app among them, are never heard. */
export async function applyCommands(source: CommandSource, doors: Doors): Promise<void> {
  const lines = source.authorIsBot ? [] : readCommands(source.body);
  if (lines.length === 0) return;
  const github = doors.github.repository(source.ref);
  if (source.author === (await doors.github.identity()).login) return;
  const layers = await readLayers(doors, source.ref);
  const walls = wallsWithoutContract(layers, doors, source.ref);
  const unreadable = layers.problems[0] ? problemText(layers.problems[0]) : null;
  for (const [index, line] of lines.entries()) {
    const cause = `${source.key}:${index}`;
    await once(doors.db, commandsOf(source.ref, doors), cause, async () => {
      // A stop has its effect whatever becomes of the sign that it was seen.
      const seen = acknowledge('eyes', { source, github, doors }).catch(() => {});
      const result = await apply(line, { source, cause, walls, unreadable, github, doors });
      await seen;
      const run = (await runOf(source, doors))?.id;
      doors.log.info({ run, command: line.name, by: source.author, cause, result: result.kind }, 'command handled');
      await answer(result, { line, source, github, doors });
    });
  }
}

/** Puts a reaction on the comment. Where it never can, such as in a locked conversation, the log says so. Errors: those that may be tried again. */
async function acknowledge(
  reaction: 'eyes' | '+1' | 'confused',
  { source, github, doors }: Pick<Context, 'source' | 'github' | 'doors'>,
): Promise<void> {
  if (source.reactTo === null) return;
  try {
    await github.react(source.reactTo, reaction);
  } catch (error) {
    const known = asMillwrightError(error);
    if (known.retry) throw known;
    doors.log.warn({ err: known }, 'a command could not be acknowledged');
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

async function answer(
  result: Result,
  at: { line: CommandLine } & Pick<Context, 'source' | 'github' | 'doors'>,
): Promise<void> {
  const { line, source, github } = at;
  if (result.kind !== 'done') {
    // A refusal explains itself once for each person and command, in one comment that is edited in place.
    const subject = result.kind === 'refused' ? `refused:${source.author}:${line.name}` : line.name;
    const marker = `<!-- millwright:reply:${subject} -->`;
    await github.upsertComment(source.number, marker, `${marker}\n${reply(result.reply)}`);
  }
  await acknowledge(result.kind === 'refused' ? 'confused' : '+1', at);
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
    if (context.unreadable !== null && needs === 'admin')
      return refuse(
        line.name,
        `A policy file cannot be read, and until it is mended only admins are heard: ${context.unreadable}`,
      );
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

async function retry(line: CommandLine, run: Run, { source, github, doors, cause }: Context): Promise<Result> {
  if (run.start.cause === cause) return done;
  const { from, guidance, unknownStage } = readRetry(line.rest);
  if (unknownStage)
    return refuse(
      'retry',
      `There is no stage of that name. Stages: intake, context, plan, build, verify, review, learn.`,
    );
  if (run.state === 'queued' || run.state === 'running')
    return refuse('retry', (await isCancelling(doors.db, run.id)) ? beingStopped : goingOn);
  if (
    run.outcome?.code === 'contract-untestable' &&
    revisionOf((await github.issue(run.issue)).body) !== run.request.revision
  )
    return refuse(
      'retry',
      'The issue was edited since its contract was refused, and a run keeps the text that was labelled. Take the label off and put it on again.',
    );
  if (run.outcome?.code === 'merged') return refuse('retry', merged);
  const start = { from: from ?? usualStart(run), reason: 'retry', by: source.author, guidance } as const;
  return begin(run, { ...start, cause, askedAtMs: source.writtenAtMs }, {}, doors, 'retry');
}

async function stop(line: CommandLine, run: Run, { source, doors }: Context): Promise<Result> {
  // It meant the attempt before.
  if (source.writtenAtMs < (run.start.askedAtMs ?? 0)) return done;
  // What is merged or closed has ended by itself.
  if (run.state === 'done' && run.outcome?.code !== 'review') return done;
  if ((await requestCancel(doors.db, run.id, { by: source.author, reason: line.rest })) === 'stopped')
    await showStatus(run, doors);
  return done;
}

async function approve(_line: CommandLine, run: Run, { source, doors, cause, github }: Context): Promise<Result> {
  const gate = gateOf(run);
  if (gate === null) {
    const already = run.start.reason === 'approve' || run.request.approved.length > 0;
    return already ? done : refuse('approve', 'Nothing waits for an approval.');
  }
  const revision = await revisionAt(gate, run, doors);
  // A reader may be quicker than the note of what was shown: behind a write under way, it is there.
  await showStatus(run, doors);
  if (!(await wasShown(run, revision, source.writtenAtMs, doors)))
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

/** Whether it is merged is asked of GitHub: its webhook may be lost. */
async function rollback(_line: CommandLine, run: Run, { doors }: Context): Promise<Result> {
  const opened = await openRollback(run, doors);
  return opened.ok ? done : refuse('rollback', opened.reason);
}
