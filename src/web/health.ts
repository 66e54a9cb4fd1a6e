import { timingSafeEqual } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Database } from '../engine/database.ts';
import { asMillwrightError } from '../errors.ts';

export interface Readiness {
  ready: boolean;
  /** What is not ready, in words for the operator. */
  reasons: string[];
}

/**
 * `GET /healthz`: the process answers. `GET /readyz`: the store does too, and runs may be begun (`pause` tells why not); the
 * reasons only for this machine or with the token.
 */
export function healthHandler(
  db: Database,
  metricsToken: string | null,
  pause: () => Promise<{ reason: string } | null>,
) {
  return async (request: IncomingMessage, response: ServerResponse): Promise<boolean> => {
    const { pathname } = new URL(request.url ?? '/', 'http://localhost');
    if (request.method !== 'GET' && request.method !== 'HEAD') return false;
    if (pathname === '/healthz') return send(response, 200, { ok: true });
    if (pathname !== '/readyz') return false;
    const { ready, reasons } = await readiness(db, pause);
    const details = maySeeDetails(request, metricsToken) ? { ready, reasons } : { ready };
    return send(response, ready ? 200 : 503, details);
  };
}

async function readiness(db: Database, pause: () => Promise<{ reason: string } | null>): Promise<Readiness> {
  const store = await db.all('SELECT 1').then(
    () => [],
    (error: unknown) => [`store: ${asMillwrightError(error).message}`],
  );
  const paused = await pause();
  const reasons = paused === null ? store : [...store, paused.reason];
  return { ready: reasons.length === 0, reasons };
}

/** Loopback, unless a proxy in front hides who asks; or the bearer token. */
export function maySeeDetails(request: IncomingMessage, token: string | null): boolean {
  const given = /^Bearer (.+)$/.exec(request.headers.authorization ?? '')?.[1];
  if (token !== null && given !== undefined) {
    const [left, right] = [Buffer.from(given), Buffer.from(token)];
    if (left.length === right.length && timingSafeEqual(left, right)) return true;
  }
  const from = request.socket.remoteAddress ?? '';
  const forwarded = request.headers['x-forwarded-for'] !== undefined || request.headers.forwarded !== undefined;
  return !forwarded && (from === '127.0.0.1' || from === '::1' || from === '::ffff:127.0.0.1');
}

function send(response: ServerResponse, status: number, body: object): true {
  response.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store' });
  response.end(JSON.stringify(body));
  return true;
}
