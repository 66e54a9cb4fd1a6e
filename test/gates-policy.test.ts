import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { policyPath } from '../src/policy-source.ts';
import { type GateOptions, type GateSite, gateContract, openSite, repo, writes } from './support/gate-site.ts';
import { call, scripted, submit } from './support/scripted.ts';
import { until } from './support/until.ts';

let site: GateSite;
const folders: string[] = [];
afterEach(async () => {
  await site[Symbol.asyncDispose]();
  for (const folder of folders.splice(0)) await rm(folder, { recursive: true });
});
const open = async (options: GateOptions = {}) => {
  site = await openSite(options);
  return site;
};

/** The operator ceiling as whoever hosts the app writes it: a file that `MILLWRIGHT_POLICY` names. */
async function ceiling(text: string): Promise<Record<string, string>> {
  const folder = await mkdtemp(join(tmpdir(), 'ceiling-'));
  folders.push(folder);
  await writeFile(join(folder, 'millwright.policy.yml'), text);
  return { MILLWRIGHT_POLICY: join(folder, 'millwright.policy.yml') };
}

const branches = async () => [...(await site.github.repository(repo).git.refs('refs/heads/')).keys()];

test('what the policy does not grant stops intake with the name of each, and nothing else happens', async () => {
  const { labelled, reaches, status, model, said, engine } = await open({
    script: scripted([]),
    env: await ceiling('images: ["millwright/*"]\nmcp: { docs: { url: "https://d.example/mcp", tools: [search] } }\n'),
    files: {
      [policyPath]:
        'image: other/image\nfiles: { allow: ["src/**"] }\ncommands: { allow: ["sh *"] }\nchecks: { unit: sh check.sh }\n',
    },
  });
  const number = await labelled(`${gateContract}
- Network or service access: db.example.org:5432
- Secrets and credentials: STAGING_TOKEN

## Tools in scope
- MCPs: docs (mutating), tracker
- CLIs: terraform (mutating)
- Read-only tools: docs.read

## Checks before review
- Unit tests: skip: they are slow
`);
  await reaches(number, 'agent:waiting');

  const names = ['db.example.org:5432', 'STAGING_TOKEN', 'docs (mutating)', 'tracker', 'terraform', 'docs.read'];
  for (const name of [...names, 'other/image', 'checks.unit']) expect(status(number)).toContain(name);
  expect(model.requests()).toEqual([]);
  expect(engine.opened).toBe(0);
  expect(said(number)).toHaveLength(1);
  expect(await branches()).toEqual(['refs/heads/main']);
});

test('globs, commands and numbers are narrowed, and the status comment lists what was asked, what was granted and by whom', async () => {
  const { labelled, reaches, status } = await open({
    env: await ceiling(
      'limits: { rounds: 2 }\nfor: [{ match: "ACME/*", limits: { files: 7 } }, { match: "other/*", limits: { files: 1 } }]\n',
    ),
    files: {
      [policyPath]:
        'files: { allow: ["src/**", "test/**"], deny: ["src/generated/**"] }\nlimits: { turns: 50 }\ncommands: { allow: ["sh *"] }\nchecks: { unit: sh check.sh }\n',
    },
  });
  const number = await labelled(
    `${gateContract.replace('src/**, test/**', 'src/**, test/**, infra/**, src/generated/**, .github/workflows/**')}- Allowed commands: sh *, npm test

## Stop condition
- max turns: 80
- max rounds: 9
- max files: 12
- max tokens: 2m
- max lines: 10
`,
  );
  await reaches(number, 'agent:review');

  const told = status(number);
  for (const [key, asked, granted, by] of [
    ['limits.turns', '80', '50', 'by the repository'],
    ['limits.rounds', '9', '2', 'by the operator'],
    ['limits.files', '12', '7', 'by the operator'],
    ['limits.tokens', '2000000', '1000000', 'by default'],
    ['files.allow', 'infra/**', 'what also matches src/**, test/**', 'by the repository'],
    ['files.deny', 'src/generated/**', 'nothing', 'by the repository'],
    ['files.unprotect', '.github/workflows/**', 'nothing: protected', 'by the operator'],
    ['commands.allow', 'npm test', 'what also matches sh *', 'by the repository'],
  ])
    expect(told).toMatch(
      new RegExp(`\`${key}\`: asked \`${asked}\`, granted \`${granted}\` \\(${by}`.replaceAll(/[*.]/g, '\\$&')),
    );
  expect(told).not.toContain('limits.lines');
  expect(told).toContain('50 turns, 2 rounds');
  expect(told).toContain('7 files, 10 lines');
});

