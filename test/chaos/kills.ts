import { until } from '../support/until.ts';
import { opensSecondRound, textOf } from './model.ts';
import type { Service } from './service.ts';
import { type ChaosSite, openChaosSite, type Store } from './site.ts';

/** What a scenario saw. */
export interface Seen {
  kills: number;
  /** What does not hold afterwards; empty when all is well. */
  violations: string[];
  /** A measured wait worth telling, in milliseconds. */
  measured?: { what: string; ms: number };
}

/** Where a run enters a stage, in the order of a life with two rounds. */
export const boundaries = [
  { stage: 'intake', round: null },
  { stage: 'context', round: null },
  { stage: 'plan', round: null },
  { stage: 'build', round: 1 },
  { stage: 'verify', round: 1 },
  { stage: 'build', round: 2 },
  { stage: 'verify', round: 2 },
  { stage: 'review', round: null },
  { stage: 'learn', round: null },
] as const;

/** kill -9 at each boundary of one run, as soon as its log names it. */
export async function killAtEachBoundary(store: Store): Promise<Seen> {
  await using site = await openChaosSite({ store });
  let service = await site.serve();
  const first = service.enters(boundaries[0]);
  const issue = await site.labelled();
  for (const boundary of boundaries) {
    await (boundary === boundaries[0] ? first : service.enters(boundary));
    await service.kill();
    service = await site.serve();
  }
  const violations = await site.settled([issue]);
  if (!site.model.requests().some(opensSecondRound)) violations.push('no fresh conversation began the second round');
  if (!readLastPatch(site)) violations.push('the second round did not find the patch of the first in its container');
  return { kills: boundaries.length, violations };
}

/** Whether the second round was shown what the first had written, by the container that it works in. */
function readLastPatch({ model }: ChaosSite): boolean {
  return model
    .requests()
    .flatMap(({ messages }) => messages)
    .some((message) => message.role === 'tool' && /(^|\s)6(\s|$)/.test(textOf(message)));
}

/** kill -9 at random moments of two issues' lives, so many times. */
export async function killAtRandom(store: Store, kills: number, random: () => number): Promise<Seen> {
  await using site = await openChaosSite({ store });
  let service = await site.serve();
  const issues = [await site.labelled(), await site.labelled()];
  for (let kill = 1; kill <= kills; kill++) {
    await new Promise((resolve) => setTimeout(resolve, 200 + random() * 3_000));
    await service.kill();
    service = await site.serve();
  }
  return { kills, violations: await site.settled(issues) };
}

/** Two workers on one database; whichever carries the run is killed, and the other takes it over. */
export async function killOneOfTwo(random: () => number): Promise<Seen> {
  await using site = await openChaosSite({ store: 'PostgreSQL' });
  const [, ...workers] = [await site.serve('--no-worker'), await site.work(), await site.work()];
  const boundary = boundaries[3 + Math.floor(random() * 4)] ?? boundaries[3];
  const reached = Promise.race(workers.map((worker) => worker.enters(boundary).then(() => worker)));
  const issue = await site.labelled();
  const carrying = await reached;
  const killedAtMs = performance.now();
  await carrying.kill();
  const other = workers.find((worker) => worker !== carrying) as Service;
  await until(() => other.entered.length > 0, 60_000);
  const ms = performance.now() - killedAtMs;
  return { kills: 1, violations: await site.settled([issue]), measured: { what: 'takeover', ms } };
}

/** SIGSTOP beyond the lease, then SIGCONT when another worker has the run: the stale one writes nothing. */
export async function stopBeyondLease(random: () => number): Promise<Seen> {
  await using site = await openChaosSite({ store: 'PostgreSQL' });
  const [, ...workers] = [await site.serve('--no-worker'), await site.work(), await site.work()];
  const boundary = boundaries[3 + Math.floor(random() * 5)] ?? boundaries[3];
  const reached = Promise.race(workers.map((worker) => worker.enters(boundary).then(() => worker)));
  const issue = await site.labelled();
  const stale = await reached;
  stale.signal('SIGSTOP');
  const other = workers.find((worker) => worker !== stale) as Service;
  await until(() => other.entered.length > 0, 60_000);
  const seenBefore = stale.entered.length;
  stale.signal('SIGCONT');
  const violations = await site.settled([issue]);
  if (stale.entered.length > seenBefore) violations.push('the stale worker went on');
  const [{ owners } = { owners: 0 }] = await site
    .db()
    .all<{ owners: number }>(
      `SELECT COUNT(*) AS owners FROM events WHERE kind = 'run.state' AND data LIKE '%"state":"done"%'`,
    );
  if (owners !== 1) violations.push(`the run ended ${owners} times`);
  return { kills: 0, violations };
}

/** SIGTERM at each boundary, and the next process goes on: what a deploy does. Measures the longest exit. */
export async function deployAtEachBoundary(store: Store): Promise<Seen> {
  await using site = await openChaosSite({ store });
  let service = await site.serve();
  const first = service.enters(boundaries[0]);
  const issue = await site.labelled();
  let longestMs = 0;
  const violations: string[] = [];
  for (const boundary of boundaries) {
    await (boundary === boundaries[0] ? first : service.enters(boundary));
    const ms = await service.stop();
    longestMs = Math.max(longestMs, ms);
    if (ms > 10_000) violations.push(`the exit in ${boundary.stage} took ${Math.round(ms)} ms`);
    const left = await site.containers();
    if (left.length > 0) violations.push(`the exit in ${boundary.stage} left ${left}`);
    const run = await site.run(issue);
    if (run?.failures !== 0) violations.push(`the exit in ${boundary.stage} counted as a failure`);
    service = await site.serve();
  }
  violations.push(...(await site.settled([issue])));
  return { kills: 0, violations, measured: { what: 'longest exit', ms: longestMs } };
}
