import { createHash } from 'node:crypto';
import type { ContainerCreateOptions } from 'dockerode';
import type { SandboxLimits } from './sandbox.ts';
import { initScript, workdir } from './shell-script.ts';

export const labels = {
  instance: 'millwright.instance',
  run: 'millwright.run',
  purpose: 'millwright.purpose',
  deadline: 'millwright.deadline',
  checkout: 'millwright.checkout',
  setup: 'millwright.setup',
  flat: 'millwright.flat',
  /** Run that alone may use this image. */
  private: 'millwright.private',
} as const;

/** User and group of every command. */
export const agentUser = '1000:1000';

/** The first process has a user of its own: no command can trace, stop or impersonate it, and whatever else is left is a command's. */
const initUser = '1001:1001';

/** Folder in memory for what only containers with network get. */
export const networkFolder = '/run/millwright';

export interface ContainerRequest {
  instance: string;
  run: string;
  purpose: string;
  epoch: number;
  image: string;
  limits: SandboxLimits;
  deadlineMs: number;
  runtime?: string | undefined;
  /** `VAR=value` lines of the image's own environment. */
  imageEnv: readonly string[];
  hasNetwork: boolean;
  /** A set-up: its files are to stay in the layer, so it gets no `/tmp` in memory. Its commands run as root if `root`. */
  setup?: { root: boolean };
}

const maxNamePart = 60;

/** A part of a container name: valid characters, bounded, still distinct when cut. */
function namePart(text: string): string {
  const clean = text.replaceAll(/[^a-zA-Z0-9_.-]/g, '-');
  if (clean === text && text.length <= maxNamePart) return text;
  return `${clean.slice(0, maxNamePart - 9)}-${createHash('sha256').update(text).digest('hex').slice(0, 8)}`;
}

export function containerName(request: Pick<ContainerRequest, 'instance' | 'run' | 'purpose' | 'epoch'>): string {
  return `millwright-${namePart(request.instance)}-${namePart(request.run)}-${namePart(request.purpose)}-e${request.epoch}`;
}

/** Whose a container is and until when, for whoever removes what is left. */
export function ownLabels(
  request: Pick<ContainerRequest, 'instance' | 'run' | 'purpose' | 'deadlineMs'>,
): Record<string, string> {
  return {
    [labels.instance]: request.instance,
    [labels.run]: request.run,
    [labels.purpose]: request.purpose,
    [labels.deadline]: String(request.deadlineMs),
  };
}

/** What a root set-up needs for package managers. Never given to an agent's or a check's container. */
const rootSetupCapabilities = ['CHOWN', 'DAC_OVERRIDE', 'FOWNER', 'FSETID', 'SETGID', 'SETUID'];

/** Everything that makes the walls of one container. User, entry point, health check and labels of the image never apply. */
export function createOptions(request: ContainerRequest): ContainerCreateOptions {
  const { limits, setup } = request;
  return {
    name: containerName(request),
    Image: request.image,
    // An exec gets capabilities only in a container whose own user is root.
    User: setup?.root ? '0:0' : initUser,
    Hostname: 'sandbox',
    WorkingDir: workdir,
    Entrypoint: ['/bin/sh', '-c', initScript],
    Cmd: [],
    Env: containerEnv(request.imageEnv),
    Labels: ownLabels(request),
    // An image without `sleep` waits on this input, which never comes.
    OpenStdin: true,
    Healthcheck: { Test: ['NONE'] },
    // The first process ignores all else; an engine that shuts down need not wait for it.
    StopSignal: 'SIGKILL',
    HostConfig: {
      NetworkMode: 'none',
      CapDrop: ['ALL'],
      CapAdd: setup?.root ? rootSetupCapabilities : [],
      SecurityOpt: ['no-new-privileges'],
      Privileged: false,
      PidsLimit: limits.pids,
      Memory: limits.memoryBytes,
      MemorySwap: limits.memoryBytes,
      NanoCpus: Math.round(limits.cpus * 1e9),
      Ulimits: [
        { Name: 'nofile', Soft: 4096, Hard: 4096 },
        { Name: 'fsize', Soft: limits.diskBytes, Hard: limits.diskBytes },
        { Name: 'core', Soft: 0, Hard: 0 },
      ],
      Tmpfs: tmpfs(request),
      ShmSize: 64 * 1024 ** 2,
      IpcMode: 'private',
      LogConfig: { Type: 'none', Config: {} },
      RestartPolicy: { Name: 'no' },
      // Not tini: a `kill -9 -1` from inside would end the container with it. The first process is a shell instead.
      Init: false,
      ...(request.runtime ? { Runtime: request.runtime } : {}),
    },
  };
}

function tmpfs(request: ContainerRequest): Record<string, string> {
  const mounts: Record<string, string> = {};
  // Memory of these mounts counts against the container's limit.
  if (!request.setup)
    mounts['/tmp'] = `rw,exec,nosuid,nodev,mode=1777,size=${Math.floor(request.limits.memoryBytes / 4)}`;
  if (request.hasNetwork) mounts[networkFolder] = 'rw,noexec,nosuid,nodev,mode=1777,size=8388608';
  return mounts;
}

/** Variables of an image that change how shells and loaders start, or that send traffic elsewhere. */
const refusedVariable =
  /^(ENV|BASH_ENV|SHELLOPTS|BASHOPTS|PS4|IFS|LD_.*|.*_proxy|HOME|USER|LOGNAME|SHELL|TERM|HOSTNAME)$/i;

/** The image's tool variables stay (PATH, GOPATH, JAVA_HOME …); a name without `=` takes a variable away. */
function containerEnv(imageEnv: readonly string[]): string[] {
  const refused = imageEnv.map((line) => line.slice(0, line.indexOf('='))).filter((name) => refusedVariable.test(name));
  // Texts are UTF-8. With LANG each shell would load every category of its locale, which takes a quarter of its start.
  return ['CI=true', 'LC_CTYPE=C.UTF-8', 'LANG', ...refused.filter((name) => name.toUpperCase() !== 'HOME')];
}
