import { createServer, type RequestListener } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import type { AddressInfo, Server } from 'node:net';
import { systemClock } from '../../src/clock.ts';
import type { EgressWall } from '../../src/sandbox/egress.ts';
import { createEgressWall, type EgressWallOptions } from '../../src/sandbox/egress-wall.ts';
import { docker, productImage } from './sandboxes.ts';

/** The name that granted services have in tests; it leads to this machine's loopback. */
export const serviceHost = 'svc.example';
export const loopbackExcepted = ['127.0.0.0/8'];

export interface LocalService extends AsyncDisposable {
  port: number;
  /** Connections that came in, of any kind. */
  connections: number;
}

/** A service on this machine, on its loopback unless `address` says otherwise. */
export async function startService(
  serve: RequestListener = (request, response) => response.end(`served ${request.url}\n`),
  options: { address?: string; tls?: { key: string; cert: string } } = {},
): Promise<LocalService> {
  const server = options.tls ? createSecureServer(options.tls, serve) : createServer(serve);
  const service: LocalService = {
    port: 0,
    connections: 0,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  (server as Server).on('connection', () => {
    service.connections += 1;
  });
  await new Promise<void>((resolve) => server.listen(0, options.address ?? '127.0.0.1', resolve));
  service.port = (server.address() as AddressInfo).port;
  return service;
}

/** A wall whose names all lead to this machine's loopback. */
export function localWall(options: Partial<EgressWallOptions> = {}): EgressWall {
  const log = { debug: () => {}, warn: () => {} };
  return createEgressWall({ clock: systemClock, log, resolve: async () => ['127.0.0.1'], ...options });
}

/** A key and a certificate for one name, signed by itself, made by the product image's openssl. */
export async function selfSigned(name: string): Promise<{ key: string; cert: string }> {
  const made = await docker(
    ...['run', '--rm', '--network', 'none', '--entrypoint', 'openssl', productImage],
    ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'],
    ...['-subj', `/CN=${name}`, '-addext', `subjectAltName=DNS:${name}`, '-keyout', '-', '-out', '-'],
  );
  const at = made.indexOf('-----BEGIN CERTIFICATE-----');
  return { key: made.slice(0, at), cert: made.slice(at) };
}
