import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { append } from '../../src/engine/ledger.ts';
import { endRun, enqueueRun, getRun } from '../../src/engine/runs.ts';
import { type GateSite, gateContract, openSite, repo, writes } from '../support/gate-site.ts';
import { newRun, request } from '../support/new-run.ts';
import { scripted } from '../support/scripted.ts';
import { until } from '../support/until.ts';
import { oauth } from '../support/web.ts';

const hostile =
  '</title><script>document.title="owned"</script><img src=x onerror="document.title=\'owned\'"> \u202Egnp.exe \u001b[31mred <a href="javascript:document.title=\'owned\'">click</a>';

let browser: Browser;
let site: GateSite;
let context: BrowserContext;
let page: Page;
/** What the browser refused or complained about. */
let complaints: string[];
let origin: string;

beforeAll(async () => {
  const args = '--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking';
  browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: [...args.split(' '), '--disable-component-update', '--disable-sync'],
  });
});
afterAll(() => browser.close());

beforeEach(async () => {
  site = await openSite({ script: scripted(writes()), env: oauth });
  origin = `http://localhost:${site.factory.service.app?.port}`;
  await newPage();
});
afterEach(async () => {
  await context.close();
  await site[Symbol.asyncDispose]();
});

async function newPage(options: Parameters<Browser['newContext']>[0] = {}): Promise<void> {
  context = await browser.newContext(options);
  page = await context.newPage();
  complaints = [];
  page.on('pageerror', (error) => complaints.push(error.message));
  page.on('console', (message) => {
    // GitHub's own pages are not ours to mend.
    if (message.type() === 'error' && message.location().url.startsWith(origin)) complaints.push(message.text());
  });
  page.on('dialog', (dialog) => complaints.push(dialog.message()));
}

/** From the dashboard's own page over GitHub's and back. */
async function signIn(login: string, to = '/'): Promise<void> {
  await page.goto(`${origin}${to}`);
  await page.getByRole('link', { name: 'Sign in with GitHub' }).click();
  await page.getByRole('button', { name: login }).click();
  await page.waitForURL(`${origin}${to}`);
}

async function queued(issue: number, title = 'Add a limit') {
  const repository = `${site.factory.doors.host.githubHost}/${repo}`;
  const [owner = '', name = ''] = repo.split('/');
  // No worker takes it: it may begin in an hour.
  const asked = { ...newRun(issue, repo), repository, owner, name, installationId: site.github.installationId };
  const { run } = await enqueueRun(site.factory.doors.db, { ...asked, request: { ...request, title } });
  return run;
}

test('a run is signed in to, looked at and stopped, by the keyboard alone', async () => {
  const number = await site.labelled();
  await site.reaches(number, 'agent:review', 60_000);
  await signIn('rita');

  await page.keyboard.press('Tab');
  const skip = await page.locator(':focus').textContent();
  await page.keyboard.press('Enter');
  const landed = await page.locator(':focus').getAttribute('id');
  await page.getByRole('link', { name: 'write the sum' }).focus();
  await page.keyboard.press('Enter');
  await page.waitForURL(/\/runs\/\w+$/);
  const headings = await page.getByRole('heading', { level: 2 }).allTextContents();
  await page.getByText('Stop …').focus();
  await page.keyboard.press('Enter');
  await page.keyboard.press('Escape');
  const closed = (await page.locator('.actions details[open]').count()) === 0;
  await page.keyboard.press('Enter');
  await page.keyboard.press('Tab');
  await page.keyboard.type('not needed any more');
  await page.keyboard.press('Enter');
  await page.locator('.state-stopped').waitFor();

  expect([skip?.trim(), landed, closed]).toEqual(['Skip to the content', 'main', true]);
  expect(headings).toEqual(
    expect.arrayContaining(['Changes', 'Verification', 'Log', 'Contract as parsed', 'Policy in force']),
  );
  expect(await page.locator('.diff').first().textContent()).toContain('+5');
  expect(await page.locator('#now').textContent()).toContain('Stopped by rita.');
  await site.reaches(number, 'agent:stopped');
  expect(complaints).toEqual([]);
});

