import { createHash, randomBytes } from 'node:crypto';
import { z } from 'zod';
import type { Clock } from '../clock.ts';
import { repositoryKey } from '../doors.ts';
import type { Role, SignIn } from '../github/github.ts';
import { createSeal, randomText, type Seal, sameText } from './sealed.ts';

/** Somebody who signed in. */
export interface Viewer {
  /** As whom what they do is recorded. */
  login: string;
  /** By which GitHub says what they may see; null for whoever sits at this machine and opened the one-time link. */
  token: string | null;
  /** Random, of this session alone: tokens in forms are made from it. */
  session: string;
}

/** The person's session is over: GitHub does not take their token any more. */
export class SessionOver extends Error {}

/** Who asks, and what they may see. */
export interface Access {
  /** `github`: everybody with an account of the host, for the repositories that they can read. `link`: this machine alone. */
  readonly mode: 'github' | 'link';
  readonly seal: Seal;
  /**
   * Name of the session's cookie. Where people come by TLS it has the prefix by which browsers take it from this very host
   * alone: under any other name a neighbour on the same domain could sign them in as somebody else.
   */
  readonly cookieName: string;
  viewerOf(cookie: string | undefined): Viewer | null;
  /** The cookie of a new session. */
  begin(login: string, token: string | null): string;
  /** How long a session lasts, in seconds. */
  readonly sessionS: number;
  /** `none`: they cannot see it. GitHub is asked at most once a minute for each. Errors: SessionOver, `outside.github`. */
  roleOf(viewer: Viewer, ref: { owner: string; name: string }): Promise<Role>;
  /** The part of the one-time link that only its reader knows; the one before is void. */
  newKey(): string;
  /** True once. */
  takeKey(key: string): boolean;
}

/** As long as GitHub's own tokens of people. */
const sessionS = 8 * 3600;
const roleKeptMs = 60_000;
const mostRoles = 10_000;

const sessionShape = z.object({
  login: z.string(),
  token: z.string().nullable(),
  session: z.string(),
  untilMs: z.number(),
});

export function createAccess(options: {
  signIn: SignIn | null;
  /** The same in every process; absent where sessions end with the process. */
  secret: string | undefined;
  /** Whether people reach the app by TLS. */
  secure: boolean;
  clock: Pick<Clock, 'nowMs'>;
  /** GitHub's number of the repository whose runs are kept under a name; null when it is not known. */
  numberOf: (ref: { owner: string; name: string }) => Promise<number | null>;
}): Access {
  const { signIn, clock } = options;
  const seal = createSeal(options.secret ?? randomBytes(32));
  const roles = createRoles(signIn, options);
  let key: string | null = null;
  return {
    mode: signIn === null ? 'link' : 'github',
    seal,
    cookieName: options.secure ? '__Host-millwright' : 'millwright',
    sessionS,
    viewerOf(cookie) {
      const opened = cookie === undefined ? null : sessionShape.safeParse(seal.open('session', cookie)).data;
      if (!opened || opened.untilMs <= clock.nowMs()) return null;
      // Who came by the link sees everything: that is no session where people sign in.
      if ((opened.token === null) !== (signIn === null)) return null;
      return { login: opened.login, token: opened.token, session: opened.session };
    },
    begin: (login, token) =>
      seal.close('session', { login, token, session: randomText(), untilMs: clock.nowMs() + sessionS * 1000 }),
    roleOf: roles,
    newKey() {
      key = randomText();
      return key;
    },
    takeKey(given) {
      if (key === null || !sameText(given, key)) return false;
      key = null;
      return true;
    },
  };
}

function createRoles(
  signIn: SignIn | null,
  { clock, numberOf }: Pick<Parameters<typeof createAccess>[0], 'clock' | 'numberOf'>,
): Access['roleOf'] {
  const kept = new Map<string, { role: Promise<Role>; untilMs: number }>();
  return async (viewer, ref) => {
    if (signIn === null || viewer.token === null) return 'admin';
    const { token } = viewer;
    const id = await numberOf(ref);
    const key = `${createHash('sha256').update(token).digest('hex')} ${repositoryKey('', ref)} ${id}`;
    const known = kept.get(key);
    if (known && known.untilMs > clock.nowMs()) return await known.role;
    const role = signIn.roleIn(token, ref, id).then((found) => {
      if (found === null) throw new SessionOver();
      return found;
    });
    // What failed is asked again by the next request.
    role.catch(() => kept.delete(key));
    if (kept.size >= mostRoles) kept.delete(kept.keys().next().value as string);
    kept.set(key, { role, untilMs: clock.nowMs() + roleKeptMs });
    return await role;
  };
}

const loopback = new Set(['127.0.0.1', '::1', '::ffff:127.0.0.1']);
const ownNames = /^(?:localhost|127\.0\.0\.1|\[::1\])(?::\d+)?$/i;

/**
 * Whether somebody at this machine asks for it by one of its own names. Another name that leads here may be a page's that lets
 * its own name point to this machine, to read what is here with the reader's browser.
 */
export function isThisMachine(peer: { address: string; forwarded: boolean }, host: string | undefined): boolean {
  return loopback.has(peer.address) && !peer.forwarded && ownNames.test(host ?? '');
}
