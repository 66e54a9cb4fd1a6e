import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:net';
import type { Logger } from 'pino';
import { Probot, Server } from 'probot';
import type { Database } from './engine/database.ts';
import { receiveDelivery } from './engine/inbox.ts';
import { asMillwrightError, MillwrightError } from './errors.ts';
import type { Tally } from './tally.ts';

/** Answers a request and returns true, or leaves it to the next handler. */
export type HttpHandler = (request: IncomingMessage, response: ServerResponse) => boolean | Promise<boolean>;

export interface WebAddress {
  host: string;
  port: number;
}

export interface AppOptions extends WebAddress {
  appId: number;
  privateKey: string;
  webhookSecret: string;
  apiUrl: string;
  log: Logger;
  tally: Tally;
}

/**
 * The HTTP face: Probot checks each webhook's signature; the inbox makes it durable; only then it is answered.
 * A store that cannot write answers 500, so that GitHub records the delivery as failed and reconciliation asks for it again.
 */
export async function startApp(
  options: AppOptions,
  db: Database,
  handlers: readonly HttpHandler[],
): Promise<RunningApp> {
  const server = new Server({
    host: options.host,
    // Probot takes port 0 for "none given"; tests and `PORT=0` mean any free one.
    port: options.port === 0 ? await freePort(options.host) : options.port,
    // Probot logs every request with all its headers, and what it refuses with the whole payload of a stranger, and takes
    // no option for it: what matters is told below.
    log: options.log.child({}, { level: 'fatal' }),
    enablePing: false,
    enableStaticFiles: false,
    Probot: Probot.defaults({
      appId: options.appId,
      privateKey: options.privateKey,
      secret: options.webhookSecret,
      baseUrl: options.apiUrl,
    }),
  });
  await server.load((probot, { addHandler }) => {
    probot.onAny(async ({ id, name, payload }) => {
      const kind = await inTime(receiveDelivery(db, { id, event: name, payload: JSON.stringify(payload) }));
      options.tally.count('millwright_deliveries_received_total', { event: name, kind });
      options.log.info({ delivery: id, event: name, kind }, 'delivery received');
    });
    probot.onError((error) => {
      const [first] = error.errors;
      const isUnsigned = first !== undefined && 'status' in first && first.status === 400;
      options.tally.count('millwright_deliveries_refused_total', { reason: isUnsigned ? 'signature' : 'store' });
      if (isUnsigned)
        options.log.warn({ delivery: error.event.id }, 'a delivery without a valid signature was refused');
      else {
        const { code, message } = asMillwrightError(first ?? error);
        options.log.error({ delivery: error.event.id, code, reason: message }, 'a delivery could not be stored');
      }
    });
    for (const handler of handlers) addHandler(answering(handler, options.log));
  });
  await server.start();
  options.log.info({ port: server.port }, `Listening on http://${server.host}:${server.port}`);
  return { host: server.host, port: server.port, stop: () => server.stop() };
}

export interface RunningApp extends WebAddress {
  stop(): Promise<void>;
}

/** Probot answers 202 after nine seconds whatever becomes of a delivery: before that, not written means 500. */
const writeTimeoutMs = 8_000;

async function inTime<T>(writing: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(
      () => reject(new MillwrightError('outside.database', { message: 'the store did not write in time' })),
      writeTimeoutMs,
    );
  });
  return Promise.race([writing, late]).finally(() => clearTimeout(timer));
}

/** A handler that fails answers 500, and the log tells why. */
function answering(handler: HttpHandler, log: Logger): HttpHandler {
  return async (request, response) => {
    try {
      return await handler(request, response);
    } catch (error) {
      log.error({ err: asMillwrightError(error), method: request.method }, 'a request could not be answered');
      if (!response.headersSent) response.writeHead(500);
      response.end();
      return true;
    }
  };
}

async function freePort(host: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer().once('error', reject);
    probe.listen(0, host, () => {
      const address = probe.address();
      probe.close(() => resolve(typeof address === 'object' && address ? address.port : 0));
    });
  });
}
