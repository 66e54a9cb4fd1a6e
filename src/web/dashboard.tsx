/** @jsxImportSource hono/jsx */
import { readFileSync } from 'node:fs';
import { type Context, Hono } from 'hono';
import { secureHeaders } from 'hono/secure-headers';
import type { HttpHandler } from '../app.ts';
import { type Doors, repositoryKey } from '../doors.ts';
import { idOf } from '../engine/repositories.ts';
import { asMillwrightError } from '../errors.ts';
import { createAccess, isThisMachine, SessionOver } from './access.ts';
import { addActionRoutes } from './action-routes.tsx';
import { type Frame, Notice } from './layout.tsx';
import { addLessonsRoutes } from './lessons-routes.tsx';
import { addListRoutes } from './list-routes.tsx';
import { createStreams } from './live-log.ts';
import { answerWith } from './node-bridge.ts';
import { addRunRoutes } from './run-routes.tsx';
import { addSignInRoutes } from './sign-in-routes.tsx';
import { addTrendsRoutes } from './trends-routes.tsx';
import { forget, isSecure, type WebContext, type WebEnvironment, type WebParts } from './web-context.ts';

export interface Dashboard {
  /** For the HTTP server; leaves what is not its own to others. */
  handler: HttpHandler;
  /** The same without a server. */
  app: Hono<WebEnvironment>;
  /** Path of a link that signs in whoever opens it first, at this machine; null where people sign in with GitHub. */
  newLink(): string | null;
  /** Ends the streams, so that the server can stop. */
  close(): void;
}

const assets: Readonly<Record<string, string>> = {
  'dashboard.css': 'text/css; charset=utf-8',
  'dashboard.mjs': 'text/javascript; charset=utf-8',
  'mark.svg': 'image/svg+xml',
};

/** Paths that are the dashboard's; every other one is somebody else's, or nobody's. */
const ours = /^\/(?:$|runs(?:\/|$)|lessons$|trends$|sign-in(?:\/|$)|sign-out$|assets\/)/;

/** Pages for people: server-made, escaped, under a policy that forbids everything inline; two static files, no bundler. */
export function createDashboard(doors: Doors, options: { secret: string | undefined }): Dashboard {
  const access = createAccess({
    signIn: doors.github.signIn,
    secret: options.secret,
    secure: isSecure(doors),
    clock: doors.clock,
    numberOf: (ref) => idOf(doors.db, repositoryKey(doors.host.githubHost, ref)),
  });
  const streams = createStreams({ all: 200, perViewer: 12 });
  const app = routesOf({ doors, access, streams });
  return {
    app,
    handler: async (request, response) => {
      const [path = '/'] = (request.url ?? '/').split('?', 1);
      if (!ours.test(path)) return false;
      await answerWith(request, response, (asked, peer) => app.fetch(asked, { peer }));
      return true;
    },
    newLink: () => (access.mode === 'link' ? `/sign-in/link?key=${access.newKey()}` : null),
    close: () => streams.close(),
  };
}

function routesOf(parts: WebParts): Hono<WebEnvironment> {
  const { doors, access } = parts;
  const app = new Hono<WebEnvironment>();
  app.use(
    secureHeaders({
      contentSecurityPolicy: {
        defaultSrc: ["'none'"],
        scriptSrc: ["'self'"],
        styleSrc: ["'self'"],
        imgSrc: ["'self'"],
        connectSrc: ["'self'"],
        formAction: ["'self'"],
        baseUri: ["'none'"],
        frameAncestors: ["'none'"],
      },
      xFrameOptions: 'DENY',
      // Not `no-referrer`: browsers would then leave the origin out of our own forms as well.
      referrerPolicy: 'same-origin',
      strictTransportSecurity: isSecure(doors) ? 'max-age=31536000' : false,
      permissionsPolicy: { camera: [], geolocation: [], microphone: [] },
    }),
  );
  app.use(async (c, next) => {
    await next();
    if (!c.res.headers.has('cache-control')) c.res.headers.set('cache-control', 'no-store');
  });
  addAssets(app);
  app.use(async (c, next) => {
    if (access.mode === 'link' && !isThisMachine(c.env.peer, c.req.header('host'))) return c.html(onlyHere(), 403);
    return next();
  });
  addSignInRoutes(app, parts);
  addListRoutes(app, parts);
  addLessonsRoutes(app, parts);
  addTrendsRoutes(app, parts);
  addRunRoutes(app, parts);
  addActionRoutes(app, parts);
  app.notFound((c) => c.html(notFound(), 404));
  app.onError((error, c) => failed(error, c, parts));
  return app;
}

function addAssets(app: Hono<WebEnvironment>): void {
  for (const [name, type] of Object.entries(assets)) {
    const text = readFileSync(new URL(`./assets/${name}`, import.meta.url));
    const headers = { 'content-type': type, 'cache-control': 'max-age=300' };
    app.get(`/assets/${name}`, () => new Response(text, { headers }));
  }
}

const bare = (title: string): Frame => ({ title, viewer: null, csrf: '', here: null });

/** The same for what does not exist and for what the viewer may not see. */
const notFound = () => (
  <Notice frame={bare('Not found')} heading="Not found">
    <p>There is no such page, or you cannot read its repository on GitHub.</p>
    <p>
      <a href="/">All runs</a>
    </p>
  </Notice>
);

const onlyHere = () => (
  <Notice frame={bare('Only at this machine')} heading="Only at this machine">
    <p>
      This installation has no sign-in with GitHub, so its dashboard is shown to this machine alone, at{' '}
      <code>localhost</code>. To open it to others, set <code>GITHUB_CLIENT_ID</code> and{' '}
      <code>GITHUB_CLIENT_SECRET</code>.
    </p>
  </Notice>
);

function failed(error: unknown, c: Context<WebEnvironment>, { doors, access }: WebParts): Response | Promise<Response> {
  if (error instanceof SessionOver) {
    forget(c as WebContext, access, doors);
    return c.redirect('/sign-in', 303);
  }
  const known = asMillwrightError(error);
  doors.log.error({ err: known, path: c.req.path }, 'a page could not be made');
  const away = known.code === 'outside.github' || known.code === 'outside.database';
  return c.html(
    <Notice frame={bare('Not now')} heading={away ? 'Not now' : 'Something went wrong'}>
      <p>
        {away
          ? 'GitHub or the store did not answer. Try again in a moment.'
          : 'This page could not be made. The log of the service says why.'}
      </p>
    </Notice>,
    away ? 503 : 500,
  );
}
