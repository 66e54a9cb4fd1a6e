import { afterEach, expect, test } from 'vitest';
import { revisionOf } from '../src/contract/revision.ts';
import { type GateSite, gateContract, openSite, repo } from './support/gate-site.ts';

let site: GateSite;
afterEach(() => site[Symbol.asyncDispose]());

test('a delivery of the label that comes after an edit starts the text that it carries, by those who wrote that', async () => {
  site = await openSite();
  const { github, later, reaches, status, said, pulls } = site;
  const number = await site.open();
  github.dropWebhooks(true);
  later();
  await github.label(repo, number, 'agent-ready', 'maya');
  later();
  await github.editIssue(repo, number, { body: gateContract.replace('says 5', 'says 9') }, 'otto');
  await github.settled();
  github.dropWebhooks(false);
  const lost = github.deliveries().find(({ event, action }) => event === 'issues' && action === 'labeled');

  await github.redeliver(lost?.id ?? 0);
  await reaches(number, 'agent:review');

  expect(status(number)).toContain('says 5');
  expect(status(number)).not.toContain('says 9');
  const revision = revisionOf(gateContract);
  expect(status(number)).toContain(`\`${revision}\``);
  expect(github.issue(repo, pulls()[0] ?? 0).body).toContain(revision);
  // The edit is told of once, when it is found.
  await site.pass();
  await site.pass();
  expect(said(number).filter((body) => /take the label `agent-ready` off and put it on again/.test(body))).toHaveLength(
    1,
  );
});
