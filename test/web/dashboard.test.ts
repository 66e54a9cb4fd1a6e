import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { parseContract } from '../../src/contract/parse.ts';
import { append, eventsOf } from '../../src/engine/ledger.ts';
import { keepPatch } from '../../src/engine/patches.ts';
import { endRun, getRun } from '../../src/engine/runs.ts';
import { wallsWithoutContract } from '../../src/policy-source.ts';
import type { Run } from '../../src/run.ts';
import { type GitHubStandIn, startGitHub } from '../support/github-stand-in.ts';
import { contract } from '../support/scripted.ts';
import { csrfOf, oauth, openWeb, type Web } from '../support/web.ts';

const hostile =
  '</title><script>alert(1)</script><img src=x onerror=alert(2)> \u202Eevil\u001b[31m <a href="javascript:alert(3)">x</a>';

let github: GitHubStandIn;
let web: Web;
let cookie: string;

async function begin(env: Record<string, string> = {}): Promise<void> {
  github = await startGitHub({ users: { maya: 'maintain', rita: 'write', tom: 'triage', otto: 'read' } });
  await github.createRepository('acme/shop');
  web = await openWeb(github, env);
}

afterEach(async () => {
  await web[Symbol.asyncDispose]();
  await github.close();
});

const page = async (path: string) => (await web.ask(path, { cookie })).text();

/** A run as the pipeline would have left it after one failed round. */
async function failedRun(): Promise<Run> {
  const run = await web.run(7, {
    state: 'failed',
    code: 'verification-failed',
    request: { title: hostile, body: contract },
  });
  await web.doors.db.run("UPDATE runs SET stage = 'verify' WHERE id = $1", run.id);
  const layers = { operator: null, withheld: false, organization: null, repository: null, problems: [] };
  await web.save(run, 'intake', {
    kind: 'ready',
    contract: parseContract(contract).contract,
    problems: [],
    refusals: [],
    walls: wallsWithoutContract(layers, web.doors, { installationId: 1, owner: 'acme', name: 'shop' }),
    narrowed: [{ key: 'limits.turns', asked: '500', granted: '60', by: 'repository' }],
    base: { branch: 'main', commit: 'a'.repeat(40) },
    outcome: null,
  });
  const plan = {
    files: [hostile],
    interfaces: [],
    testsFirst: [],
    tools: [],
    decisions: [],
    estimate: { files: 1, lines: 2 },
    split: [],
    notes: [],
  };
  await web.save(run, 'plan', { plan, objections: [], note: null });
  await web.save(run, 'build-1', {
    tree: 'b'.repeat(40),
    empty: false,
    end: 'submitted',
    submission: { summary: hostile, criteria: [], assumptions: [] },
    question: null,
    clause: null,
    rejections: [],
    notes: [],
    changes: [
      {
        path: 'src/add.js',
        status: 'modified',
        oldMode: '100644',
        newMode: '100644',
        binary: false,
        added: 3,
        removed: 1,
      },
    ],
    turns: 4,
    refused: [],
    blockedHosts: [],
  });
  const record = { exitCode: 1, end: 'exited', durationMs: 1200, output: hostile, outputTruncated: false };
  const head = {
    kind: 'unit',
    label: 'Unit tests',
    command: 'npm test',
    origin: 'contract',
    state: 'failed',
    reason: null,
  };
  await web.save(run, 'verify-1', {
    base: 'a'.repeat(40),
    tree: 'b'.repeat(40),
    checks: [
      {
        ...head,
        head: record,
        base: { ...record, exitCode: 0, output: 'all is well' },
        headAgain: null,
        baseAgain: null,
        newFailures: [hostile],
        failingBefore: [hostile],
      },
    ],
    findings: [
      { name: 'unit', gate: 'check', message: hostile, paths: [], next: 'fail', waivedBy: null, waiveReason: null },
    ],
    criteria: [{ id: 'AC1', text: hostile, state: 'none', by: null, note: null }],
    tests: [],
    notes: [],
    rollbackTried: null,
    blocked: [],
    annotations: [],
    next: 'fail',
    feedback: null,
    question: null,
    conclusion: 'none',
  });
  const call = {
    turn: 1,
    name: 'run_command',
    argumentsText: hostile,
    result: `${hostile}\n`.repeat(20),
    refused: null,
    durationMs: 5,
  };
  await append(web.doors.db, { runId: run.id, kind: 'tool.call', data: call });
  await append(web.doors.db, {
    runId: run.id,
    kind: 'model.call',
    data: { usage: { inputTokens: 1200, cachedInputTokens: 0, outputTokens: 34 }, costUsd: 0.5, text: hostile },
  });
  return run;
}

