import { afterEach, expect, test } from 'vitest';
import { type GateOptions, type GateSite, gateContract, openSite, repo, writes } from './support/gate-site.ts';
import { scripted } from './support/scripted.ts';
import { until } from './support/until.ts';

let site: GateSite;
afterEach(() => site[Symbol.asyncDispose]());
const open = async (options: GateOptions = {}) => {
  site = await openSite(options);
  return site;
};

test('a labeller with the role starts a run on a text by people with the role', async () => {
  const { labelled, reaches, pulls, status } = await open();

  const number = await labelled(gateContract, { author: 'rita' });
  await reaches(number, 'agent:review');

  expect(pulls()).toHaveLength(1);
  expect(status(number)).toMatch(/sha256:[0-9a-f]{64}/);
  expect(site.github.unhandled()).toEqual([]);
});

test.each(['tom', 'otto'])(
  '%s, who lacks the role, starts nothing with the label, and is told once who may',
  async (labeller) => {
    const { labelled, reaches, model, said } = await open();

    const number = await labelled(gateContract, { labeller });
    await reaches(number, 'agent:waiting');

    expect(model.requests()).toEqual([]);
    expect(said(number)).toHaveLength(1);
    expect(said(number)[0]).toMatch(/may not start runs here: the role write is needed/);
    expect(said(number)[0]).not.toContain('not testable');
  },
);

test('someone without the role who puts the label on again leaves an open pull request as it is, and is told once', async () => {
  const { labelled, github, reaches, said, labels, pass, model } = await open();
  const number = await labelled();
  await reaches(number, 'agent:review');
  const asked = model.requests().length;
  site.later();

  await github.unlabel(repo, number, 'agent-ready', 'tom');
  await github.label(repo, number, 'agent-ready', 'tom');
  await until(() => said(number).length === 2);
  await pass();

  expect(said(number)[1]).toMatch(/tom may not start runs here: the role write is needed/);
  expect(said(number)).toHaveLength(2);
  expect(labels(number)).toEqual(['agent:review']);
  expect(model.requests()).toHaveLength(asked);
  await github.unlabel(repo, number, 'agent-ready', 'maya');
  await github.label(repo, number, 'agent-ready', 'maya');
  await until(() => model.requests().length > asked, 30_000);
});

test('an approved text that is labelled again needs no second approval', async () => {
  const { labelled, github, reaches, model, later, status } = await open({
    script: scripted([...writes(), ...writes('8\n')]),
  });
  const number = await labelled(gateContract, { author: 'otto' });
  await reaches(number, 'agent:waiting');
  later();
  await github.comment(repo, number, '/approve', 'maya');
  await reaches(number, 'agent:review');
  const asked = model.requests().length;
  later();

  await github.unlabel(repo, number, 'agent-ready', 'maya');
  await github.label(repo, number, 'agent-ready', 'maya');
  await until(() => model.requests().length > asked, 30_000);
  await reaches(number, 'agent:review');

  expect(status(number)).toContain('In review');
});

test('the labels of an issue form start nothing for whoever opens it', async () => {
  const { github, reaches, model } = await open();

  const { number } = await github.openIssue({
    repo,
    as: 'otto',
    title: 'do it',
    body: gateContract,
    labels: ['agent-ready'],
  });
  await reaches(number, 'agent:waiting');

  expect(model.requests()).toEqual([]);
});

test('a bot starts a run only when roles.bots lists it', async () => {
  const { labelled, reaches, github, status } = await open({
    files: {
      '.github/millwright.yml':
        'files: { allow: ["src/**", "test/**"] }\nchecks: { unit: sh check.sh }\nroles: { bots: [planner] }\n',
    },
  });
  github.addUser('planner', 'none');

  const byPerson = await labelled(gateContract, { labeller: 'planner' });
  await reaches(byPerson, 'agent:waiting');
  const byOther = await labelled(gateContract, { labeller: 'other[bot]' });
  await reaches(byOther, 'agent:waiting');
  const byBot = await labelled(gateContract, { labeller: 'planner[bot]' });
  await reaches(byBot, 'agent:review');

  expect(status(byPerson)).toContain('may not start');
  expect(status(byOther)).toContain('may not start');
});

test('a person who has the bare name of a listed bot gains nothing by editing', async () => {
  const {
    open: openIssue,
    reaches,
    github,
  } = await open({
    files: {
      '.github/millwright.yml':
        'files: { allow: ["src/**", "test/**"] }\nchecks: { unit: sh check.sh }\nroles: { bots: [planner] }\n',
    },
  });
  github.addUser('planner', 'read');
  const number = await openIssue('maya', 'nothing yet');
  await github.editIssue(repo, number, { body: gateContract }, 'planner');

  await github.label(repo, number, 'agent-ready', 'maya');
  await reaches(number, 'agent:waiting');

  expect(site.status(number)).toContain('/approve');
});