test('the log grows and the page follows while a run goes on, until it ends', async () => {
  const run = await queued(900);
  const { db } = site.factory.doors;
  await signIn('otto');
  await db.run(
    "UPDATE runs SET state = 'running', stage = 'plan', lease_owner = 'x', lease_until_ms = 9e15 WHERE id = $1",
    run.id,
  );
  await page.goto(`${origin}/runs/${run.id}`);
  await page.getByText('Live', { exact: true }).waitFor();

  await append(db, { runId: run.id, kind: 'stage', data: { stage: 'plan', note: hostile } });
  await page.locator('.log .text', { hasText: 'plan: ' }).waitFor();
  await page.locator('.stages .running', { hasText: 'plan' }).waitFor();
  await db.run("UPDATE runs SET state = 'waiting', lease_owner = NULL, lease_until_ms = NULL WHERE id = $1", run.id);
  await endRun(db, run.id, 'failed', { code: 'x', text: 'it is over', question: null, detail: null });
  await page.getByText('Ended: failed').waitFor();
  await page.locator('#now .state-failed').waitFor();

  expect(await page.title()).toBe('Add a limit · Millwright');
  expect(complaints).toEqual([]);
});

test('hostile text runs nothing, links nowhere and moves nothing out of its place', async () => {
  const run = await queued(901, hostile);
  const { db } = site.factory.doors;
  const data = {
    turn: 1,
    name: hostile,
    argumentsText: hostile,
    result: `${'W'.repeat(5000)} ${hostile}`,
    refused: hostile,
  };
  await append(db, { runId: run.id, kind: 'tool.call', data });
  await endRun(db, run.id, 'waiting', {
    code: 'question',
    text: hostile,
    question: hostile,
    detail: `${hostile}\n`.repeat(50),
  });
  await db.run(
    `INSERT INTO lessons (id, repository, signature, state, data, created_at_ms, updated_at_ms) VALUES ('l', $1, 's', 'new', $2, 1, 1)`,
    run.repository,
    JSON.stringify({ rule: `${'W'.repeat(500)} ${hostile}`, path: hostile }),
  );
  await signIn('otto');

  for (const path of ['/', '/lessons', '/trends', `/runs/${run.id}`, `/runs/${run.id}/transcript`]) {
    await page.goto(`${origin}${path}`);
    await page.evaluate("document.querySelectorAll('details').forEach((fold) => { fold.open = true; })");
    const foreign = await page
      .locator('main a')
      .evaluateAll(
        (links, own) =>
          links
            .map((link) => (link as unknown as { href: string }).href)
            .filter((href) => !own.some((each) => href.startsWith(each))),
        [`${origin}/`, `${site.github.url}/acme/small/`],
      );
    const overflow = await page.evaluate('document.documentElement.scrollWidth - document.documentElement.clientWidth');
    expect([path, foreign, overflow]).toEqual([path, [], 0]);
    expect(await page.title()).not.toBe('owned');
    expect(await page.locator('main script, main img').count()).toBe(0);
  }
  expect(complaints).toEqual([]);
});

test('everything but the live parts works without JavaScript', async () => {
  await context.close();
  await newPage({ javaScriptEnabled: false });
  const run = await queued(902);
  await endRun(site.factory.doors.db, run.id, 'failed', { code: 'x', text: 'over', question: null, detail: null });
  await signIn('rita');

  await page.getByLabel('State').selectOption('failed');
  await page.getByRole('button', { name: 'Filter' }).click();
  await page.getByRole('link', { name: 'Add a limit' }).click();
  await page.getByText('Retry …').click();
  await page.getByLabel('Guidance for the agent').fill('mind the minus');
  await page.getByRole('button', { name: 'Begin another attempt' }).click();
  await until(async () => (await getRun(site.factory.doors.db, run.id))?.attempt === 2);
  await page.getByRole('link', { name: 'Trends' }).click();

  expect(await page.getByRole('heading', { level: 1 }).textContent()).toBe('Trends');
  expect((await getRun(site.factory.doors.db, run.id))?.start).toMatchObject({
    by: 'rita',
    guidance: 'mind the minus',
  });
});

