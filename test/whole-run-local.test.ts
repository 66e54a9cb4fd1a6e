import { execFileSync } from 'node:child_process';
import { globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { mkdtemp, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type CliEnd, cli, type RunningCli, startCli } from './support/cli.ts';
import { startMcp } from './support/mcp-server.ts';
import {
  type ChatRequest,
  type ModelScript,
  type ModelStandIn,
  type Reply,
  startModel,
} from './support/model-stand-in.ts';
import { call, contract, goodSource, goodTest, scripted, smallRepository, solve, submit } from './support/scripted.ts';
import { until } from './support/until.ts';

const runMs = 120_000;
let folder: string;
let dir: string;
let model: ModelStandIn;

beforeEach(async () => {
  folder = await realpath(await mkdtemp(join(tmpdir(), 'local-run-')));
  dir = join(folder, 'small');
  for (const [path, text] of Object.entries(smallRepository)) {
    mkdirSync(dirname(join(dir, path)), { recursive: true });
    writeFileSync(join(dir, path), text);
  }
  git('init', '--quiet', '--initial-branch=trunk');
  git('add', '--all');
  git('commit', '--quiet', '--message=first');
  writeFileSync(join(folder, 'contract.md'), contract);
});

afterEach(async () => {
  await model.close();
  const instance = readFileSync(join(folder, 'data', 'local', 'instance'), 'utf8').trim();
  const images = docker('images', '--quiet', '--filter', `label=millwright.instance=${instance}`);
  if (images.length > 0) docker('rmi', '--force', ...new Set(images));
  await rm(folder, { recursive: true, force: true });
});

function git(...args: string[]): string {
  const identity = ['-c', 'user.name=Ada', '-c', 'user.email=ada@example.org'];
  return execFileSync('git', [...identity, ...args], { cwd: dir, encoding: 'utf8' });
}

function docker(...args: string[]): string[] {
  return execFileSync('docker', args, { encoding: 'utf8' }).split('\n').filter(Boolean);
}

function containers(): string[] {
  const instance = readFileSync(join(folder, 'data', 'local', 'instance'), 'utf8').trim();
  return docker('ps', '--all', '--quiet', '--filter', `label=millwright.instance=${instance}`);
}

async function scriptedModel(script: ModelScript): Promise<void> {
  model = await startModel(script);
}

const args = (...more: string[]) => ['run', '--repo', dir, '--contract', join(folder, 'contract.md'), ...more];
const options = () => ({
  cwd: folder,
  // Nothing of GitHub: only the model's variables are needed.
  env: {
    OPENAI_API_KEY: model.apiKey,
    OPENAI_BASE_URL: model.url,
    OPENAI_MODEL: 'scripted',
    DATA_DIR: join(folder, 'data'),
  },
});
const carry = (...more: string[]): Promise<CliEnd> => cli(args(...more), options());
const begin = (): RunningCli => startCli(args(), options());
const branches = () => git('branch', '--format=%(refname:short)').trim().split('\n');

test('a contract becomes a branch and a pull request body, and the work tree stays as it is', {
  timeout: runMs,
}, async () => {
  await scriptedModel(scripted(solve));
  writeFileSync(join(dir, 'src/add.js'), 'a change that is not committed\n');

  const { code, out, err } = await carry();

  expect(code, err).toBe(0);
  const sections = [...out.matchAll(/^## (.+)$/gm)].map((match) => match[1]);
  expect(sections.slice(0, 3)).toEqual(['What changed', 'Acceptance criteria', 'Checks']);
  expect(sections.at(-1)).toBe('Run');
  expect(out).not.toContain('Closes #');
  expect(out).toMatch(/fails before, passes after/);
  const [branch = ''] = branches().filter((name) => name !== 'trunk');
  expect(branch).toMatch(/^millwright\/run-[0-9a-f]{12}$/);
  expect(git('show', `${branch}:src/add.js`)).toBe(goodSource);
  expect(git('log', '--format=%an', `trunk..${branch}`)).toBe('millwright[bot]\n');
  expect(git('symbolic-ref', '--short', 'HEAD')).toBe('trunk\n');
  expect(git('status', '--porcelain')).toBe(' M src/add.js\n');
  expect(err.split('\n').filter((text) => /^(intake|context|plan|build|verify|review|learn) /.test(text))).toHaveLength(
    7,
  );
  expect(containers()).toEqual([]);
});

test('a run is replayed: the same verdict from the stored patch in fresh containers, another one when the store says otherwise', {
  timeout: 2 * runMs,
}, async () => {
  await scriptedModel(scripted(solve));
  const carried = JSON.parse((await carry('--json')).out) as { run: { id: string } };
  const { id } = carried.run;
  const [store = ''] = globSync(join(folder, 'data', 'local', 'runs', '*', '*'));
  const look = (...more: string[]) => cli(['replay', id, ...more], { cwd: folder, env: { DATA_DIR: store } });
  // Nothing but the store and the person's repository is left.
  rmSync(join(folder, 'data', 'local', 'mirrors'), { recursive: true });

  const same = await look();
  const said = await look('--transcript');
  const db = new DatabaseSync(join(store, 'millwright.db'));
  db.exec(`UPDATE stages SET output = replace(output, '"state":"passed"', '"state":"failed"') WHERE name = 'verify-1'`);
  db.close();
  const other = await look('--json');

  expect(same.out, same.err).toMatch(/^The same verdict: 1 check, 0 findings; next: open\.\n$/);
  expect(same.code).toBe(0);
  expect(said.code).toBe(0);
  expect(said.out).toMatch(
    /── user · attempt 1 · plan[\s\S]*── model · attempt 1 · plan[\s\S]*── tool · attempt 1 · build[\s\S]*→ write_file/,
  );
  expect(other.code).toBe(1);
  expect(JSON.parse(other.out)).toMatchObject({
    equal: false,
    step: 'verify-1',
    differences: [
      {
        about: expect.stringContaining('unit'),
        stored: 'failed, head exit 0, base exit 0',
        again: 'passed, head exit 0, base exit 0',
      },
    ],
  });
  const instance = readFileSync(join(store, 'replay', 'instance'), 'utf8').trim();
  expect(docker('ps', '--all', '--quiet', '--filter', `label=millwright.instance=${instance}`)).toEqual([]);
  expect(docker('images', '--quiet', '--filter', `label=millwright.instance=${instance}`)).toEqual([]);
});

test('a question ends with 3; the same command with an answer goes on to the branch', { timeout: runMs }, async () => {
  let told = '';
  await scriptedModel(
    scripted([
      call('ask', { question: 'Shall it add floats?' }),
      (request) => {
        told = JSON.stringify(request.messages);
        return call('write_file', { path: 'test/add.test.js', content: goodTest });
      },
      call('write_file', { path: 'src/add.js', content: goodSource }),
      submit(),
    ]),
  );

  const asked = await carry();
  const answered = await carry('--answer', 'Yes: floats as well.', '--json');

  expect(asked.code, asked.err).toBe(3);
  expect(asked.err).toMatch(/Question: Shall it add floats\?/);
  expect(asked.err).toMatch(/--answer/);
  expect(asked.out).toBe('');
  expect(told).toContain('Yes: floats as well.');
  expect(answered.code, answered.err).toBe(0);
  const result = JSON.parse(answered.out) as Record<string, unknown>;
  expect(result).toMatchObject({
    exitCode: 0,
    repository: dir,
    run: { state: 'done', attempt: 2 },
    pullRequest: { base: 'trunk', branch: result.branch, body: expect.stringContaining('## What changed') },
    checkRun: { name: 'millwright', conclusion: 'success' },
  });
});

/** A contract that names the server, and a ceiling that has it at this address. */
function withDocs(url: string): void {
  writeFileSync(join(folder, 'contract.md'), `${contract}\n## Tools in scope\n- MCPs: docs (read-only)\n`);
  const headers = `{ Authorization: "Bearer \${DOCS}" }`;
  const tools = '{ search: read-only, publish: mutating }';
  writeFileSync(
    join(folder, 'millwright.policy.yml'),
    `mcp: { docs: { url: "${url}", headers: ${headers}, tools: ${tools} } }\n`,
  );
}
const withKey = () => ({ ...options(), env: { ...options().env, MILLWRIGHT_SECRET_DOCS: 'k3y-of-docs' } });

test('a granted tool of an MCP server is called, others are not, and its credential is found nowhere', {
  timeout: runMs,
}, async () => {
  await using server = await startMcp();
  const asked: string[] = [];
  const noting = (reply: Reply) => (request: ChatRequest) => {
    asked.push(JSON.stringify(request));
    return reply;
  };
  const search = call('docs__search', { query: 'sum' });
  const publish = call('docs__publish', { text: 'mine' });
  await scriptedModel(scripted([search, publish, ...solve].map(noting)));
  withDocs(server.url);

  const { code, out, err } = await cli(args(), withKey());

  expect(code, err).toBe(0);
  const called = server.requests.filter(({ body }) => body.includes('tools/call'));
  expect(called.map(({ body }) => JSON.parse(body).params.name)).toEqual(['search']);
  expect(called[0]?.headers.authorization).toBe('Bearer k3y-of-docs');
  expect(asked[0]).toMatch(/--- [\w-]+ docs__search\\+nSearches the handbook/);
  expect(asked[1]).toMatch(/<data [\w-]+ kind=.{1,4}mcp docs.search.{1,4}>.{1,4}Found for sum: use sum\(\)/);
  expect(asked[2]).toMatch(/there is no tool named .{1,4}docs__publish/);
  expect(out).toMatch(/docs__publish/);
  const kept = execFileSync('grep', ['-rac', 'docs__search', join(folder, 'data')], { encoding: 'utf8' });
  expect(kept).toMatch(/:[1-9]/);
  expect(`${out}${err}${asked.join('')}`).not.toContain('k3y-of-docs');
  expect(() => execFileSync('grep', ['-ra', 'k3y-of-docs', join(folder, 'data')])).toThrow();
});

test('an MCP server that is not there ends with 3 before the model is asked, naming the server', {
  timeout: runMs,
}, async () => {
  await scriptedModel(scripted([]));
  withDocs('http://127.0.0.1:2/mcp');

  const { code, err } = await cli(args(), withKey());

  expect(code, err).toBe(3);
  expect(err).toMatch(/An MCP server that the run needs is not to be had/);
  expect(err).toMatch(/docs: .*ECONNREFUSED/);
  expect(model.requests()).toEqual([]);
});

test('work that does not pass ends with 1, names why, and leaves no branch', { timeout: runMs }, async () => {
  writeFileSync(join(folder, 'contract.md'), `${contract}\n## Stop condition\n- max rounds: 1\n`);
  await scriptedModel(
    scripted([call('write_file', { path: 'test/add.test.js', content: goodTest }), submit('only the test')]),
  );

  const { code, out, err } = await carry();

  expect(code, err).toBe(1);
  expect(out).toBe('');
  expect(err).toMatch(/npm test/);
  expect(err).toMatch(/millwright show r\w+/);
  expect(branches()).toEqual(['trunk']);
});

test('Ctrl-C in mid-build ends the run within ten seconds and removes its containers', { timeout: runMs }, async () => {
  await scriptedModel(scripted([call('run_command', { command: 'sleep 300', timeout_seconds: 120 })]));
  const running = begin();
  await until(() => model.requests().length >= 2 && containers().length > 0, runMs);

  const startedAtMs = Date.now();
  running.child.kill('SIGINT');
  const { code, out, err } = await running.ended;

  expect(code, err).toBe(130);
  expect(Date.now() - startedAtMs).toBeLessThan(10_000);
  expect(err).toMatch(/Stopped by/);
  expect(out).toBe('');
  expect(containers()).toEqual([]);
  expect(branches()).toEqual(['trunk']);
});

test('killed in mid-build and given again, it goes on with the same run', { timeout: runMs }, async () => {
  let calls = 0;
  await scriptedModel(
    scripted([
      call('run_command', { command: 'sleep 300', timeout_seconds: 120 }),
      () => {
        calls += 1;
        return solve[0] ?? submit();
      },
      ...solve.slice(1),
    ]),
  );
  const running = begin();
  await until(() => model.requests().length >= 2 && containers().length > 0, runMs);
  running.child.kill('SIGKILL');
  await running.ended;

  const { code, out, err } = await carry('--json');

  expect(code, err).toBe(0);
  expect(calls).toBe(1);
  const { run } = JSON.parse(out) as { run: { id: string; attempt: number } };
  expect(running.err()).toContain(run.id);
  expect(run.attempt).toBe(1);
  expect(containers()).toEqual([]);
});
