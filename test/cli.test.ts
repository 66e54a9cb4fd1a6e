import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Database } from '../src/engine/database.ts';
import { append } from '../src/engine/ledger.ts';
import { migrate } from '../src/engine/migrations.ts';
import { keepPatch } from '../src/engine/patches.ts';
import { isTrusted, recognise } from '../src/engine/repositories.ts';
import { endRun, enqueueRun, getRun } from '../src/engine/runs.ts';
import { openSqlite } from '../src/engine/sqlite.ts';
import type { Run } from '../src/run.ts';
import { cli } from './support/cli.ts';
import { newRun, request } from './support/new-run.ts';
import { createPostgresDatabase } from './support/postgres.ts';

let folder: string;
let db: Database | null;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cli-'));
  db = null;
});

afterEach(async () => {
  await db?.close();
  await rm(folder, { recursive: true, force: true });
});

async function openData(): Promise<Database> {
  db = openSqlite(join(folder, 'data'));
  await migrate(db);
  return db;
}

const given = (...args: string[]) => cli(args, { cwd: folder });

describe('the command', () => {
  it('without arguments shows what there is, and that is no error', async () => {
    const { code, out, err } = await given();

    expect(code).toBe(0);
    for (const name of [
      'serve',
      'worker',
      'run',
      'runs',
      'show',
      'replay',
      'stop',
      'retry',
      'metrics',
      'doctor',
      'trust',
      'move-store',
      'init',
    ])
      expect(out).toMatch(new RegExp(`^  ${name}\\b`, 'm'));
    expect(err).toBe('');
  });

  it('tells the version of the package', async () => {
    const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };

    expect(await given('--version')).toEqual({ code: 0, out: `${version}\n`, err: '' });
  });

  it.each([
    [['runz'], /unknown command 'runz'[\s\S]*runs/],
    [['runs', '--state', 'sleeping'], /sleeping[\s\S]*queued, running, waiting/],
    [['runs', '--limit', 'many'], /many[\s\S]*whole number/],
    [['show'], /missing required argument 'run'/],
    [['retry', 'r1', '--from', 'lunch'], /lunch[\s\S]*intake, context/],
    [['run', '--repo', '.'], /--contract/],
  ])('given wrongly (%j) ends with 2 and says what was expected', async (args, words) => {
    const { code, out, err } = await given(...args);

    expect(code).toBe(2);
    expect(err).toMatch(words);
    expect(out).toBe('');
  });

  it('that needs an environment lists everything that is missing at once', async () => {
    const { code, err } = await given('serve');

    expect(code).toBe(2);
    for (const name of ['APP_ID', 'PRIVATE_KEY', 'WEBHOOK_SECRET', 'OPENAI_API_KEY']) expect(err).toContain(name);
  });
});

describe('a store', () => {
  it.each(['runs', 'show', 'replay', 'stop', 'retry', 'metrics'])(
    'that is not there is named by %s, and not made',
    async (name) => {
      const { code, err } = await given(name, ...(name === 'runs' || name === 'metrics' ? [] : ['r1']));

      expect(code).toBe(2);
      expect(err).toMatch(new RegExp(`no store in ${folder}/data.*DATA_DIR`));
      expect(execFileSync('ls', [folder], { encoding: 'utf8' })).toBe('');
    },
  );

  it('that cannot be read is named with what to do, without a stack', async () => {
    mkdirSync(join(folder, 'data'));
    writeFileSync(join(folder, 'data', 'millwright.db'), 'this is no database, but long enough to look at'.repeat(20));

    const { code, err } = await given('runs');

    expect(code).toBe(2);
    expect(err).toMatch(/not a database/);
    expect(err).not.toMatch(/\n\s+at /);
  });
});

