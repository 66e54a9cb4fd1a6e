import { spawn } from 'node:child_process';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { gitEnvironment } from './bare-repository.ts';

export interface GitRequest {
  projectRoot: string;
  /** Path inside the project root, `/owner/name.git/info/refs`. */
  pathInfo: string;
  query: string;
  user: string;
  /** Whether the credentials may change `.github/workflows`. */
  workflows: boolean;
  /** Runs after git has ended and before the client is told so: whoever sees the push succeed sees its effects. */
  finished: () => Promise<void>;
  /** Whether the answer is kept back: git does its work and the client hears nothing of it. */
  unheard: boolean;
  /** Pattern of refs that are refused. */
  protectedRefs: string;
}

/** Answers one smart-HTTP request by `git http-backend` (CGI). */
export async function serveGit(request: IncomingMessage, response: ServerResponse, options: GitRequest): Promise<void> {
  // Gone while it was kept waiting: git would look for the rest of its body for ever, at full speed.
  if (request.destroyed) return;
  const header = (name: string): string => String(request.headers[name] ?? '');
  const child = spawn('git', ['http-backend'], {
    env: gitEnvironment({
      HOME: options.projectRoot,
      GIT_PROJECT_ROOT: options.projectRoot,
      GIT_HTTP_EXPORT_ALL: '1',
      PATH_INFO: options.pathInfo,
      QUERY_STRING: options.query,
      REQUEST_METHOD: request.method ?? 'GET',
      CONTENT_TYPE: header('content-type'),
      ...(header('content-length') ? { CONTENT_LENGTH: header('content-length') } : {}),
      HTTP_CONTENT_ENCODING: header('content-encoding'),
      GIT_PROTOCOL: header('git-protocol'),
      REMOTE_USER: options.user,
      REMOTE_ADDR: '127.0.0.1',
      STAND_IN_PROTECTED: options.protectedRefs,
      STAND_IN_WORKFLOWS: options.workflows ? 'yes' : 'no',
    }),
  });
  request.pipe(child.stdin);
  child.stdin.on('error', () => undefined);
  response.on('close', () => {
    if (!response.writableFinished) child.kill();
  });
  await new Promise<void>((resolve, reject) => {
    let head: Buffer | null = Buffer.alloc(0);
    child.stdout.on('data', (chunk: Buffer) => {
      if (options.unheard) return;
      if (head === null) {
        if (!response.write(chunk)) {
          child.stdout.pause();
          response.once('drain', () => child.stdout.resume());
        }
        return;
      }
      head = Buffer.concat([head, chunk]);
      const end = head.indexOf('\r\n\r\n');
      if (end < 0) return;
      writeHead(response, head.subarray(0, end).toString('utf8'));
      response.write(head.subarray(end + 4));
      head = null;
    });
    child.on('error', reject);
    child.on('close', () => {
      options.finished().then(() => {
        if (!options.unheard) {
          if (!response.headersSent) response.writeHead(500);
          response.end();
        }
        resolve();
      }, reject);
    });
  });
}

function writeHead(response: ServerResponse, head: string): void {
  let status = 200;
  for (const line of head.split('\r\n')) {
    const colon = line.indexOf(':');
    const [name, value] = [line.slice(0, colon).trim(), line.slice(colon + 1).trim()];
    if (name.toLowerCase() === 'status') status = Number.parseInt(value, 10);
    else if (name) response.setHeader(name, value);
  }
  response.writeHead(status);
}