describe('the pages', () => {
  beforeEach(async () => {
    await begin();
    cookie = await web.operator();
  });

  test('come with a policy that forbids everything inline, and have nothing inline', async () => {
    const run = await failedRun();

    for (const path of [
      '/',
      '/lessons',
      '/trends',
      `/runs/${run.id}`,
      `/runs/${run.id}/transcript`,
      '/sign-in',
      '/runs/none',
    ]) {
      const response = await web.ask(path, { cookie });
      const html = await response.text();
      expect(response.headers.get('content-security-policy')).toContain("default-src 'none'; script-src 'self'");
      expect(response.headers.get('x-content-type-options')).toBe('nosniff');
      expect(response.headers.get('x-frame-options')).toBe('DENY');
      expect(response.headers.get('cache-control')).toBe('no-store');
      expect(html).not.toMatch(/ style="| on\w+="|<style|<script(?! type="module" src="\/assets\/)/);
    }
  });

  test('of a run shows what is known of it, and text of others as text', async () => {
    const run = await failedRun();

    const html = await page(`/runs/${run.id}`);

    for (const part of ['changes', 'checks', 'rounds', 'log', 'contract', 'policy', 'plan', 'transcript'])
      expect(html).toContain(`aria-labelledby="${part}-heading"`);
    expect(html).toContain('limits.turns');
    expect(html).toContain('all is well');
    expect(html).toMatch(/^<!DOCTYPE html>/);
    expect(html).toContain('1,234');
    expect(html).toContain('$0.50');
    expect(html).toContain('npm test');
    expect(html).toContain('&lt;script&gt;alert(1)&lt;/script&gt;');
    expect(html).not.toContain('<script>alert');
    expect(html).not.toContain('<img src=x');
    expect(html).not.toMatch(/href="javascript/);
    for (const steering of ['\u202e', '\u001b']) expect(html).not.toContain(steering);
  });

  test('of a run survives a missing mirror, and shows the patch that was kept', async () => {
    const run = await failedRun();
    const patch =
      'diff --git a/src/add.js b/src/add.js\n--- a/src/add.js\n+++ b/src/add.js\n@@ -3,1 +3,2 @@ top\n-old <b>\n+new <b>\n+more\n';

    const before = await page(`/runs/${run.id}`);
    await keepPatch(web.doors.db, {
      runId: run.id,
      attempt: 1,
      base: 'a',
      tree: 'b',
      masked: false,
      patch: Buffer.from(patch),
    });
    const after = await page(`/runs/${run.id}`);
    const file = await web.ask(`/runs/${run.id}/patch`, { cookie });

    expect(before).toContain('The patch is not on this machine any more');
    expect(before).toContain('src/add.js');
    expect(before).not.toContain('Download the patch');
    expect(after).toContain('+new &lt;b&gt;');
    expect(after).toMatch(/<td class="at">3<\/td><td class="at"><\/td><td><span class="text">-old/);
    expect(file.headers.get('content-disposition')).toBe(`attachment; filename="${run.id}.patch"`);
    expect(await file.text()).toBe(patch);
  });

  test('hand out the evidence of every round', async () => {
    const run = await failedRun();

    const response = await web.ask(`/runs/${run.id}/evidence.json`, { cookie });
    const evidence = (await response.json()) as {
      revision: string;
      verdicts: { name: string; value: { next: string } }[];
    };

    expect(response.headers.get('content-disposition')).toContain('attachment');
    expect(evidence.revision).toBe(run.request.revision);
    expect(evidence.verdicts.map(({ name, value }) => [name, value.next])).toEqual([['verify-1', 'fail']]);
  });

  test('show long events on a page of their own', async () => {
    const run = await web.run(1);
    await append(web.doors.db, {
      runId: run.id,
      kind: 'tool.call',
      data: { name: 'read', result: `${'x'.repeat(30_000)}END` },
    });
    const id = (await eventsOf(web.doors.db, run.id)).at(-1)?.id;

    const short = await page(`/runs/${run.id}`);
    const long = await page(`/runs/${run.id}/events/${id}`);

    expect(short).toContain(`/runs/${run.id}/events/${id}`);
    expect(short).not.toContain('END');
    expect(long).toContain('END');
    expect((await web.ask(`/runs/${run.id}/events/999`, { cookie })).status).toBe(404);
    expect((await web.ask(`/runs/${run.id}/events/x`, { cookie })).status).toBe(404);
  });

  test('list the newest runs first, a page at a time, narrowed by what was asked for', async () => {
    for (let issue = 1; issue <= 45; issue++) await web.run(issue, { request: { title: `Title ${issue}` } });
    await web.run(90, { slug: 'acme/other', state: 'failed', request: { title: 'Odd one' } });

    const first = await page('/');
    const older = /href="(\/\?before=\w+)"/.exec(first)?.[1] ?? '';
    const second = await page(older);

    expect(first.match(/<th scope="row"/g)).toHaveLength(40);
    expect(second.match(/<th scope="row"/g)).toHaveLength(6);
    expect(second).toContain('Title 1<');
    expect(await page('/?state=failed')).toContain('Odd one');
    expect(await page('/?state=failed')).not.toContain('Title 45');
    expect(await page('/?q=odd')).toContain('acme/other#90');
    expect(await page('/?q=%2344')).toContain('Title 44');
    expect(await page('/?repository=ACME/other')).toContain('Odd one');
    expect(await page('/?repository=acme/none')).toContain('No run fits.');
    expect(await page(`/?q=${encodeURIComponent('"><script>')}`)).not.toContain('"><script>');
    expect(await page('/?state=nonsense&before=%27')).toContain('Title 45');
  });

  test('leave what is not theirs to others, and do not find what nobody knows', async () => {
    expect((await web.ask('/runs/a/b/c', { cookie })).status).toBe(404);
    expect((await web.ask('/assets/dashboard.css')).headers.get('content-type')).toContain('text/css');
    expect((await web.ask('/assets/../access.ts')).status).toBe(404);
  });
});

describe('the buttons', () => {
  beforeEach(() => begin(oauth));

  async function press(
    run: Run,
    what: 'stop' | 'retry',
    as: string,
    more: Record<string, string> = {},
    headers: Record<string, string> = {},
  ) {
    cookie = await web.signIn(as);
    const csrf = csrfOf(await page(`/runs/${run.id}`));
    return web.ask(`/runs/${run.id}/${what}`, {
      method: 'POST',
      cookie,
      headers: { origin: 'http://localhost:3000', 'content-type': 'application/x-www-form-urlencoded', ...headers },
      body: new URLSearchParams({ csrf, ...more }).toString(),
    });
  }

  test('are there for those who hold the role', async () => {
    const going = await web.run(1);
    const ended = await web.run(2, { state: 'failed' });
    const seen: Record<string, boolean[]> = {};

    for (const login of ['rita', 'tom', 'otto']) {
      cookie = await web.signIn(login);
      const pages = [await page(`/runs/${going.id}`), await page(`/runs/${ended.id}`)];
      seen[login] = [pages[0]?.includes('/stop"') ?? false, pages[1]?.includes('/retry"') ?? false];
    }

    expect(seen).toEqual({ rita: [true, true], tom: [true, false], otto: [false, false] });
  });

  test('stop a run under the name of whoever pressed', async () => {
    const issue = await github.openIssue({ repo: 'acme/shop', as: 'maya', title: 'x', body: 'y' });
    const run = await web.run(issue.number);

    const response = await press(run, 'stop', 'tom', { reason: 'window closes' });

    expect([response.status, response.headers.get('location')]).toEqual([303, `/runs/${run.id}`]);
    const after = await getRun(web.doors.db, run.id);
    expect([after?.state, after?.outcome?.text, after?.outcome?.detail]).toEqual([
      'stopped',
      'Stopped by tom.',
      'window closes',
    ]);
  });

  test('begin another attempt with guidance, and not while one goes on', async () => {
    const issue = await github.openIssue({ repo: 'acme/shop', as: 'maya', title: 'x', body: 'y' });
    const run = await web.run(issue.number, { state: 'failed' });

    const first = await press(run, 'retry', 'rita', { from: 'plan', guidance: 'mind the minus' });
    const again = await press(run, 'retry', 'rita');

    expect([first.status, again.status]).toEqual([303, 409]);
    const after = await getRun(web.doors.db, run.id);
    expect(after?.start).toMatchObject({ from: 'plan', reason: 'retry', by: 'rita', guidance: 'mind the minus' });
    expect(after?.attempt).toBe(2);
  });

  test.each([
    ['from another site', { origin: 'http://evil.example' }],
    ['without an origin', { origin: '' }],
    ['that the browser calls cross-site', { 'sec-fetch-site': 'cross-site' }],
  ])('do nothing for a form %s', async (_what, headers) => {
    const run = await web.run(1);

    const response = await press(run, 'stop', 'rita', {}, headers);

    expect(response.status).toBe(403);
    expect((await getRun(web.doors.db, run.id))?.state).toBe('queued');
  });

  test('do nothing without the token of the session', async () => {
    const run = await web.run(1);

    const response = await press(run, 'stop', 'rita', { csrf: 'other' });

    expect(response.status).toBe(403);
    expect((await getRun(web.doors.db, run.id))?.state).toBe('queued');
  });

  test('do nothing for those who lack the role, by the policy of now', async () => {
    const run = await web.run(1);
    await github.commitOnBranch('acme/shop', 'main', { '.github/millwright.yml': 'roles: { stop: admin }\n' }, 'maya');

    const response = await press(run, 'stop', 'rita');

    expect(response.status).toBe(403);
    expect(await response.text()).toContain('role admin');
    expect((await getRun(web.doors.db, run.id))?.state).toBe('queued');
  });
});

describe('the live log', () => {
  beforeEach(async () => {
    await begin();
    cookie = await web.operator();
  });

  /** Reads a stream until it holds a text, or ends. */
  async function read(response: Response, until: string | null, reader = response.body?.getReader()): Promise<string> {
    const decoder = new TextDecoder();
    let text = '';
    while (reader && (until === null || !text.includes(until))) {
      const { done, value } = await reader.read();
      if (done) break;
      text += decoder.decode(value);
    }
    return text;
  }

  test('tells what was, what comes, and that the run has ended', async () => {
    const run = await web.run(1);
    await append(web.doors.db, { runId: run.id, kind: 'stage', data: { stage: 'intake', note: null } });

    const response = await web.ask(`/runs/${run.id}/log`, { cookie });
    const reader = response.body?.getReader();
    const past = await read(response, '"stage"', reader);
    await append(web.doors.db, { runId: run.id, kind: 'stage', data: { stage: 'plan', note: 'second\ndata: forged' } });
    const news = await read(response, 'second', reader);
    await endRun(web.doors.db, run.id, 'failed', { code: 'x', text: 'over', question: null, detail: null });
    const end = await read(response, null, reader);

    expect(response.headers.get('content-type')).toBe('text/event-stream');
    expect(past).toMatch(/id: \d+\ndata: \{"id":\d+,"atMs":\d+,"kind":"run.state","text":"queued by ada/);
    expect(news.match(/^data: /gm)).toHaveLength(1);
    expect(end).toContain('"text":"failed: over"');
    expect(end).toMatch(/event: end\ndata: \{"state":"failed"\}\n\n$/);
  });

  test('goes on after the last line that the reader has', async () => {
    const run = await web.run(1);
    await append(web.doors.db, { runId: run.id, kind: 'stage', data: { stage: 'intake', note: null } });
    await endRun(web.doors.db, run.id, 'stopped', { code: 'x', text: 'over', question: null, detail: null });
    const ids = (await eventsOf(web.doors.db, run.id)).map(({ id }) => id);

    const all = await read(await web.ask(`/runs/${run.id}/log`, { cookie }), null);
    const rest = await read(
      await web.ask(`/runs/${run.id}/log`, { cookie, headers: { 'last-event-id': String(ids[1]) } }),
      null,
    );

    expect([...all.matchAll(/^id: (\d+)$/gm)].map(([, id]) => Number(id))).toEqual(ids);
    expect([...rest.matchAll(/^id: (\d+)$/gm)].map(([, id]) => Number(id))).toEqual(ids.slice(2));
  });

  test('is open a bounded number of times, and ends with the process', async () => {
    const run = await web.run(1);
    const open = await Promise.all(Array.from({ length: 12 }, () => web.ask(`/runs/${run.id}/log`, { cookie })));
    const tooMany = await web.ask(`/runs/${run.id}/log`, { cookie });

    web.dashboard.close();
    const ended = await Promise.all(open.map((response) => read(response, null)));

    expect(tooMany.status).toBe(503);
    expect(ended).toHaveLength(12);
    expect(open.map(({ status }) => status)).toEqual(open.map(() => 200));
  });

  test('is for those who are signed in', async () => {
    const run = await web.run(1);

    expect((await web.ask(`/runs/${run.id}/log`)).status).toBe(401);
    expect((await web.ask('/runs/none/log', { cookie })).status).toBe(404);
  });
});
