import { afterEach, expect, test } from 'vitest';
import { allow } from '../src/command-amendments.ts';
import { latestRun } from '../src/engine/runs.ts';
import { type GateSite, openSite, repo, writes } from './support/gate-site.ts';
import { call, scripted, submit } from './support/scripted.ts';
import { until } from './support/until.ts';

let site: GateSite;
afterEach(() => site[Symbol.asyncDispose]());

const files = {
  // Long enough for a person to answer while it runs.
  'check.sh': 'test -f src/sum.txt && sleep 4\n',
  '.github/millwright.yml': 'files: { allow: ["src/**", "test/**", "docs/**"] }\nchecks: { unit: sh check.sh }\n',
};
const outside = [
  ...writes().slice(0, 1),
  call('write_file', { path: 'docs/sum.md', content: 'sum\n' }),
  submit('the sum is written and told'),
];
/** The fifth cell of the timeline is that of the stage. */
const verifying = (number: number) => until(() => /^\|(?:[^|]*\|){4}[^|]*⚙️/m.test(site.status(number)), 30_000);

test('/allow that comes while the patch is verified is not asked for again', async () => {
  site = await openSite({ files, script: scripted(outside) });
  const number = await site.labelled();
  await verifying(number);

  await site.github.comment(repo, number, '/allow docs/**', 'rita');
  await site.reaches(number, 'agent:review', 60_000);

  expect(site.status(number)).toContain('attempt 2');
  expect(await site.github.fileAt(repo, `millwright/issue-${number}`, 'docs/sum.md')).toBe('sum\n');
});

test('/waive that comes while the last round fails lets it through', async () => {
  const policy =
    'files: { allow: ["src/**", "test/**"] }\nlimits: { rounds: 1 }\nchecks: { unit: sh check.sh, lint: "test ! -f src/sum.txt || { sleep 4; exit 1; }" }\n';
  site = await openSite({ files: { ...files, '.github/millwright.yml': policy } });
  const number = await site.labelled();
  await verifying(number);

  await site.github.comment(repo, number, '/waive lint nobody minds', 'maya');
  await site.reaches(number, 'agent:review', 60_000);

  expect(site.github.issue(repo, site.pulls()[0] ?? 0).body).toContain('waived by maya: nobody minds');
});

test('an amendment that read the run before its wait was written takes it up all the same', async () => {
  site = await openSite({ files: { ...files, 'check.sh': 'test -f src/sum.txt\n' }, script: scripted(outside) });
  const number = await site.labelled();
  await site.reaches(number, 'agent:waiting');
  const { doors } = site.factory;
  const run = await latestRun(doors.db, `${doors.host.githubHost}/${repo}`, number);
  if (run === null) throw new Error('there is no run');
  const source = { author: 'rita', writtenAtMs: Date.now() };

  const result = await allow({ name: 'allow', rest: 'docs/**' }, { ...run, state: 'running', outcome: null }, {
    source,
    cause: 'comment:1:0',
    doors,
  } as never);

  expect(result).toEqual({ kind: 'done' });
  await site.reaches(number, 'agent:review');
});
