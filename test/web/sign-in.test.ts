import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { toldOf } from '../../src/doors.ts';
import { recognise } from '../../src/engine/repositories.ts';
import { type GitHubStandIn, startGitHub } from '../support/github-stand-in.ts';
import { approveAs, cookieOf, csrfOf, oauth, openWeb, type Web } from '../support/web.ts';

let github: GitHubStandIn;
let web: Web;

beforeEach(async () => {
  github = await startGitHub({ users: { maya: 'maintain', tom: 'triage', otto: 'read', norma: 'none' } });
  await github.createRepository('acme/shop');
});
afterEach(async () => {
  await web[Symbol.asyncDispose]();
  await github.close();
});

describe('without an OAuth client', () => {
  beforeEach(async () => {
    web = await openWeb(github);
  });

  test('nobody sees anything before the printed link was opened, which signs in once', async () => {
    const before = await web.ask('/runs/r1');
    const link = web.dashboard.newLink() ?? '';
    const first = await web.ask(link);
    const second = await web.ask(link);

    expect([before.status, before.headers.get('location')]).toEqual([303, '/sign-in?to=%2Fruns%2Fr1']);
    expect([first.status, second.status]).toEqual([303, 403]);
    expect(cookieOf(second)).toBe('');
    expect((await web.ask('/', { cookie: cookieOf(first) })).status).toBe(200);
  });

  test('a newer link makes the older one void, and a browser that fetches ahead uses none up', async () => {
    const older = web.dashboard.newLink() ?? '';
    const newer = web.dashboard.newLink() ?? '';

    expect((await web.ask(older)).status).toBe(403);
    expect((await web.ask(newer, { headers: { 'sec-purpose': 'prefetch' } })).status).toBe(503);
    expect((await web.ask(newer)).status).toBe(303);
  });

  test.each([
    ['from another machine', { peer: { address: '192.0.2.7' } }],
    ['through a proxy', { peer: { forwarded: true } }],
    ['by a name that a page may point here', { host: 'evil.example:3000' }],
  ])('%s even the right link and the right cookie are refused', async (_how, how) => {
    const cookie = await web.operator();
    const link = web.dashboard.newLink() ?? '';

    expect((await web.ask('/', { ...how, cookie })).status).toBe(403);
    expect((await web.ask(link, how)).status).toBe(403);
    expect((await web.ask(link)).status).toBe(303);
  });

  test('another link is printed for our own page alone', async () => {
    const old = web.dashboard.newLink() ?? '';

    const foreign = await web.ask('/sign-in/link', { method: 'POST', headers: { origin: 'http://evil.example' } });
    const own = await web.ask('/sign-in/link', { method: 'POST', headers: { origin: 'http://localhost:3000' } });
    const again = await web.ask('/sign-in/link', { method: 'POST', headers: { origin: 'http://localhost:3000' } });

    expect([foreign.status, own.status, again.status]).toEqual([403, 200, 429]);
    expect(await own.text()).not.toContain('key=');
    expect((await web.ask(old)).status).toBe(403);
  });
});

