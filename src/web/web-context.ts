import type { Context } from 'hono';
import { deleteCookie, getCookie, setCookie } from 'hono/cookie';
import type { Doors } from '../doors.ts';
import { getRun } from '../engine/runs.ts';
import type { Role } from '../github/github.ts';
import type { Run } from '../run.ts';
import type { Access, Viewer } from './access.ts';
import type { Frame } from './layout.tsx';
import type { Streams } from './live-log.ts';
import type { Peer } from './node-bridge.ts';
import { sameText } from './sealed.ts';

/** What a request brings beside itself. */
export interface WebEnvironment {
  Bindings: { peer: Peer };
}
export type WebContext = Context<WebEnvironment>;

/** What all routes work with. */
export interface WebParts {
  doors: Doors;
  access: Access;
  streams: Streams;
}

/** Whether people reach the app by TLS, which a proxy in front ends. */
export const isSecure = (doors: Pick<Doors, 'host'>): boolean => doors.host.publicUrl?.startsWith('https:') ?? false;

export function viewerOf(c: WebContext, access: Access): Viewer | null {
  return access.viewerOf(getCookie(c, access.cookieName));
}

export function remember(c: WebContext, access: Access, doors: Doors, session: string): void {
  const secure = isSecure(doors);
  const options = { httpOnly: true, sameSite: 'Lax' as const, path: '/', secure, maxAge: access.sessionS };
  setCookie(c, access.cookieName, session, options);
}

export function forget(c: WebContext, access: Access, doors: Doors): void {
  deleteCookie(c, access.cookieName, { path: '/', secure: isSecure(doors) });
}

/** Where somebody who is not signed in is sent, and comes back from. */
export function toSignIn(c: WebContext): Response {
  const url = new URL(c.req.url);
  const back = c.req.method === 'GET' && url.pathname !== '/' ? `?to=${encodeURIComponent(url.pathname)}` : '';
  return c.redirect(`/sign-in${back}`, 303);
}

/** Only a path of our own: `//host` and `/\host` would lead elsewhere. */
export const ownPath = (to: string | undefined): string => (to && /^\/(?![/\\])[\w\-./%]*$/.test(to) ? to : '/');

export function frameOf(viewer: Viewer, access: Access, title: string, here: Frame['here']): Frame {
  return { title, viewer, csrf: access.seal.tokenOf(`csrf ${viewer.session}`), here };
}

/** A run that the viewer can read, with what they may do in its repository. Null for every other one, whether or not it exists. */
export async function readableRun(
  id: string | undefined,
  viewer: Viewer,
  { db }: Pick<Doors, 'db'>,
  access: Access,
): Promise<{ run: Run; role: Role } | null> {
  const run = id === undefined ? null : await getRun(db, id);
  if (run === null) return null;
  const role = await access.roleOf(viewer, run);
  return role === 'none' ? null : { run, role };
}

/**
 * Whether a form was sent by one of our own pages in the viewer's session: the token of the session is in it, and the
 * browser says that it comes from here.
 */
export function isOwnForm(c: WebContext, viewer: Viewer, access: Access, doors: Doors, csrf: unknown): boolean {
  const origin = c.req.header('origin');
  const site = c.req.header('sec-fetch-site');
  const own = [new URL(c.req.url).host, doors.host.publicUrl === null ? null : new URL(doors.host.publicUrl).host];
  if (origin === undefined || !URL.canParse(origin) || !own.includes(new URL(origin).host)) return false;
  if (site !== undefined && site !== 'same-origin') return false;
  return typeof csrf === 'string' && sameText(csrf, access.seal.tokenOf(`csrf ${viewer.session}`));
}