describe('moving the embedded store to a server', () => {
  it('says what went over; from then on runs are looked at there, and the old store is refused', async () => {
    const { run } = await enqueueRun(await openData(), newRun(1));
    const { url, drop } = await createPostgresDatabase();
    const there = (...args: string[]) => cli(args, { cwd: folder, env: { DATABASE_URL: url } });

    const moved = await there('move-store');
    const [listed, refused, again] = [await there('runs', '--json'), await given('runs'), await there('move-store')];
    await drop();

    expect(moved.err).toMatch(/^Moved\. Start the service with DATABASE_URL/);
    expect(moved.out).toMatch(/^TABLE +ROWS\n/);
    expect(moved.out).toMatch(/^runs +1$/m);
    expect(moved.code).toBe(0);
    expect(JSON.parse(listed.out)).toMatchObject([{ id: run.id }]);
    for (const { code, err } of [refused, again]) {
      expect(err).toMatch(/was moved to PostgreSQL; set DATABASE_URL/);
      expect(code).toBe(2);
    }
  });

  it('needs to be told both, and makes neither', async () => {
    const nowhere = await given('move-store');
    const nothing = await cli(['move-store'], { cwd: folder, env: { DATABASE_URL: 'postgres://localhost:1/none' } });

    expect(nowhere.err).toMatch(/^Set DATABASE_URL to an empty PostgreSQL database/);
    expect(nothing.err).toMatch(/^There is no store in .*data: set DATA_DIR/);
    expect([nowhere.code, nothing.code]).toEqual([2, 2]);
    expect(execFileSync('ls', [folder], { encoding: 'utf8' })).toBe('');
  });
});

