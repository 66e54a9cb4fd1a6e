import { afterEach, expect, test } from 'vitest';
import { type GateOptions, type GateSite, gateContract, openSite, repo, writes } from './support/gate-site.ts';
import { editBody } from './support/github/state.ts';
import type { Reply } from './support/model-stand-in.ts';
import { scripted } from './support/scripted.ts';
import { until } from './support/until.ts';

let site: GateSite;
afterEach(() => site[Symbol.asyncDispose]());
const open = async (options: GateOptions = {}) => {
  site = await openSite(options);
  return site;
};

test('the whole life of an issue goes on without a single webhook', async () => {
  const { github, reaches, pulls, labels, status, later, reactions } = await open({
    script: scripted([...writes(), ...writes('6\n'), ...writes('7\n')]),
  });
  site.deafen();
  const number = await site.labelled();

  await site.pass();
  await reaches(number, 'agent:review');
  const [pull = 0] = pulls();
  later();
  const comment = await github.comment(repo, number, '/retry six', 'rita');
  await site.pass();
  await until(async () => (await github.fileAt(repo, `millwright/issue-${number}`, 'src/sum.txt')) === '6\n', 30_000);
  await reaches(number, 'agent:review');
  expect(reactions(comment.id)).toEqual(['eyes', '+1']);
  later();
  await github.review(repo, pull, { event: 'REQUEST_CHANGES', body: '/retry seven' }, 'rita');
  await site.pass();
  await until(async () => (await github.fileAt(repo, `millwright/issue-${number}`, 'src/sum.txt')) === '7\n', 30_000);
  await reaches(number, 'agent:review');
  await site.pass();
  later();
  await github.mergePull(repo, pull, 'maya');
  await site.pass();

  await until(() => labels(number).length === 0 && status(number).includes('Merged'));
  expect(github.unhandled()).toEqual([]);
});

test.each(['unlabel', 'close'] as const)(
  'a run whose issue was left unheard (%s) is stopped by who did it',
  async (how) => {
    const { github, labelled, reaches, model, status } = await open({ script: scripted([{ hang: true }]) });
    const number = await labelled();
    await until(() => model.requests().length >= 2);
    site.deafen();

    if (how === 'unlabel') await github.unlabel(repo, number, 'agent-ready', 'rita');
    else await github.closeIssue(repo, number, 'rita');
    await site.pass();

    await reaches(number, 'agent:stopped', 15_000);
    expect(status(number)).toContain('stopped by `rita`');
  },
);

test('a run that /retry took up after the label went goes on although there is no label', async () => {
  const { github, labelled, reaches, later } = await open({ script: scripted([{ hang: true }, ...writes()]) });
  const number = await labelled();
  await until(() => site.model.requests().length >= 2);
  await github.unlabel(repo, number, 'agent-ready', 'maya');
  await reaches(number, 'agent:stopped');
  later();

  await github.comment(repo, number, '/retry after all', 'rita');
  await site.pass();

  await reaches(number, 'agent:review');
});

test('an edit after the label that nobody told of starts nothing, and asks once for the label again', async () => {
  const { github, said, model, labels, reaches, later } = await open();
  site.deafen();
  const number = await site.labelled();
  later();
  await github.editIssue(repo, number, { body: gateContract.replace('says 5', 'says 6') }, 'maya');

  await site.pass();
  await site.pass();
  expect(labels(number)).toEqual([]);
  expect(model.requests()).toEqual([]);
  expect(said(number)).toHaveLength(1);
  expect(said(number)[0]).toContain('Nothing was started');

  later();
  await github.unlabel(repo, number, 'agent-ready', 'maya');
  later();
  await github.label(repo, number, 'agent-ready', 'maya');
  await site.pass();
  await reaches(number, 'agent:review');
  expect(site.status(number)).toContain('says 6');
});

test('an edit of a text that is being worked is found as well', async () => {
  const { github, labelled, reaches, said, later } = await open();
  const number = await labelled();
  await reaches(number, 'agent:review');
  later();
  site.deafen();
  await github.editIssue(repo, number, { body: gateContract.replace('says 5', 'says 6') }, 'maya');

  await site.pass();
  await site.pass();

  expect(said(number).filter((body) => body.includes('The issue was edited'))).toHaveLength(1);
});

test('what both a pass and a delivery tell of happens once', async () => {
  const { github, reaches, pulls, said, status } = await open({ script: scripted([...writes(), ...writes('6\n')]) });
  github.dropWebhooks(true);
  const number = await site.labelled();
  github.dropWebhooks(false);

  // This pass finds the label and asks for the lost deliveries, which come now.
  await site.pass();
  await reaches(number, 'agent:review');
  await site.pass();
  github.advanceClock(5_000);
  github.dropWebhooks(true);
  await github.comment(repo, number, '/retry six', 'rita');
  github.dropWebhooks(false);
  await Promise.all([site.pass(), site.pass()]);
  await until(() => /In review.*attempt 2/s.test(status(number)), 30_000);
  await site.pass();

  expect(status(number)).toContain('attempt 2');
  expect(pulls()).toHaveLength(1);
  expect(said(number)).toHaveLength(1);
});

test('an edited comment found by a pass is no command, nor is one from before the label', async () => {
  const { github, reaches, quiet, reactions } = await open({ script: scripted(writes()) });
  github.fault({ path: /\/app\/hook\/deliveries/, status: 404, times: 1_000 });
  const number = await site.open();
  github.dropWebhooks(true);
  const before = await github.comment(repo, number, '/stop', 'maya');
  github.dropWebhooks(false);
  site.later();
  await github.label(repo, number, 'agent-ready', 'maya');
  await reaches(number, 'agent:review');
  github.dropWebhooks(true);
  const edited = await github.comment(repo, number, 'nothing', 'maya');
  site.later();
  await github.editComment(repo, edited.id, '/stop', 'maya');

  await site.pass();
  await quiet();

  expect(site.labels(number)).toEqual(['agent:review']);
  expect(reactions(edited.id)).toEqual([]);
  expect(reactions(before.id)).not.toContain('+1');
});

