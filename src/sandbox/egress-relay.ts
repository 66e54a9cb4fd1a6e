import { readFileSync } from 'node:fs';
import type Docker from 'dockerode';
import type { ContainerCreateOptions, ContainerInspectInfo } from 'dockerode';
import { MillwrightError } from '../errors.ts';
import { labels } from './container-options.ts';
import { engineCall, engineLookup, statusOf } from './docker-client.ts';
import { AttachedStream } from './egress-attached-stream.ts';
import { removeContainer } from './reaper.ts';

/** Where the proxy is found inside the sandbox. */
export const relayPort = 3128;

/** Another user than the sandbox's: they share no processes, but nothing has to be shared. */
const relayUser = '65534:65534';

/** Runtimes whose containers have a network stack of their own, which a second container cannot join. */
const separateNetworkStack = /runsc|gvisor|kata|firecracker/i;

export interface RelayRequest {
  docker: Docker;
  /** The started container whose loopback the relay serves. */
  container: { id: string; name: string };
  instance: string;
  image: string;
  maxConnections: number;
}

export interface StartedRelay {
  attached: AttachedStream;
  remove: () => Promise<void>;
}

/** Starts the relay beside a container. It has nothing of the host: its one way out is the stream that it is attached to. */
export async function startRelay(request: RelayRequest): Promise<StartedRelay> {
  const { docker } = request;
  const facts = await engineCall('look at the container', docker.getContainer(request.container.id).inspect());
  refuseUnlessWalled(facts);
  const container = await createRelay(request, facts);
  try {
    const raw = await engineCall(
      'attach to the relay',
      container.attach({ stream: true, stdin: true, stdout: true, stderr: true, hijack: true }),
    );
    const attached = new AttachedStream(raw);
    // Until the tunnel listens: an early end must not end the process.
    attached.on('error', () => attached.destroy());
    await engineCall('start the relay', container.start());
    return { attached, remove: () => removeContainer(container) };
  } catch (error) {
    await removeContainer(container);
    throw error;
  }
}

/** The wall is worth nothing beside another way out. */
function refuseUnlessWalled({ HostConfig, Name }: ContainerInspectInfo): void {
  const runtime = HostConfig.Runtime ?? '';
  if (HostConfig.NetworkMode !== 'none')
    throw new MillwrightError('bug.unexpected', { message: `${Name} has a network of its own` });
  if (separateNetworkStack.test(runtime)) {
    throw new MillwrightError('outside.sandbox', {
      message: `network for containers of the runtime ${runtime} is not supported: they share no loopback with the relay. Drop \`runtime\` or \`network.hosts\`.`,
    });
  }
}

async function createRelay(request: RelayRequest, sandbox: ContainerInspectInfo): Promise<Docker.Container> {
  const { docker, instance, image } = request;
  const options = await relayOptions(request, sandbox);
  for (let tries = 1; ; tries += 1) {
    try {
      return await engineCall('create the relay', docker.createContainer(options));
    } catch (error) {
      const status = statusOf((error as MillwrightError).cause);
      if (status === 404) {
        throw new MillwrightError('outside.sandbox', {
          message: `the image ${image}, which carries the relay for network access, is not on the Docker host: run script/sandbox-image there`,
          cause: error,
        });
      }
      if (status !== 409 || tries > 1) throw error;
      await removeLeftover(docker, instance, String(options.name));
    }
  }
}

async function removeLeftover(docker: Docker, instance: string, name: string): Promise<void> {
  const left = docker.getContainer(name);
  const facts = await engineLookup('look at an old relay', left.inspect());
  if (facts?.Config.Labels[labels.instance] !== instance) return;
  await removeContainer(left);
  // One that ended by itself may be going already; its name is free only when it is gone.
  await engineLookup('wait for an old relay to go', left.wait({ condition: 'removed' }));
}

/** Hardened as the sandbox, and more: it writes nothing. Its labels are the sandbox's, so that whoever reaps one reaps both. */
async function relayOptions(
  { docker, container, image, maxConnections }: RelayRequest,
  sandbox: ContainerInspectInfo,
): Promise<ContainerCreateOptions> {
  const memoryBytes = 192 * 1024 ** 2;
  const settings = { port: relayPort, maxConnections, direct: await forbiddenWays(docker) };
  const kept = [labels.instance, labels.run, labels.purpose, labels.deadline];
  return {
    name: relayName(container.name),
    Image: image,
    User: relayUser,
    WorkingDir: '/',
    Entrypoint: ['node', '--max-old-space-size=64', '--input-type=module', '-e', relaySource, '--'],
    Cmd: [JSON.stringify(settings)],
    Env: ['NODE_OPTIONS=', 'UV_THREADPOOL_SIZE=1'],
    Labels: Object.fromEntries(kept.map((label) => [label, sandbox.Config.Labels[label] ?? ''])),
    // The relay ends with the app: its input is closed when the one attached client is gone.
    OpenStdin: true,
    StdinOnce: true,
    AttachStdin: true,
    AttachStdout: true,
    AttachStderr: true,
    Healthcheck: { Test: ['NONE'] },
    HostConfig: {
      NetworkMode: `container:${container.id}`,
      AutoRemove: true,
      CapDrop: ['ALL'],
      SecurityOpt: ['no-new-privileges'],
      ReadonlyRootfs: true,
      PidsLimit: 32,
      Memory: memoryBytes,
      MemorySwap: memoryBytes,
      NanoCpus: 1e9,
      Ulimits: [
        { Name: 'nofile', Soft: 1024, Hard: 1024 },
        { Name: 'core', Soft: 0, Hard: 0 },
      ],
      IpcMode: 'private',
      LogConfig: { Type: 'none', Config: {} },
      RestartPolicy: { Name: 'no' },
    },
  };
}

/** A sandbox's name fits its own limit; the relay's is told apart by its end. */
export const relayName = (sandboxName: string) => `${sandboxName}-egress`;

const asset = (name: string) => readFileSync(new URL(`./relay/${name}`, import.meta.url), 'utf8');

/** The relay as one text: its container takes no files, and finds what it imports inside the text. */
export const relaySource = asset('relay.mjs').replace(
  `'./mux.mjs'`,
  `'data:text/javascript;base64,${Buffer.from(asset('mux.mjs')).toString('base64')}'`,
);

/** Addresses (with ports) that the relay tries to reach directly: metadata, any host of the outside, the Docker host itself. */
async function forbiddenWays(docker: Docker): Promise<string[]> {
  const bridge = await engineLookup('look at the bridge network', docker.getNetwork('bridge').inspect());
  const gateways = ((bridge as { IPAM?: { Config?: { Gateway?: string }[] } } | undefined)?.IPAM?.Config ?? []).flatMap(
    ({ Gateway }) => (Gateway ? [`${Gateway.split('/')[0]} 22`] : []),
  );
  return ['169.254.169.254 80', '192.0.2.1 80', '2001:db8::1 80', ...gateways];
}
