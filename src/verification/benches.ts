import type { WallCheck } from '../contract/walls.ts';
import type { Overlay, Sandbox } from '../sandbox/sandbox.ts';
import { baselineAgeMs, baselineKey, isLasting } from './baseline.ts';
import { type Execution, execute, type Job } from './execute.ts';
import type { VerifyDoors, VerifyEvent, VerifyRequest } from './verify-request.ts';

/** The trees on which verification runs commands, each execution in a container of its own that nothing ran in before. */
export interface Benches {
  head(job: Job): Promise<Execution>;
  base(job: Job, turn: 'first' | 'again'): Promise<Execution>;
  /** Base with a part of the patch. */
  partial(job: Job, part: Part): Promise<Execution>;
  /** What the egress wall refused, over all of the head's executions. */
  blocked: Execution['blocked'];
}

/** `tests`: base with only the test files of the patch. `source`: base with everything but them. */
export interface Part {
  name: 'tests' | 'source';
  overlay: Overlay;
}

export function createBenches(
  request: Pick<VerifyRequest, 'repository' | 'base' | 'walls'>,
  doors: Pick<VerifyDoors, 'openHead' | 'openBase' | 'openWith' | 'baseImage' | 'baseCache' | 'mask' | 'record'>,
  signal: AbortSignal,
): Benches {
  const blocked: Execution['blocked'] = [];
  const tools = { mask: doors.mask, signal };
  const run = async (on: VerifyEvent['on'], open: () => Promise<Sandbox>, job: Job) => {
    await doors.record({ on, command: job.command, state: 'started', end: null, exitCode: null, durationMs: null });
    const execution = await execute(open, job, tools);
    const { end, exitCode, durationMs } = execution.record;
    await doors.record({ on, command: job.command, state: 'ended', end, exitCode, durationMs });
    return execution;
  };
  return {
    blocked,
    async head(job) {
      const execution = await run('head', doors.openHead, job);
      for (const attempt of execution.blocked) note(blocked, attempt);
      return execution;
    },
    async base(job, turn) {
      const { repository, base, walls } = request;
      const key = baselineKey({ repository, base, image: await doors.baseImage() }, walls, job, turn);
      const kept = await doors.baseCache.get(key, baselineAgeMs(walls));
      if (kept !== null) return kept;
      const execution = await run('base', doors.openBase, job);
      if (isLasting(execution)) await doors.baseCache.put(key, execution);
      return execution;
    },
    partial: (job, part) =>
      run(part.name === 'tests' ? 'base+tests' : 'base+source', () => doors.openWith(part.overlay), job),
  };
}

export function jobOf(check: WallCheck, first: Job['first'] = []): Job {
  return { command: check.command ?? 'true', timeoutMs: check.timeoutMs, report: check.report, first };
}

function note(all: Execution['blocked'], attempt: Execution['blocked'][number]): void {
  const same = all.find(
    ({ host, port, command }) => host === attempt.host && port === attempt.port && command === attempt.command,
  );
  if (same === undefined) all.push({ ...attempt });
  else same.count += attempt.count;
}
