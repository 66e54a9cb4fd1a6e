import { applyCommands } from '../commands.ts';
import { defaultRetention } from '../contract/defaults.ts';
import { type Doors, repositoryKey } from '../doors.ts';
import { append, eventsOf } from '../engine/ledger.ts';
import { beginAttempt, enqueueRun, getRun, latestRun, requestCancel } from '../engine/runs.ts';
import { MillwrightError } from '../errors.ts';
import { type Run, RunRequest } from '../run.ts';
import { startWorker } from '../worker.ts';
import { exitCodeOf, printEnd } from './local-end.ts';
import { type LocalJob, openJobDoors, readLocalJob } from './local-job.ts';
import { Progress } from './progress.ts';
import { CallError, processTerminal, shown, type Terminal } from './terminal.ts';

/** Kind of the event that names the repository's folder, so that a replay finds it again. */
export const localKind = 'local.repository';

export interface RunOptions {
  repo: string;
  contract: string;
  answer?: string;
  json?: boolean;
}

/** Longest that the end after Ctrl-C may take before the process ends all the same. */
const stopWithinMs = 9_000;
const lookEveryMs = 500;

/** Carries the contract to its end or to a question. The exit code: see docs/cli.md. */
export async function runLocally(options: RunOptions, terminal: Terminal = processTerminal): Promise<number> {
  const job = await readLocalJob(options);
  let replied: string | null = null;
  const doors = await openJobDoors(job, (marker, body) => {
    if (marker.includes('millwright:reply')) replied = body;
  });
  const progress = new Progress(terminal, doors.clock.nowMs());
  try {
    await needEngine(doors);
    const run = await begin(job, options.answer ?? null, doors);
    if (run === null) throw new CallError(shown(replied ?? 'The answer changed nothing.').replace(/^<!--.*-->\n/, ''));
    await append(doors.db, { runId: run.id, kind: localKind, data: { dir: job.repository.dir } });
    progress.say(
      `Run ${run.id} on ${job.repository.branch} at ${job.repository.commit.slice(0, 12)} of ${job.repository.dir}`,
    );
    progress.say('Only what is committed counts. Ctrl-C ends the run.');
    const { ended, signal } = await carryHere(run, job, doors, progress);
    progress.end();
    await printEnd({ run: ended, job, doors, terminal, json: options.json === true });
    return signal ?? exitCodeOf(ended);
  } finally {
    progress.end();
    await doors.db.close();
  }
}

async function needEngine(doors: Doors): Promise<void> {
  const { available, reason } = await doors.sandbox.status();
  if (available) return;
  throw new MillwrightError('outside.no-engine', { message: `No sandbox engine: ${reason ?? 'it does not answer'}.` });
}

/** A run under way is taken up again; one that waits is answered or begun anew; else there is a new one. Null when the answer was refused. */
async function begin(job: LocalJob, answer: string | null, doors: Doors): Promise<Run | null> {
  const repository = repositoryKey(doors.host.githubHost, job.ref);
  const latest = await latestRun(doors.db, repository, 0);
  if (answer !== null) return latest === null ? nothingToAnswer() : answerRun(latest, answer, job, doors);
  if (latest?.state === 'queued' || latest?.state === 'running') return latest;
  const { title, body, revision, login } = job;
  const atMs = doors.clock.nowMs();
  const people = { labeller: login, author: login, editor: null, labelledAtMs: atMs };
  const request = RunRequest.parse({ title, body, revision, ...people });
  const start = { from: 'intake', reason: 'label', by: login, guidance: null } as const;
  if (latest?.state === 'waiting') return beginAttempt(doors.db, latest.id, start, request);
  const { run } = await enqueueRun(doors.db, {
    repository,
    ...job.ref,
    issue: 0,
    request,
    start,
    branch: job.branch,
    // What an earlier run left on the branch is known as ours.
    headSha: latest?.headSha ?? null,
    pullRequest: latest?.pullRequest ?? null,
  });
  return run;
}

function nothingToAnswer(): never {
  throw new CallError('--answer: this contract has no run in this repository yet; leave it out.');
}

/** As a comment on the issue would: a command, or guidance for `/retry`. */
async function answerRun(latest: Run, text: string, job: LocalJob, doors: Doors): Promise<Run | null> {
  if (latest.state === 'queued' || latest.state === 'running')
    throw new CallError('--answer: the run is going on and asks nothing; leave it out to take it up.');
  const source = {
    ref: job.ref,
    number: 0,
    onPullRequest: false,
    author: job.login,
    authorIsBot: false,
    reactTo: null,
  };
  const atMs = doors.clock.nowMs();
  const body = text.trimStart().startsWith('/') ? text.trimStart() : `/retry ${text}`;
  await applyCommands({ ...source, body, key: `answer:${atMs}`, writtenAtMs: atMs }, doors);
  const begun = await getRun(doors.db, latest.id);
  return begun !== null && begun.attempt > latest.attempt ? begun : null;
}

/** Works on the run in this process until it ends or waits; Ctrl-C ends it. `signal`: the exit code of an end by signal. */
async function carryHere(
  run: Run,
  job: LocalJob,
  doors: Doors,
  progress: Progress,
): Promise<{ ended: Run; signal: number | null }> {
  let signal: number | null = null;
  const stop = (code: number) => () => {
    if (signal !== null) process.exit(code);
    signal = code;
    progress.say('Stopping: the containers are removed.');
    setTimeout(() => process.exit(code), stopWithinMs).unref();
    requestCancel(doors.db, run.id, { by: job.login, reason: null }).catch(() => process.exit(code));
  };
  const onInterrupt = stop(130);
  const onTerminate = stop(143);
  process.on('SIGINT', onInterrupt).on('SIGTERM', onTerminate);
  // What a killed process left: its own run's containers go when that run is taken up again.
  await doors.sandbox.reap({ expiredAtMs: doors.clock.nowMs() });
  const worker = startWorker({ id: `local-${process.pid}`, runs: true }, doors);
  try {
    return { ended: await follow(run, doors, progress), signal };
  } finally {
    await worker.stop();
    await doors.sandbox.evict(doors.host.operatorPolicy?.retention?.size ?? defaultRetention.bytes);
    process.off('SIGINT', onInterrupt).off('SIGTERM', onTerminate);
  }
}

/** Tells what happens until nobody works on the run any more. */
async function follow(run: Run, doors: Doors, progress: Progress): Promise<Run> {
  const before = await eventsOf(doors.db, run.id, { limit: 1_000_000 });
  let lastId = before.findLast((event) => event.attempt < run.attempt)?.id ?? 0;
  let ring = () => {};
  const stopListening = doors.db.onWake('events', () => ring());
  try {
    for (;;) {
      const nap = new AbortController();
      ring = () => nap.abort();
      for (const event of await eventsOf(doors.db, run.id, { afterId: lastId })) {
        lastId = event.id;
        progress.tell(event);
      }
      progress.refresh();
      const now = await getRun(doors.db, run.id);
      if (now === null) throw new MillwrightError('bug.unexpected', { message: `the run ${run.id} is gone` });
      if (now.state !== 'queued' && now.state !== 'running') return now;
      await doors.clock.sleep(lookEveryMs, nap.signal).catch(() => {});
    }
  } finally {
    stopListening();
  }
}