test('ten minutes in which no webhook came lose nothing: one pass finds it all, and what GitHub delivers again adds nothing', async () => {
  const { github, reaches, labels, later, pulls, status, said, model } = await open({
    // Whichever run is worked first: write, then hand in.
    script: scripted(
      Array.from({ length: 20 }, (_none, index) => writes(`${Math.floor(index / 2)}\n`)[index % 2] as Reply),
    ),
  });
  const reviewed: number[] = [];
  for (let count = 0; count < 5; count++) {
    reviewed.push(await site.labelled());
    await reaches(reviewed[count] ?? 0, 'agent:review');
  }
  const [retried = 0, stopped = 0, merged = 0, closed = 0, edited = 0] = reviewed;
  const pullOf = (number: number) => pulls()[reviewed.indexOf(number)] ?? 0;
  const waiting = await site.labelled('make it better');
  await reaches(waiting, 'agent:waiting');
  later();
  github.dropWebhooks(true);

  const added = await site.labelled();
  await github.comment(repo, retried, '/retry once more', 'rita');
  await github.comment(repo, stopped, '/stop', 'tom');
  await github.mergePull(repo, pullOf(merged), 'maya');
  await github.closePull(repo, pullOf(closed), 'maya');
  await github.editIssue(repo, edited, { body: gateContract.replace('says 5', 'says 6') }, 'maya');
  await github.unlabel(repo, waiting, 'agent-ready', 'maya');
  const question = await github.comment(repo, edited, '/status', 'otto');
  github.advanceClock(600_000);
  github.dropWebhooks(false);
  await site.pass();

  await reaches(added, 'agent:review');
  // Worked anew; on the base as the merge left it, the same file is in its way.
  await until(() => /attempt 2/.test(status(retried)) && labels(retried).includes('agent:waiting'));
  await reaches(stopped, 'agent:stopped');
  await until(() => labels(merged).length === 0 && labels(closed).length === 0);
  await reaches(waiting, 'agent:stopped');
  expect(said(edited).filter((body) => body.includes('The issue was edited'))).toHaveLength(1);
  expect(site.reactions(question.id)).toEqual(['eyes', '+1']);
  const calls = model.requests().length;
  await site.pass();
  expect(model.requests()).toHaveLength(calls);
  expect(pulls()).toHaveLength(reviewed.length + 1);
  expect(status(retried)).not.toContain('attempt 3');
}, 120_000);

test.each(['heard', 'found by a pass'])(
  'a command on a line of a review that was long in draft counts from when the review is handed in (%s)',
  async (how) => {
    const { github, reaches, pulls, labels, later } = await open({ script: scripted([...writes(), { hang: true }]) });
    const number = await site.labelled();
    await reaches(number, 'agent:review');
    const [pull = 0] = pulls();
    later();
    const calls = site.model.requests().length;
    await github.comment(repo, number, '/retry', 'rita');
    await until(() => site.model.requests().length > calls);
    if (how !== 'heard') site.deafen();
    later();

    const line = { path: 'src/sum.txt', line: 1 };
    const comments = [{ ...line, body: '/stop' }];
    await github.review(repo, pull, { event: 'COMMENT', draftedForMs: 600_000, comments }, 'rita');
    if (how !== 'heard') await site.pass();

    await reaches(number, 'agent:stopped', 15_000);
    expect(labels(number)).toEqual(['agent:stopped']);
  },
);

test('a comment on a line that was edited into a command is none', async () => {
  const { github, reaches, pulls, labels, later } = await open();
  const number = await site.labelled();
  await reaches(number, 'agent:review');
  later();
  site.deafen();
  const line = await github.reviewComment(repo, pulls()[0] ?? 0, { path: 'src/sum.txt', body: 'stop' }, 'rita');
  later();
  editBody(github.state, line, { login: 'rita', viaApp: false }, '/stop');

  await site.pass();

  expect(labels(number)).toEqual(['agent:review']);
});

test('a pass over repositories where nothing happens is two calls for each, and one that fails keeps none from the others', async () => {
  const { github, reaches } = await open();
  await github.createRepository('acme/other', {});
  await github.createRepository('acme/broken', {});
  github.advanceClock(-20_000);
  const number = await site.labelled();
  await reaches(number, 'agent:review');
  github.advanceClock(20_000);
  await site.pass();
  await site.pass();
  github.clearRequests();
  const fault = github.fault({ path: /^\/repos\/acme\/broken\/issues/, status: 500, times: 1_000 });

  await site.pass();

  const paths = github.requests().map(({ path }) => path);
  expect(fault.hits()).toBeGreaterThan(0);
  expect(paths.filter((path) => path.startsWith('/repos/acme/other'))).toHaveLength(2);
  expect(paths.filter((path) => path.startsWith('/repos/acme/small')).length).toBeLessThanOrEqual(6);
});

test('a delivery that keeps failing is asked for again, and not for ever', async () => {
  const { github } = await open();
  github.dropWebhooks(true);
  await site.open();

  for (let times = 0; times < 8; times++) await site.pass();

  const failed = github.deliveries().filter((delivery) => delivery.event === 'issues');
  expect(failed.length).toBeGreaterThan(3);
  expect(failed.length).toBeLessThanOrEqual(6);
});
