import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { claimRun } from '../src/engine/claim.ts';
import { endRun, latestRun, listRuns } from '../src/engine/runs.ts';
import type { Run } from '../src/run.ts';
import { type GateSite, gateContract, openSite, people, repo } from './support/gate-site.ts';
import { until } from './support/until.ts';

/** One service for all: without an engine every run stays where it is put. */
let site: GateSite;
beforeAll(async () => {
  site = await openSite({ users: { ...people, mona: 'maintain' } });
  site.engine.now = { available: false, reason: 'gone' };
});
afterAll(() => site[Symbol.asyncDispose]());

const latest = async (number: number): Promise<Run> => {
  const run = await latestRun(site.factory.doors.db, `${site.factory.doors.host.githubHost}/acme/small`, number);
  if (run === null) throw new Error(`#${number} has no run`);
  return run;
};
const outcome = (code: string) => ({ code, text: `It is ${code}.`, question: null, detail: null });

/** Ways into each state that a command can meet, from the queue. */
const states: Record<string, (run: Run) => Promise<unknown>> = {
  queued: async () => {},
  running: async () => {
    const { db } = site.factory.doors;
    await db.run('UPDATE runs SET limit_repository = 1000, limit_organization = 1000');
    while ((await claimRun(db, { id: 'nobody', capacity: 1_000 }, { leaseMs: 3_600_000 })) !== null);
  },
  waiting: (run) => endRun(site.factory.doors.db, run.id, 'waiting', outcome('question')),
  'in review': (run) => closing(run, 'review'),
  failed: (run) => endRun(site.factory.doors.db, run.id, 'failed', outcome('limit')),
  stopped: (run) => endRun(site.factory.doors.db, run.id, 'stopped', outcome('stopped')),
  merged: (run) => closing(run, 'merged'),
  closed: (run) => closing(run, 'closed'),
};
async function closing({ id }: Run, code: string): Promise<void> {
  const { db } = site.factory.doors;
  await endRun(db, id, 'waiting', outcome('question'));
  await endRun(db, id, 'done', outcome(code));
}

/** What each command comes to when two people give it at once: the reactions, and the state afterwards ('' for the same). */
const table: Record<string, Record<string, [reactions: string, after: string]>> = {
  queued: { '/retry': ['no no', 'queued'], '/stop': ['yes yes', 'stopped'] },
  running: { '/retry': ['no no', 'running'], '/stop': ['yes yes', 'running'] },
  waiting: { '/retry': ['no yes', 'queued'], '/stop': ['yes yes', 'stopped'] },
  'in review': { '/retry': ['no yes', 'queued'], '/stop': ['yes yes', 'stopped'] },
  failed: { '/retry': ['no yes', 'queued'], '/stop': ['yes yes', 'failed'] },
  stopped: { '/retry': ['no yes', 'queued'], '/stop': ['yes yes', 'stopped'] },
  merged: { '/retry': ['no no', 'done'], '/stop': ['yes yes', 'done'], '/waive tests it is known': ['no no', 'done'] },
  closed: { '/retry': ['no yes', 'queued'], '/stop': ['yes yes', 'done'] },
};
const others: (typeof table)[string] = {
  '/approve': ['no no', ''],
  '/allow src/**': ['no no', ''],
  '/waive tests it is known': ['yes yes', ''],
  '/rollback': ['no no', ''],
  '/status': ['yes yes', ''],
  '/help': ['yes yes', ''],
};

describe.each(Object.keys(states))('a command on a run that is %s', (state) => {
  test.each(Object.entries({ ...others, ...table[state] }))(
    '%s given by two people at once has one effect, and each is answered',
    async (command, [reactions, after]) => {
      const { github, later } = site;
      const number = await site.labelled();
      await until(async () => (await latest(number).catch(() => null)) !== null);
      await states[state]?.(await latest(number));
      const before = await latest(number);
      later();

      const given = await Promise.all(['maya', 'mona'].map((login) => github.comment(repo, number, command, login)));
      await until(() => given.every(({ id }) => site.reactions(id).length === 2), 20_000);

      const now = await latest(number);
      const signs = given.map(({ id }) => (site.reactions(id)[1] === '+1' ? 'yes' : 'no'));
      expect(signs.sort().join(' ')).toBe(reactions);
      expect(now.state).toBe(after === '' ? before.state : after);
      expect(now.attempt - before.attempt).toBe(after === 'queued' && state !== 'queued' ? 1 : 0);
      const isWaived = command.startsWith('/waive') && reactions === 'yes yes';
      expect(now.request.waived.map(({ by }) => by)).toEqual(isWaived ? ['maya'] : []);
      expect(await listRuns(site.factory.doors.db, { repository: now.repository, issue: number })).toHaveLength(1);
      // The status comment, and an answer: to each of those who were refused.
      expect(site.said(number).length).toBeLessThanOrEqual(1 + (reactions === 'no no' ? 2 : 1));
    },
  );
});

test('/retry below /stop in one comment is told that the run is being stopped', async () => {
  const { github, said } = site;
  const number = await site.labelled();
  await until(async () => (await latest(number).catch(() => null)) !== null);
  await states.running?.(await latest(number));
  site.later();

  const { id } = await github.comment(repo, number, '/stop\n/retry now', 'maya');
  await until(() => site.reactions(id).includes('confused'), 20_000);

  expect(said(number).join('\n')).toMatch(/is being stopped.*agent:stopped/);
  expect(said(number).join('\n')).not.toContain('stop it first');
});

test('/retry on a refused contract whose issue was mended since asks for the label', async () => {
  const { github, said } = site;
  const number = await site.labelled('## Goal\n\nSlugs');
  await until(async () => (await latest(number).catch(() => null)) !== null);
  await endRun(site.factory.doors.db, (await latest(number)).id, 'waiting', outcome('contract-untestable'));
  site.later();

  const before = await github.comment(repo, number, '/retry', 'maya');
  await until(() => site.reactions(before.id).join() === 'eyes,+1', 20_000);
  await endRun(site.factory.doors.db, (await latest(number)).id, 'waiting', outcome('contract-untestable'));
  await github.editIssue(repo, number, { body: gateContract }, 'maya');
  site.later();
  const after = await github.comment(repo, number, '/retry', 'maya');
  await until(() => site.reactions(after.id).join() === 'eyes,confused', 20_000);

  expect(said(number).join('\n')).toMatch(/edited since.*take the label/i);
  expect(await latest(number)).toMatchObject({ state: 'waiting', attempt: 2 });
});

describe('a command by someone without its role', () => {
  test.each(['/retry', '/stop', '/approve', '/allow src/**', '/waive unit it is slow', '/rollback'])(
    '%s has no effect, and is explained once',
    async (command) => {
      const { github, said } = site;
      const number = await site.labelled();
      await until(async () => (await latest(number).catch(() => null)) !== null);
      const before = await latest(number);

      const given = [
        await github.comment(repo, number, command, 'otto'),
        await github.comment(repo, number, command, 'otto'),
      ];
      await until(() => given.every(({ id }) => site.reactions(id).join() === 'eyes,confused'), 20_000);

      expect(await latest(number)).toMatchObject({ state: before.state, attempt: 1, request: before.request });
      expect(said(number).filter((body) => body.includes('needs the role'))).toHaveLength(1);
    },
  );
});
