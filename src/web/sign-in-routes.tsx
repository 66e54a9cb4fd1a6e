/** @jsxImportSource hono/jsx */
import type { Hono } from 'hono';
import { deleteCookie, getCookie, setCookie } from 'hono/cookie';
import { z } from 'zod';
import type { Doors } from '../doors.ts';
import { type Frame, Notice } from './layout.tsx';
import { challengeOf, randomText, sameText } from './sealed.ts';
import {
  forget,
  isOwnForm,
  isSecure,
  ownPath,
  remember,
  viewerOf,
  type WebContext,
  type WebEnvironment,
  type WebParts,
} from './web-context.ts';

/** As whom whoever sits at the machine is recorded; the command line writes the same. */
const operator = 'operator';
const pending = 'millwright-sign-in';
/** How long a person may take at GitHub's page. */
const pendingS = 600;

const pendingShape = z.object({ state: z.string(), verifier: z.string(), to: z.string(), untilMs: z.number() });

export function addSignInRoutes(app: Hono<WebEnvironment>, parts: WebParts): void {
  const { doors, access } = parts;
  app.get('/sign-in', (c) => {
    if (viewerOf(c, access) !== null) return c.redirect(ownPath(c.req.query('to')), 303);
    return c.html(<SignInPage mode={access.mode} to={ownPath(c.req.query('to'))} />);
  });
  app.post('/sign-out', async (c) => {
    const viewer = viewerOf(c, access);
    if (viewer !== null && !isOwnForm(c, viewer, access, doors, (await c.req.parseBody()).csrf))
      return c.html(<Refused text="The form did not come from this dashboard." />, 403);
    forget(c, access, doors);
    return c.redirect('/sign-in', 303);
  });
  if (access.mode === 'link') addLink(app, parts);
  else addGitHub(app, parts);
}

/** The link that was printed at the start. */
function addLink(app: Hono<WebEnvironment>, { doors, access }: WebParts): void {
  app.get('/sign-in/link', (c) => {
    // A browser that fetches ahead would use the link up before anybody has clicked it.
    if (/prefetch|preview/i.test(c.req.header('sec-purpose') ?? c.req.header('purpose') ?? ''))
      return c.body(null, 503);
    if (!access.takeKey(c.req.query('key') ?? ''))
      return c.html(<Refused text="This link has been used, or another one was made since. Ask for a new one." />, 403);
    remember(c, access, doors, access.begin(operator, null));
    return c.redirect('/', 303);
  });
  let lastAtMs = Number.NEGATIVE_INFINITY;
  app.post('/sign-in/link', (c) => {
    const origin = c.req.header('origin');
    if (origin === undefined || !URL.canParse(origin) || new URL(origin).host !== new URL(c.req.url).host)
      return c.html(<Refused text="The form did not come from this dashboard." />, 403);
    if (doors.clock.nowMs() - lastAtMs < 5_000)
      return c.html(<Refused text="A link was printed this moment: look into the log." />, 429);
    lastAtMs = doors.clock.nowMs();
    tellLink(doors, new URL(c.req.url).origin, `/sign-in/link?key=${access.newKey()}`);
    return c.html(
      <Notice frame={frame} heading="Look into the log">
        <p>A new link was printed in the log of the service. It works once, at this machine.</p>
      </Notice>,
    );
  });
}

export function tellLink(doors: Pick<Doors, 'log'>, origin: string, path: string): void {
  doors.log.info(`Dashboard, for whoever opens this first at this machine: ${origin}${path}`);
}

/** GitHub's web flow: state against forged answers, PKCE against stolen codes. */
function addGitHub(app: Hono<WebEnvironment>, { doors, access }: WebParts): void {
  const { signIn } = doors.github;
  if (signIn === null) return;
  const redirectUri = (c: WebContext) =>
    `${doors.host.publicUrl?.replace(/\/$/, '') ?? new URL(c.req.url).origin}/sign-in/callback`;
  app.get('/sign-in/github', (c) => {
    const value = {
      state: randomText(),
      verifier: randomText(),
      to: ownPath(c.req.query('to')),
      untilMs: doors.clock.nowMs() + pendingS * 1000,
    };
    setCookie(c, pending, access.seal.close('sign-in', value), {
      httpOnly: true,
      sameSite: 'Lax',
      path: '/sign-in',
      secure: isSecure(doors),
      maxAge: pendingS,
    });
    const challenge = challengeOf(value.verifier);
    return c.redirect(signIn.address({ redirectUri: redirectUri(c), state: value.state, challenge }), 302);
  });
  app.get('/sign-in/callback', async (c) => {
    const opened = pendingShape.safeParse(access.seal.open('sign-in', getCookie(c, pending) ?? '')).data;
    deleteCookie(c, pending, { path: '/sign-in', secure: isSecure(doors) });
    const { code, state } = c.req.query();
    if (!opened || opened.untilMs <= doors.clock.nowMs() || !code || !state || !sameText(state, opened.state))
      return c.html(<Refused text="This sign-in was not begun here, or it took too long." />, 400);
    const token = await signIn.exchange({ code, redirectUri: redirectUri(c), verifier: opened.verifier });
    const login = token === null ? null : await signIn.loginOf(token);
    if (token === null || login === null)
      return c.html(<Refused text="GitHub did not say who you are. Try again." />, 400);
    remember(c, access, doors, access.begin(login, token));
    return c.redirect(opened.to, 303);
  });
}

const frame: Frame = { title: 'Sign in', viewer: null, csrf: '', here: null };

export function Refused({ text }: { text: string }) {
  return (
    <Notice frame={frame} heading="Not done">
      <p>{text}</p>
      <p>
        <a href="/sign-in">Sign in</a>
      </p>
    </Notice>
  );
}

function SignInPage({ mode, to }: { mode: 'github' | 'link'; to: string }) {
  return (
    <Notice frame={frame} heading="Millwright" mark>
      {mode === 'github' ? (
        <>
          <p>See the runs of the repositories that you can read on GitHub.</p>
          <p>
            <a class="button" href={`/sign-in/github?to=${encodeURIComponent(to)}`}>
              Sign in with GitHub
            </a>
          </p>
        </>
      ) : (
        <>
          <p>
            This dashboard is for this machine alone. The log of the service shows a link that signs in once; open that.
          </p>
          <form method="post" action="/sign-in/link">
            <button type="submit">Print another link in the log</button>
          </form>
        </>
      )}
    </Notice>
  );
}
