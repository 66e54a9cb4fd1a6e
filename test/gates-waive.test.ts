import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type GateSite, gateContract, openSite, repo, writes } from './support/gate-site.ts';
import { call, scripted, submit } from './support/scripted.ts';
import { until } from './support/until.ts';

let site: GateSite;
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'waive-'));
});
afterEach(async () => {
  await site[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

const policy = (checks: string, limits = 'rounds: 1') =>
  `files: { allow: ["src/**", "test/**"] }\nlimits: { ${limits} }\nchecks: { ${checks} }\n`;
const oldTest = `import assert from 'node:assert';
import { test } from 'node:test';

test('adds', () => {
  assert.equal(2 + 3, 5);
  assert.equal(2 + 2, 4);
});
`;
/** Changes its answer every time that it runs on head: no container shares anything with the next. */
const turn = () => `test ! -f src/sum.txt || { mkdir ${folder}/turn && exit 1; rmdir ${folder}/turn; }`;

/** What stands in the way, and the state in which the run ends because of it. */
const obstacles = [
  {
    name: 'unit',
    ends: 'agent:failed',
    files: () => ({ '.github/millwright.yml': policy('unit: "test ! -f src/sum.txt"') }),
    patch: writes(),
  },
  {
    name: 'tests',
    ends: 'agent:waiting',
    files: () => ({ '.github/millwright.yml': policy('lint: "true"'), 'test/sum.test.js': oldTest }),
    patch: [
      ...writes().slice(0, 1),
      call('write_file', { path: 'test/sum.test.js', content: oldTest.replace("test('adds'", "test.skip('adds'") }),
      submit('the sum is written'),
    ],
  },
  {
    name: 'size',
    ends: 'agent:waiting',
    files: () => ({ '.github/millwright.yml': policy('lint: "true"', 'rounds: 1, lines: 2') }),
    patch: writes('1\n2\n3\n4\n5\n'),
  },
  {
    name: 'definitions',
    ends: 'agent:waiting',
    files: () => ({ '.github/millwright.yml': policy('lint: "true"'), 'test/conftest.py': 'STRICT = True\n' }),
    patch: [
      ...writes().slice(0, 1),
      call('write_file', { path: 'test/conftest.py', content: 'STRICT = False\n' }),
      submit('the sum is written'),
    ],
  },
  {
    name: 'flaky',
    ends: 'agent:waiting',
    files: () => ({ '.github/millwright.yml': policy(`lint: ${JSON.stringify(turn())}`) }),
    patch: writes(),
  },
];

test.each(obstacles)(
  '/waive $name lets the same patch through: who and why stand in the pull request, and the check run is neutral',
  async ({ name, ends, files, patch }) => {
    site = await openSite({ files: files(), script: scripted(patch) });
    const number = await site.labelled();
    await site.reaches(number, ends);
    const calls = site.model.requests().length;

    site.later();
    await site.github.comment(repo, number, `/waive ${name} it is known and <b>fine</b>`, 'maya');
    await site.reaches(number, 'agent:review');

    const body = site.github.issue(repo, site.pulls()[0] ?? 0).body ?? '';
    expect(body).toMatch(new RegExp(`^- \`${name}\`: .*Waived by \`maya\`: it is known and \\\\<b>fine\\\\</b>`, 'm'));
    expect(conclusions()).toEqual(['neutral']);
    // The second look is all that a model is asked again.
    expect(site.model.requests().length).toBeLessThanOrEqual(calls + 1);
  },
);

test('a retry that changes nothing brings the one check run up to date instead of making a second', async () => {
  site = await openSite();
  const number = await site.labelled(gateContract);
  await site.reaches(number, 'agent:review');
  const [before] = checkRuns();
  const [stored] = site.github.repository(repo).checkRuns.values();
  if (stored) stored.output.title = 'out of date';

  site.later();
  await site.github.comment(repo, number, '/retry from verify', 'maya');
  await until(() => /In review.*attempt 2/.test(site.status(number)), 60_000);

  const after = checkRuns();
  expect(after).toHaveLength(1);
  expect(after[0]).toMatchObject({ id: before?.id, externalId: before?.externalId, headSha: before?.headSha });
  expect(after[0]?.output.title).toBe('Checks: 1 passed');
});

function checkRuns() {
  return [...site.github.repository(repo).checkRuns.values()].map((run) => ({ ...run }));
}

function conclusions() {
  return checkRuns().map((run) => run.conclusion);
}
