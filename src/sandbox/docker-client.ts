import Docker from 'dockerode';
import { MillwrightError } from '../errors.ts';

/** Where the engine listens; absent values are taken from nowhere, so the caller decides alone. */
export interface DockerAddress {
  socketPath?: string;
  protocol?: 'http' | 'https';
  host?: string;
  port?: number;
}

export interface SandboxLog {
  debug(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

const defaultSocket = '/var/run/docker.sock';

/** Reads a DOCKER_HOST value (`unix://…`, `tcp://…`, `http://…`, `https://…`). Throws TypeError on anything else. */
export function parseDockerHost(dockerHost: string | undefined): DockerAddress {
  if (!dockerHost) return { socketPath: defaultSocket };
  if (dockerHost.startsWith('unix://')) return { socketPath: dockerHost.slice('unix://'.length) || defaultSocket };
  const url = new URL(dockerHost.includes('://') ? dockerHost : `tcp://${dockerHost}`);
  if (!['tcp:', 'http:', 'https:'].includes(url.protocol)) {
    throw new TypeError(`DOCKER_HOST: ${url.protocol} is not supported; use unix:// or tcp://`);
  }
  const secure = url.protocol === 'https:' || url.port === '2376';
  return { protocol: secure ? 'https' : 'http', host: url.hostname, port: Number(url.port || (secure ? 2376 : 2375)) };
}

/** A client for exactly that address. dockerode itself would fall back to the process's DOCKER_HOST, hence the explicit blanks. */
export function connectDocker(address: DockerAddress): Docker {
  return new Docker({
    socketPath: address.host ? undefined : (address.socketPath ?? defaultSocket),
    host: address.host,
    port: address.port,
    protocol: address.protocol ?? 'http',
  });
}

/** HTTP status of an engine's refusal, or undefined when it was no HTTP answer. */
export function statusOf(error: unknown): number | undefined {
  const status = (error as { statusCode?: unknown } | null)?.statusCode;
  return typeof status === 'number' ? status : undefined;
}

const unreachable = new Set(['ECONNREFUSED', 'ENOENT', 'EACCES', 'ENOTFOUND', 'EHOSTUNREACH', 'ETIMEDOUT']);

/** An engine error as ours: nobody listening is `outside.no-engine`, the rest `outside.sandbox`. */
export function engineError(error: unknown, doing: string): MillwrightError {
  if (error instanceof MillwrightError) return error;
  const code = (error as { code?: unknown } | null)?.code;
  const reason = error instanceof Error ? error.message : String(error);
  const gone = typeof code === 'string' && unreachable.has(code);
  return new MillwrightError(gone ? 'outside.no-engine' : 'outside.sandbox', {
    message: `${doing}: ${reason.trim()}`,
    cause: error,
  });
}

/** How long a plain engine call may take before the engine counts as gone. An engine once hung for 45 minutes on a bad pause. */
const engineCallMs = 60_000;

/** Awaits one engine call with a deadline; every failure comes out as a MillwrightError. */
export async function engineCall<T>(doing: string, call: Promise<T>, timeoutMs = engineCallMs): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const deadline = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer in ${timeoutMs} ms`)), timeoutMs);
  });
  try {
    return await Promise.race([call, deadline]);
  } catch (error) {
    throw engineError(error, doing);
  } finally {
    clearTimeout(timer);
  }
}

/** The same, but an answer of 404 is `undefined`. */
export async function engineLookup<T>(doing: string, call: Promise<T>): Promise<T | undefined> {
  try {
    return await engineCall(doing, call);
  } catch (error) {
    if (statusOf((error as MillwrightError).cause) === 404) return undefined;
    throw error;
  }
}