test('every page fits a narrow window, and tells a screen reader what is what', async () => {
  await context.close();
  await newPage({ viewport: { width: 360, height: 740 } });
  const number = await site.labelled(gateContract);
  await site.reaches(number, 'agent:review', 60_000);
  await signIn('maya');
  const run = (await page.getByRole('link', { name: 'write the sum' }).getAttribute('href')) ?? '';

  for (const path of ['/', '/lessons', '/trends', run, `${run}/transcript`]) {
    await page.goto(`${origin}${path}`);
    const overflow = await page.evaluate('document.documentElement.scrollWidth - document.documentElement.clientWidth');
    expect([path, overflow, await page.evaluate(unnamed)]).toEqual([path, 0, []]);
  }
  expect(complaints).toEqual([]);
});

test.each(['light', 'dark'] as const)('texts can be read on their ground: %s', async (colorScheme) => {
  await context.close();
  await newPage({ colorScheme });
  const number = await site.labelled(gateContract);
  await site.reaches(number, 'agent:review', 60_000);
  await signIn('maya');
  await page.getByRole('link', { name: 'write the sum' }).click();
  await page.locator('.stages').waitFor();

  for (const path of [new URL(page.url()).pathname, '/', '/trends', '/lessons']) {
    await page.goto(`${origin}${path}`);
    expect([path, await page.evaluate(weakTexts)]).toEqual([path, []]);
  }
});

/** What an assistive reader could not name or follow: headings out of order, fields, buttons and cells without a name, ids that are there twice. */
const unnamed = `(() => {
  const faults = [];
  const all = (selector) => [...document.querySelectorAll(selector)];
  const named = (node) => (node.getAttribute('aria-label') || node.textContent).trim() !== '' || node.querySelector('img[alt]:not([alt=""])');
  const levels = all('h1, h2, h3, h4, h5, h6').map((node) => Number(node.tagName[1]));
  if (levels.filter((level) => level === 1).length !== 1) faults.push('one h1 is expected');
  levels.forEach((level, index) => { if (level > (levels[index - 1] ?? 0) + 1) faults.push('a heading skips a level: h' + level); });
  const ids = all('[id]').map((node) => node.id);
  for (const id of new Set(ids.filter((id, index) => ids.indexOf(id) !== index))) faults.push('twice: #' + id);
  for (const field of all('input:not([type=hidden]), select, textarea')) if (field.labels.length === 0) faults.push('no label: ' + field.outerHTML);
  for (const node of all('a, button, summary, th')) if (!named(node)) faults.push('no name: ' + node.outerHTML.slice(0, 80));
  for (const table of all('table')) if (!table.caption) faults.push('no caption: ' + table.className);
  for (const th of all('th')) if (!th.scope) faults.push('no scope: ' + th.outerHTML.slice(0, 80));
  for (const image of all('img')) if (!image.hasAttribute('alt')) faults.push('no alt: ' + image.src);
  for (const link of all('a[href^="#"]')) if (!document.getElementById(link.hash.slice(1))) faults.push('leads nowhere: ' + link.hash);
  return faults;
})()`;

/** Texts whose contrast is below 4.5 (WCAG AA), as the browser paints them. Runs in the page. */
const weakTexts = `(() => {
  const channel = (value) => { const part = value / 255; return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4; };
  const light = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
  const parse = (text) => text.match(/[\\d.]+/g).map(Number);
  const ground = (node) => { for (let at = node; at; at = at.parentElement) { const c = parse(getComputedStyle(at).backgroundColor); if (c.length < 4 || c[3] > 0.99) return c; } return [255, 255, 255]; };
  const weak = [];
  for (const node of document.querySelectorAll('body *')) {
    const own = [...node.childNodes].some((child) => child.nodeType === 3 && child.textContent.trim() !== '');
    if (!own || node.closest('.unseen, .skip, svg, option')) continue;
    const [a, b] = [light(parse(getComputedStyle(node).color)), light(ground(node))].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < 4.5) weak.push(node.tagName + '.' + node.className + ' ' + ratio.toFixed(2) + ' ' + node.textContent.slice(0, 30));
  }
  return weak;
})()`;