describe('with an OAuth client', () => {
  beforeEach(async () => {
    web = await openWeb(github, oauth);
  });

  test('GitHub is asked with a state and a challenge, and a token stays sealed', async () => {
    const begun = await web.ask('/sign-in/github?to=/runs/r1');
    const address = new URL(begun.headers.get('location') ?? '');
    const back = new URL(await approveAs(github, 'maya', address.href));
    const done = await web.ask(`${back.pathname}${back.search}`, { cookie: cookieOf(begun) });

    expect(address.origin).toBe(github.url);
    expect(address.searchParams.get('redirect_uri')).toBe('http://localhost:3000/sign-in/callback');
    expect(address.searchParams.get('code_challenge_method')).toBe('S256');
    expect(address.searchParams.get('code_challenge')).toMatch(/^[\w-]{43}$/);
    expect([done.status, done.headers.get('location')]).toEqual([303, '/runs/r1']);
    const session = done.headers.getSetCookie().find((line) => line.startsWith('millwright=')) ?? '';
    expect(session).toMatch(/HttpOnly; SameSite=Lax/);
    expect(session).not.toMatch(/Secure|maya|gho_/);
    expect(await (await web.ask('/', { cookie: cookieOf(done) })).text()).toContain('maya');
  });

  test('an answer with another state, or to a sign-in that somebody else began, is refused', async () => {
    const begun = await web.ask('/sign-in/github');
    const back = new URL(await approveAs(github, 'maya', begun.headers.get('location') ?? ''));
    const path = `${back.pathname}${back.search}`;

    const other = await web.ask('/sign-in/github');
    const forged = await web.ask(path.replace(/state=[^&]+/, 'state=other'), { cookie: cookieOf(begun) });
    const stranger = await web.ask(path);
    const crossed = await web.ask(path, { cookie: cookieOf(other) });

    expect([forged.status, stranger.status, crossed.status]).toEqual([400, 400, 400]);
    expect(cookieOf(forged)).toBe('');
  });

  test('a code that GitHub does not take signs nobody in', async () => {
    const begun = await web.ask('/sign-in/github');
    const state = new URL(begun.headers.get('location') ?? '').searchParams.get('state');

    const done = await web.ask(`/sign-in/callback?code=made-up&state=${state}`, { cookie: cookieOf(begun) });

    expect([done.status, cookieOf(done)]).toEqual([400, '']);
  });

  test('the cookie is bound to the host and to TLS where the app has an https address', async () => {
    await web[Symbol.asyncDispose]();
    web = await openWeb(github, { ...oauth, MILLWRIGHT_URL: 'https://mill.example' });

    const begun = await web.ask('/sign-in/github');
    const address = new URL(begun.headers.get('location') ?? '');
    const back = new URL(await approveAs(github, 'maya', address.href));
    const done = await web.ask(`${back.pathname}${back.search}`, { cookie: cookieOf(begun) });

    expect(address.searchParams.get('redirect_uri')).toBe('https://mill.example/sign-in/callback');
    const session = done.headers.getSetCookie().find((line) => line.startsWith('__Host-millwright=')) ?? '';
    expect(session).toMatch(/Path=\/; HttpOnly; Secure; SameSite=Lax/);
    expect(done.headers.get('strict-transport-security')).toBe('max-age=31536000');
    const cookie = session.split(';')[0] ?? '';
    // What a neighbour on the same domain can set.
    const planted = cookie.replace('__Host-', '');
    const answers = await Promise.all([cookie, planted].map((each) => web.ask('/', { cookie: each })));
    expect(answers.map(({ status }) => status)).toEqual([200, 303]);
  });

  test.each(['//evil.example', '/\\evil.example', 'https://evil.example', '/x?y'])(
    'nobody is led to %s after signing in',
    async (to) => {
      const cookie = await web.signIn('maya');

      const response = await web.ask(`/sign-in?to=${encodeURIComponent(to)}`, { cookie });

      expect(response.headers.get('location')).toBe('/');
    },
  );

  test('a cookie that was changed, or sealed elsewhere, opens nothing', async () => {
    const cookie = await web.signIn('maya');
    const changed = `${cookie.slice(0, -4)}AAAA`;

    expect((await web.ask('/', { cookie })).status).toBe(200);
    expect((await web.ask('/', { cookie: changed })).status).toBe(303);
    expect((await web.ask('/', { cookie: 'millwright=abc' })).status).toBe(303);
  });

  test('a run of a repository that the viewer cannot read answers like one that does not exist', async () => {
    const run = await web.run(1);
    const maya = await web.signIn('maya');
    const norma = await web.signIn('norma');

    const seen = await web.ask(`/runs/${run.id}`, { cookie: maya });
    for (const path of ['', '/patch', '/evidence.json', '/transcript', '/events/1', '/log']) {
      const hidden = await web.ask(`/runs/${run.id}${path}`, { cookie: norma });
      const missing = await web.ask(`/runs/rnone${path}`, { cookie: norma });
      expect([path, hidden.status, await hidden.text()]).toEqual([path, 404, await missing.text()]);
    }

    expect(seen.status).toBe(200);
    expect(await (await web.ask('/', { cookie: norma })).text()).not.toContain(run.id);
    expect(await (await web.ask('/', { cookie: maya })).text()).toContain(run.id);
    expect(await (await web.ask('/trends', { cookie: norma })).text()).not.toContain('acme/shop');
  });

  test('who takes over the name of a repository sees nothing of it', async () => {
    const { id, owner } = github.repository('acme/shop');
    const run = await web.run(7);
    await recognise(
      web.doors.db,
      toldOf(web.doors.host.githubHost, { installationId: 1, owner, name: 'shop', id, ownerId: 1 }),
      { sure: true },
    );
    const cookie = await web.signIn('maya');
    expect((await web.ask(`/runs/${run.id}`, { cookie })).status).toBe(200);

    await github.renameRepository('acme/shop', 'old-shop', 'maya');
    await github.createRepository('acme/shop');
    const other = await web.signIn('tom');

    expect((await web.ask(`/runs/${run.id}`, { cookie: other })).status).toBe(404);
  });

  test('of many repositories the list shows those that the viewer can read, page by page', async () => {
    await github.createRepository('acme/open', { private: false });
    for (let issue = 1; issue <= 60; issue++)
      await web.run(issue, { slug: issue % 3 === 0 ? 'acme/open' : 'acme/shop' });
    const cookie = await web.signIn('norma');

    const html = await (await web.ask('/', { cookie })).text();

    expect(html.match(/href="\/runs\//g)).toHaveLength(20);
    expect(html).not.toContain('acme/shop');
  });

  test('who signed out, or whose token GitHub has withdrawn, signs in again', async () => {
    const cookie = await web.signIn('maya');
    const run = await web.run(1);
    const csrf = csrfOf(await (await web.ask('/', { cookie })).text());
    const form = (token: string) => ({
      method: 'POST',
      cookie,
      headers: { origin: 'http://localhost:3000', 'content-type': 'application/x-www-form-urlencoded' },
      body: `csrf=${token}`,
    });

    const foreign = await web.ask('/sign-out', form('x'));
    const out = await web.ask('/sign-out', form(csrf));
    const other = await web.signIn('maya');
    github.state.userTokens.clear();
    const over = await web.ask(`/runs/${run.id}`, { cookie: other });

    expect([foreign.status, out.status]).toEqual([403, 303]);
    expect(out.headers.getSetCookie().join()).toMatch(/millwright=;.*Max-Age=0/);
    expect([over.status, over.headers.get('location')]).toEqual([303, '/sign-in']);
  });

  test('GitHub is asked once a minute about a repository, as the viewer', async () => {
    const run = await web.run(1);
    const cookie = await web.signIn('maya');
    github.clearRequests();

    for (let times = 0; times < 3; times++) await web.ask(`/runs/${run.id}`, { cookie });

    const asked = github.requests().filter(({ path }) => path === '/repos/acme/shop');
    expect(asked.map(({ token }) => token)).toEqual(['user']);
  });

  test('while GitHub does not answer nothing is shown', async () => {
    const run = await web.run(1);
    const cookie = await web.signIn('maya');
    github.fault({ method: 'GET', path: /^\/repos\/acme\/shop$/, status: 500, times: 9 });

    const response = await web.ask(`/runs/${run.id}`, { cookie });

    expect(response.status).toBe(503);
    expect(await response.text()).not.toContain('Add a limit');
  });
});