describe('looking at runs', () => {
  let first: Run;
  let second: Run;

  beforeEach(async () => {
    const store = await openData();
    ({ run: first } = await enqueueRun(store, newRun(1)));
    const hostile = { ...request, title: 'red \u001b[31malert\u001b]0;title\u0007 \u202egnp' };
    ({ run: second } = await enqueueRun(store, newRun(2, 'acme/site', { request: hostile })));
    const usage = { inputTokens: 1000, cachedInputTokens: 0, outputTokens: 500 };
    await append(store, { runId: first.id, kind: 'model.call', data: { model: 'm', usage, costUsd: 0.25 } });
    const outcome = { code: 'question', text: 'The agent asks a question.', question: 'Which one?', detail: null };
    await endRun(store, second.id, 'waiting', outcome);
  });

  it('lists them newest first, with what they cost', async () => {
    const { code, out } = await given('runs');

    const [head, ...rows] = out.trim().split('\n');
    expect(code).toBe(0);
    expect(head).toMatch(/^RUN +STATE +ISSUE .*COST/);
    expect(rows[0]).toMatch(new RegExp(`^${second.id} +waiting +acme/site#2 .*The agent asks a question`));
    expect(rows[1]).toMatch(new RegExp(`^${first.id} +queued +acme/shop#1 .*1\\.5k +\\$0\\.25`));
  });

  it('lists those of a state or a repository only', async () => {
    const waiting = await given('runs', '--state', 'waiting,failed', '--json');
    const shop = await given('runs', '--repository', 'Acme/Shop', '--json');
    const none = await given('runs', '--state', 'failed');

    expect((JSON.parse(waiting.out) as Run[]).map(({ id }) => id)).toEqual([second.id]);
    expect(JSON.parse(shop.out)).toMatchObject([{ id: first.id, numbers: { turns: 1, costUsd: 0.25 } }]);
    expect(none).toEqual({ code: 0, out: '', err: 'No such runs.\n' });
  });

  it('shows one with its question and its ledger; what others wrote cannot steer the terminal', async () => {
    const { code, out } = await given('show', second.id);

    expect(code).toBe(0);
    expect(out).toMatch(/^Title: +red alert gnp$/m);
    expect(out).toMatch(/^Question: +Which one\?$/m);
    expect(out).toMatch(/run\.state +\{"state":"waiting"/);
    for (const unseen of ['\u001b', '\u0007', '\u202e']) expect(out).not.toContain(unseen);
  });

  it('shows one as JSON with every event', async () => {
    const { out } = await given('show', first.id, '--json');

    const told = JSON.parse(out) as { run: Run; numbers: { turns: number }; events: { kind: string }[] };
    expect(told.run.id).toBe(first.id);
    expect(told.numbers.turns).toBe(1);
    expect(told.events.map(({ kind }) => kind)).toEqual(['run.state', 'model.call']);
  });

  it('gives the newest patch of one byte for byte, and ends with 1 where there is none', async () => {
    const patch = Buffer.from('diff --git a/a b/a\n+\u001b[31mr\u00e9d\n');
    const made = { runId: first.id, attempt: 1, base: 'b'.repeat(40), tree: 'c'.repeat(40), masked: false, patch };
    await keepPatch(db as Database, made);

    expect(await given('show', first.id, '--patch')).toEqual({ code: 0, out: patch.toString(), err: '' });
    expect(await given('show', second.id, '--patch')).toEqual({
      code: 1,
      out: '',
      err: 'The run has made no patch.\n',
    });
  });

  it('trust says from when on the operator means whoever bears a name now', async () => {
    const store = db ?? (await openData());
    const told = { key: 'github.com/acme/shop', owner: 'acme', name: 'shop', ownerId: 9 };
    for (const id of [1, 2]) await recognise(store, { ...told, id }, { sure: true });

    const [unknown, wrong] = [await given('trust', 'acme/other'), await given('trust', 'shop')];
    expect(await isTrusted(store, told.key)).toBe(false);
    const { code, out } = await given('trust', 'Acme/Shop');

    const again = await given('trust', 'acme/shop', '--json');

    expect([unknown.code, wrong.code, code]).toEqual([1, 2, 0]);
    expect(JSON.parse(again.out)).toEqual({ repository: 'acme/shop', trusted: true });
    expect(unknown.err).toMatch(/not heard of a repository acme\/other/);
    expect(out).toMatch(/counts for the repository that has the name now/);
    expect(await isTrusted(store, told.key)).toBe(true);
  });

  it('replay of one without a verdict says so and ends with 1', async () => {
    const { code, out, err } = await given('replay', first.id);

    expect({ code, out }).toEqual({ code: 1, out: '' });
    expect(err).toMatch(/no verdict that could be reached again/);
  });

  it('that do not exist ends with 1 and names one that does', async () => {
    const { code, err } = await given('show', 'r0');

    expect(code).toBe(1);
    expect(err).toContain(second.id);
  });
});

describe('acting on a run', () => {
  it('stop ends a queued one; asked again, it says so', async () => {
    const store = await openData();
    const { run } = await enqueueRun(store, newRun(1));

    const stopped = await given('stop', run.id, '--reason', 'window closes');
    const again = await given('stop', run.id, '--json');

    expect(stopped).toEqual({ code: 0, out: 'The run is stopped.\n', err: '' });
    expect(JSON.parse(again.out)).toEqual({ run: run.id, result: 'already-ended' });
    expect(await getRun(store, run.id)).toMatchObject({ state: 'stopped', outcome: { detail: 'window closes' } });
  });

  it('retry begins an attempt with guidance from a named stage', async () => {
    const store = await openData();
    const { run } = await enqueueRun(store, newRun(1));
    await endRun(store, run.id, 'failed', { code: 'limit.turns', text: 'x', question: null, detail: null });

    const begun = await given('retry', run.id, '--from', 'plan', '--guidance', 'smaller steps', '--json');
    const again = await given('retry', run.id);

    expect(begun.code).toBe(0);
    expect(JSON.parse(begun.out)).toMatchObject({ begun: true, attempt: 2 });
    expect(await getRun(store, run.id)).toMatchObject({
      state: 'queued',
      start: { from: 'plan', guidance: 'smaller steps', reason: 'retry' },
    });
    expect(again.code).toBe(1);
    expect(again.err).toMatch(/going on: stop it first/);
  });

  it('retry refuses what is merged', async () => {
    const store = await openData();
    const { run } = await enqueueRun(store, newRun(1));
    await endRun(store, run.id, 'stopped', { code: 'stopped', text: 'x', question: null, detail: null });
    await endRun(store, run.id, 'done', { code: 'merged', text: 'x', question: null, detail: null });

    const { code, err } = await given('retry', run.id);

    expect(code).toBe(1);
    expect(err).toMatch(/merged: open a new issue/);
  });
});

describe('a local run that cannot begin', () => {
  const model = { OPENAI_API_KEY: 'sk-unused', OPENAI_BASE_URL: 'http://127.0.0.1:9/v1' };
  const contract = '## Goal\n- Goal: make it better\n';
  const run = (repo: string, file: string, env: Record<string, string> = {}) =>
    cli(['run', '--repo', repo, '--contract', file], {
      cwd: folder,
      env: { ...model, DATA_DIR: join(folder, 'data'), ...env },
    });
  const git = (dir: string, ...args: string[]) =>
    execFileSync('git', ['-c', 'user.name=T', '-c', 'user.email=t@example.org', ...args], { cwd: dir });

  function committed(name: string): string {
    const dir = join(folder, name);
    mkdirSync(join(dir, 'src'), { recursive: true });
    git(dir, 'init', '--quiet', '--initial-branch=main');
    writeFileSync(join(dir, 'src', 'a.js'), 'export {};\n');
    git(dir, 'add', '.');
    git(dir, 'commit', '--quiet', '--message=first');
    return dir;
  }

  beforeEach(() => writeFileSync(join(folder, 'contract.md'), contract));

  it('for a folder without git says what to name instead', async () => {
    const { code, out, err } = await run(folder, 'contract.md');

    expect(err).toMatch(/^--repo: .* is no git repository: name one, or run `git init`/);
    expect(code).toBe(2);
    expect(out).toBe('');
  });

  it.each([
    ['nowhere.md', /nowhere\.md does not exist: name a file with the contract/],
    ['.', /is no file/],
  ])('for the contract %s says what to name instead', async (file, words) => {
    const { code, err } = await run(committed('r'), file);

    expect(err).toMatch(words);
    expect(code).toBe(2);
  });

  it('for want of a model key names the variable', async () => {
    const { code, err } = await run(committed('r'), 'contract.md', { OPENAI_API_KEY: '', OPENAI_BASE_URL: '' });

    expect(err).toMatch(/OPENAI_API_KEY is not set/);
    expect(code).toBe(2);
  });

  it('for want of an engine says so, and starts nothing', async () => {
    const { code, err } = await run(committed('r'), 'contract.md', { DOCKER_HOST: `unix://${folder}/nobody.sock` });

    expect(err).toMatch(/No sandbox engine/);
    expect(err).toMatch(/DOCKER_HOST/);
    expect(code).toBe(2);
  });

  it('for a contract that cannot be tested names each missing field with an example, and leaves no branch', async () => {
    const dir = committed('r');

    const { code, out, err } = await run(dir, 'contract.md');

    expect(err).toMatch(/not testable/);
    expect(err).toMatch(/Acceptance criteria: .*For example: /);
    expect(err).toMatch(/Allowed files: .*For example: /);
    expect(err).not.toMatch(/label/);
    expect(code).toBe(2);
    expect(out).toBe('');
    expect(git(dir, 'branch', '--format=%(refname:short)').toString()).toBe('main\n');
  });

  it('reads neither `.env` nor a policy file of the repository that it stands in', async () => {
    const dir = committed('r');
    writeFileSync(join(dir, '.env'), 'OPENAI_MODEL=theirs\nDOCKER_HOST=unix:///nobody.sock\n');
    writeFileSync(join(dir, 'millwright.policy.yml'), 'nonsense: true\n');

    const { code, err } = await cli(['run', '--repo', '.', '--contract', '../contract.md'], {
      cwd: dir,
      env: { ...model, DATA_DIR: join(folder, 'data'), PORT: 'abc', DATABASE_URL: 'mysql://somewhere' },
    });

    expect(err).toMatch(/not testable/);
    expect(code).toBe(2);
  });
});

describe('metrics', () => {
  it('are told by week and repository, newest first, and for one repository only', async () => {
    const store = await openData();
    for (const [issue, slug] of [
      [1, 'acme/shop'],
      [2, 'acme/shop'],
      [1, 'acme/site'],
    ] as const) {
      const { run } = await enqueueRun(store, newRun(issue, slug));
      const outcome = { code: 'merged', text: 'merged', question: null, detail: null };
      await endRun(store, run.id, 'waiting', outcome);
      await endRun(store, run.id, 'done', outcome);
    }

    const all = await given('metrics');
    const shop = await given('metrics', '--repository', 'Acme/Shop', '--json');
    const none = await given('metrics', '--repository', 'acme/other');
    const wrong = await given('metrics', '--weeks', 'many');

    const [head, ...rows] = all.out.trim().split('\n');
    expect(head).toMatch(/^WEEK +REPOSITORY +RUNS +MERGED +REWORK/);
    expect(rows.map((row) => row.split(/ +/).slice(1, 5))).toEqual([
      ['acme/shop', '2', '2', '-'],
      ['acme/site', '1', '1', '-'],
    ]);
    expect(JSON.parse(shop.out)).toMatchObject([{ repository: 'github.com/acme/shop', runs: 2, merged: 2 }]);
    expect([all.code, shop.code, none.code, wrong.code]).toEqual([0, 0, 1, 2]);
    expect(none.err).toMatch(/acme\/other/);
  });
});