test('a text that a listed bot edited needs no approval', async () => {
  const {
    open: openIssue,
    reaches,
    github,
  } = await open({
    files: {
      '.github/millwright.yml':
        'files: { allow: ["src/**", "test/**"] }\nchecks: { unit: sh check.sh }\nroles: { bots: [planner] }\n',
    },
  });
  const number = await openIssue('maya', 'nothing yet');
  await github.editIssue(repo, number, { body: gateContract }, 'planner[bot]');

  await github.label(repo, number, 'agent-ready', 'maya');

  await reaches(number, 'agent:review');
});

test('an outsider’s text is shown and waits for /approve by someone who may start', async () => {
  const { labelled, reaches, github, later, status, reactions, said, model } = await open();
  const number = await labelled(gateContract, { author: 'otto' });
  await reaches(number, 'agent:waiting');
  expect(status(number)).toContain('src/sum.txt says 5');
  await until(() => github.issue(repo, number).assignees.join() === 'maya');

  later();
  const refused = await github.comment(repo, number, '/approve', 'otto');
  await until(() => reactions(refused.id).includes('confused'));
  expect(model.requests()).toEqual([]);
  expect(said(number).filter((body) => body.includes('needs the role'))).toHaveLength(1);

  const { id } = await github.comment(repo, number, '/approve', 'rita');
  await reaches(number, 'agent:review');
  expect(reactions(id)).toEqual(['eyes', '+1']);
});

test('an approval in the very second in which the first text was shown counts', async () => {
  const { labelled, reaches, github, reactions } = await open();
  github.stopClock();
  const number = await labelled(gateContract, { author: 'otto' });
  await reaches(number, 'agent:waiting');

  const { id } = await github.comment(repo, number, '/approve', 'rita');
  await reaches(number, 'agent:review');

  expect(reactions(id)).toEqual(['eyes', '+1']);
});

test('an approval that was written before an edit does not count for the edited text', async () => {
  const { labelled, reaches, github, later, reactions, status, model, quiet } = await open();
  const number = await labelled(gateContract, { author: 'otto' });
  await reaches(number, 'agent:waiting');
  const before = /sha256:[0-9a-f]{64}/.exec(status(number))?.[0];

  later();
  github.stopClock();
  await github.editIssue(repo, number, { body: gateContract.replace('says 5', 'says 6') }, 'otto');
  await quiet();
  await until(() => status(number).includes('says 6') && /Waiting/.test(status(number)));
  const same = await github.comment(repo, number, '/approve', 'rita');
  await until(() => reactions(same.id).includes('confused'));
  expect(model.requests()).toEqual([]);
  expect(/sha256:[0-9a-f]{64}/.exec(status(number))?.[0]).not.toBe(before);

  later();
  await github.comment(repo, number, '/approve', 'rita');
  await reaches(number, 'agent:review');
});

test('an edit whose webhook is lost asks for the approval again', async () => {
  const { labelled, reaches, github, later, reactions, status, model } = await open();
  const number = await labelled(gateContract, { author: 'otto' });
  await reaches(number, 'agent:waiting');
  later();
  github.dropWebhooks(true);
  await github.editIssue(repo, number, { body: gateContract.replace('says 5', 'says 7') }, 'otto');
  github.dropWebhooks(false);

  const { id } = await github.comment(repo, number, '/approve', 'rita');
  await until(() => reactions(id).includes('confused'));

  expect(model.requests()).toEqual([]);
  await until(() => status(number).includes('says 7'));
});

test('a text that was edited by someone who is gone is not trusted for its author', async () => {
  const { open: openIssue, reaches, github, status } = await open();
  const number = await openIssue('maya', 'nothing yet');
  await github.editIssue(repo, number, { body: gateContract }, 'otto');
  github.issue(repo, number).editor = null;

  await github.label(repo, number, 'agent-ready', 'maya');
  await reaches(number, 'agent:waiting');

  expect(status(number)).toContain('/approve');
});

test('the policy may ask for a higher role, and a plan to be approved that no /retry gets around', async () => {
  const { labelled, reaches, github, later, status, reactions, pulls } = await open({
    files: {
      '.github/millwright.yml':
        'files: { allow: ["src/**", "test/**"] }\nchecks: { unit: sh check.sh }\nroles: { start: maintain }\nplan: approve\n',
    },
    script: scripted(writes()),
  });
  const number = await labelled();
  await reaches(number, 'agent:waiting');
  expect(status(number)).toMatch(/Is this plan right/);

  later();
  await github.comment(repo, number, '/retry from build', 'rita');
  await until(() => /attempt 2/.test(status(number)) && /Waiting/.test(status(number)));
  expect(pulls()).toEqual([]);
  later();
  const tooLow = await github.comment(repo, number, '/approve', 'rita');
  await until(() => reactions(tooLow.id).includes('confused'));
  await github.comment(repo, number, '/approve', 'maya');
  await reaches(number, 'agent:review');
});
