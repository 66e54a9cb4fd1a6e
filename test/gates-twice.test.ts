import { afterEach, expect, test } from 'vitest';
import { type GateOptions, type GateSite, gateContract, openSite, repo, writes } from './support/gate-site.ts';
import { call, scripted, submit } from './support/scripted.ts';
import { until } from './support/until.ts';

let site: GateSite;
afterEach(() => site[Symbol.asyncDispose]());
const open = async (options: GateOptions = {}) => {
  site = await openSite(options);
  return site;
};
/** Gives a command as several people at once and waits until each of them is answered; the answers in the same order. */
async function given(number: number, body: string, logins: readonly string[]): Promise<string[]> {
  site.later();
  const comments = await Promise.all(logins.map((login) => site.github.comment(repo, number, body, login)));
  await until(() => comments.every(({ id }) => site.reactions(id).length === 2), 30_000);
  return comments.map(({ id }) => site.reactions(id).join());
}
const policy = 'files: { allow: ["**"] }\nchecks: { unit: sh check.sh }\n';
const outside = [
  call('write_file', { path: 'docs/sum.md', content: 'sum\n' }),
  call('write_file', { path: 'lib/sum.md', content: 'sum\n' }),
  ...writes(),
];
const waits = (number: number, attempt: number) =>
  until(() => new RegExp(`Waiting.*attempt ${attempt}`).test(site.status(number)), 30_000);

test('/approve by two people at once begins one attempt, and both are told that it is done', async () => {
  const { labelled, reaches, status } = await open();
  const number = await labelled(gateContract, { author: 'otto' });
  await reaches(number, 'agent:waiting');

  expect(await given(number, '/approve', ['rita', 'maya'])).toEqual(['eyes,+1', 'eyes,+1']);

  await reaches(number, 'agent:review');
  expect(status(number)).toContain('attempt 2');
});

test('/allow of what a run waits for, by two people at once, begins one attempt', async () => {
  const { labelled, reaches, status, pulls } = await open({
    files: { '.github/millwright.yml': policy },
    script: scripted([...outside.slice(0, 1), ...writes()]),
  });
  const number = await labelled();
  await reaches(number, 'agent:waiting');

  expect(await given(number, '/allow docs/**', ['rita', 'maya'])).toEqual(['eyes,+1', 'eyes,+1']);

  await reaches(number, 'agent:review');
  expect(status(number)).toContain('attempt 2');
  expect(site.github.issue(repo, pulls()[0] ?? 0).body).toMatch(
    /`docs\/\*\*` was added to the allowed files by `rita`/,
  );
});

test('/allow that is repeated while the run waits for something else begins nothing, another glob does', async () => {
  const { labelled, reaches, status, quiet } = await open({
    files: { '.github/millwright.yml': policy },
    script: scripted(outside),
  });
  const number = await labelled();
  await reaches(number, 'agent:waiting');
  await given(number, '/allow docs/**', ['rita']);
  await waits(number, 2);

  expect(await given(number, '/allow docs/**', ['rita', 'maya'])).toEqual(['eyes,+1', 'eyes,+1']);
  await quiet();
  expect(status(number)).toMatch(/Waiting.*attempt 2/);
  await given(number, '/allow lib/**', ['rita']);

  await reaches(number, 'agent:review');
  expect(status(number)).toContain('attempt 3');
});

test('/waive that is repeated while the run waits for something else begins nothing, another reason stays on record', async () => {
  const { labelled, reaches, status, quiet, pulls } = await open({
    files: {
      '.github/millwright.yml': `${policy}limits: { rounds: 1, lines: 2 }\n`,
      'test/conftest.py': 'STRICT = True\n',
    },
    script: scripted([
      call('write_file', { path: 'test/conftest.py', content: 'STRICT = False\n' }),
      call('write_file', { path: 'src/sum.txt', content: '1\n2\n3\n4\n5\n' }),
      submit('the sum is written'),
    ]),
  });
  const number = await labelled();
  await reaches(number, 'agent:waiting');
  await given(number, '/waive size it is a table', ['maya']);
  await waits(number, 2);

  expect(await given(number, '/waive size it is a table', ['maya'])).toEqual(['eyes,+1']);
  await quiet();
  expect(status(number)).toMatch(/Waiting.*attempt 2/);
  await given(number, '/waive definitions it was too strict', ['maya']);

  await reaches(number, 'agent:review');
  expect(status(number)).toContain('attempt 3');
  expect(site.github.issue(repo, pulls()[0] ?? 0).body).toMatch(/`size`: .*Waived by `maya`: it is a table/);
});

test('/rollback by two people at once opens one pull request, and again finds it', async () => {
  const { labelled, reaches, pulls, labels, github } = await open();
  const number = await labelled();
  await reaches(number, 'agent:review');
  const [pull = 0] = pulls();
  expect(await given(pull, '/rollback', ['rita'])).toEqual(['eyes,confused']);
  await github.mergePull(repo, pull, 'maya');
  await until(() => labels(number).length === 0);

  expect(await given(pull, '/rollback', ['rita', 'maya'])).toEqual(['eyes,+1', 'eyes,+1']);
  expect(await given(number, '/rollback', ['rita'])).toEqual(['eyes,+1']);

  const [, revert = 0, ...more] = pulls();
  expect(more).toEqual([]);
  expect(github.pull(repo, revert).pull).toMatchObject({ headRef: `millwright/revert-${pull}`, baseRef: 'main' });
});

test('/rollback of a merge that nobody told of opens the revert as well', async () => {
  const { labelled, reaches, pulls, github } = await open();
  const number = await labelled();
  await reaches(number, 'agent:review');
  const [pull = 0] = pulls();
  site.deafen();
  await github.mergePull(repo, pull, 'maya');
  github.dropWebhooks(false);

  expect(await given(pull, '/rollback', ['rita'])).toEqual(['eyes,+1']);

  expect(pulls()).toHaveLength(2);
});