test('the organisation’s file counts, and the repository’s from the default branch only', async () => {
  const { labelled, reaches, status } = await open({
    files: {
      [policyPath]: 'files: { allow: ["src/**", "test/**"] }\nchecks: { unit: sh check.sh }\nlimits: { turns: 20 }\n',
    },
    before: async (github) => {
      await github.createRepository('acme/.github', {
        files: { [policyPath]: 'plan: approve\nlimits: { turns: 30, rounds: 1 }\n' },
      });
      await github.commitOnBranch(repo, 'work', { [policyPath]: 'limits: { turns: 1 }\nno: key\n' }, 'maya');
    },
  });
  const number = await labelled();
  await reaches(number, 'agent:waiting');

  expect(status(number)).toContain('Is this plan right');
  expect(status(number)).toContain('20 turns, 1 rounds');
});

test('errors of both files stand on the issue with file, line and key', async () => {
  const { labelled, reaches, status, model, github } = await open({
    script: scripted(writes()),
    files: { [policyPath]: 'limits:\n  memry: 2g\nchecks: { unit: sh check.sh }\nplan: maybe\n' },
    before: (stand) =>
      stand.createRepository('acme/.github', { files: { [policyPath]: '\nroles: { start: owner }\n' } }),
  });
  const number = await labelled();
  await reaches(number, 'agent:waiting');

  expect(status(number)).toContain('.github/millwright.yml:2: limits.memry');
  expect(status(number)).toContain('.github/millwright.yml:4: plan');
  expect(status(number)).toContain('acme/.github/.github/millwright.yml:2: roles.start');
  expect(model.requests()).toEqual([]);

  const good = 'files: { allow: ["src/**", "test/**"] }\nchecks: { unit: sh check.sh }\n';
  await github.commitOnBranch(repo, 'main', { [policyPath]: good }, 'maya');
  await github.commitOnBranch('acme/.github', 'main', { [policyPath]: 'plan: auto\n' }, 'maya');
  await github.unlabel(repo, number, 'agent-ready', 'maya');
  await github.label(repo, number, 'agent-ready', 'maya');
  await reaches(number, 'agent:review');
});

test('protected paths stay as they are unless the operator gives them free', async () => {
  const ci = '.github/workflows/ci.yml';
  const replies = () => scripted([call('write_file', { path: ci, content: 'on: push\n' }), ...writes()]);
  const files = { [policyPath]: 'checks: { unit: sh check.sh }\nfiles: { allow: ["**"] }\n' };
  const wide = gateContract.replace('src/**, test/**', '**');
  const first = await open({ files, script: replies() });
  const number = await first.labelled(wide);
  await first.reaches(number, 'agent:review');
  expect(await first.github.fileAt(repo, `millwright/issue-${number}`, ci)).toBeNull();
  expect(JSON.stringify(first.model.requests())).toMatch(/protected/);
  await first[Symbol.asyncDispose]();

  const second = await open({
    files,
    script: scripted([
      call('write_file', { path: ci, content: 'on: push\n' }),
      call('write_file', { path: 'src/sum.txt', content: '5\n' }),
      submit(),
    ]),
    env: await ceiling('files: { unprotect: [".github/workflows/**"] }\n'),
    before: ({ state }) => {
      // GitHub holds apps to it as well.
      for (const { permissions } of state.installations.values()) permissions.workflows = 'write';
    },
  });
  const free = await second.labelled(wide);
  await second.reaches(free, 'agent:review');
  await until(async () => (await second.github.fileAt(repo, `millwright/issue-${free}`, ci)) === 'on: push\n');
});
