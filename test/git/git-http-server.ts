import { spawn } from 'node:child_process';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';

export interface GitHttpServer {
  /** Address of a repository below the project root. */
  url(name: string): string;
  origin: string;
  /** Every request so far, with the credentials that it carried. */
  requests: { method: string; path: string; authorization: string | undefined }[];
  /** Answers instead of git when it returns true. */
  answer: ((request: IncomingMessage, response: ServerResponse) => boolean) | undefined;
}

/** The smart HTTP protocol by git's own CGI program. With `token`, only for who shows it. */
export async function startGitHttpServer(
  projectRoot: string,
  options: { token?: string } = {},
): Promise<GitHttpServer> {
  const server = createServer((request, response) => {
    handle.requests.push({
      method: request.method ?? '',
      path: request.url ?? '',
      authorization: request.headers.authorization,
    });
    if (handle.answer?.(request, response)) return;
    const expected = `Basic ${Buffer.from(`x-access-token:${options.token}`).toString('base64')}`;
    if (options.token && request.headers.authorization !== expected) {
      response.writeHead(401, { 'www-authenticate': 'Basic realm="GitHub"' }).end('no');
      return;
    }
    serve(projectRoot, request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const handle: GitHttpServer = { origin, url: (name) => `${origin}/${name}`, requests: [], answer: undefined };
  return handle;
}

function serve(projectRoot: string, request: IncomingMessage, response: ServerResponse): void {
  const url = new URL(request.url ?? '/', 'http://localhost');
  const child = spawn('git', ['http-backend'], {
    env: {
      PATH: process.env.PATH,
      GIT_PROJECT_ROOT: projectRoot,
      GIT_HTTP_EXPORT_ALL: '1',
      GIT_CONFIG_GLOBAL: '/dev/null',
      GIT_CONFIG_NOSYSTEM: '1',
      GIT_CONFIG_COUNT: '1',
      GIT_CONFIG_KEY_0: 'http.receivepack',
      GIT_CONFIG_VALUE_0: 'true',
      PATH_INFO: decodeURIComponent(url.pathname),
      QUERY_STRING: url.search.slice(1),
      REQUEST_METHOD: request.method,
      CONTENT_TYPE: request.headers['content-type'] ?? '',
      HTTP_CONTENT_ENCODING: request.headers['content-encoding'] ?? '',
      ...(request.headers['content-length'] ? { CONTENT_LENGTH: request.headers['content-length'] } : {}),
      GIT_PROTOCOL: String(request.headers['git-protocol'] ?? ''),
      REMOTE_USER: 'someone',
    },
  });
  child.stdin.on('error', () => undefined);
  request.pipe(child.stdin);
  const chunks: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
  child.once('close', () => {
    const out = Buffer.concat(chunks);
    const split = out.indexOf('\r\n\r\n');
    const headers = out.subarray(0, split).toString().split('\r\n');
    const status = headers.find((line) => line.startsWith('Status: '))?.slice('Status: '.length) ?? '200';
    for (const line of headers.filter((header) => !header.startsWith('Status: '))) {
      const [name = '', value = ''] = line.split(/: (.*)/);
      if (name) response.setHeader(name, value);
    }
    response.writeHead(Number.parseInt(status, 10)).end(out.subarray(split + 4));
  });
}
