import type { Container } from 'dockerode';
import { MillwrightError } from '../errors.ts';
import {
  agentUser,
  type ContainerRequest,
  containerName,
  createOptions,
  labels,
  networkFolder,
} from './container-options.ts';
import { engineCall } from './docker-client.ts';
import type { OpenEgress } from './egress.ts';
import type { EngineParts } from './engine-parts.ts';
import { removeContainer } from './reaper.ts';
import { RunningSandbox } from './running-sandbox.ts';
import type { NetworkWalls } from './sandbox.ts';
import { ShellChannel, type ShellSettings } from './shell-channel.ts';
import { printfWord } from './shell-script.ts';

export interface LaunchRequest extends Omit<ContainerRequest, 'instance' | 'hasNetwork'> {
  network: NetworkWalls;
  /** Environment of every process inside, secrets included; never part of the container's own settings. */
  env: Readonly<Record<string, string>>;
  /** Files of the checkout that the image was made without: see `withoutFiles`. */
  absent?: readonly string[];
  /** Puts files in before the container starts. */
  fill: (container: Container) => Promise<void>;
}

/** Makes and starts one hardened container with warm shells; leaves nothing behind when that fails. */
export async function launch(parts: EngineParts, request: LaunchRequest): Promise<RunningSandbox> {
  const hasNetwork = request.network.hosts.length > 0;
  if (hasNetwork && !parts.egress) {
    throw new MillwrightError('bug.unexpected', { message: 'network was granted, but no egress wall is configured' });
  }
  const container = await createContainer(parts, { ...request, instance: parts.instance, hasNetwork });
  try {
    await request.fill(container);
    await startInit(container);
    return await startShells(parts, request, container);
  } catch (error) {
    await removeContainer(container);
    throw error;
  }
}

/** Creates a container under its fixed name, removing what an earlier epoch or attempt left for the same run and purpose. */
export async function createContainer(parts: EngineParts, request: ContainerRequest): Promise<Container> {
  await removeLeftovers(parts, request);
  return parts.quota.create(createOptions(request), request.limits.diskBytes);
}

async function removeLeftovers({ docker, instance }: EngineParts, request: ContainerRequest): Promise<void> {
  const label = [
    `${labels.instance}=${instance}`,
    `${labels.run}=${request.run}`,
    `${labels.purpose}=${request.purpose}`,
  ];
  const found = await engineCall('list containers', docker.listContainers({ all: true, filters: { label } }));
  await Promise.all(found.map(({ Id }) => removeContainer(docker.getContainer(Id))));
}

async function startShells(parts: EngineParts, request: LaunchRequest, container: Container): Promise<RunningSandbox> {
  const name = containerName({ ...request, instance: parts.instance });
  // The wall opens before any process of ours, and asks for the running command only later.
  let sandbox: RunningSandbox | null = null;
  const egress = await openEgress(parts, request, { id: container.id, name }, () => sandbox?.currentCommand);
  try {
    const env = { ...request.env, ...(egress?.env ?? {}), ...trustVariables(request.network) };
    const stopWatching = await parts.oomEvents.watch(container.id, () => sandbox?.noteOutOfMemory());
    const user = request.setup?.root ? '0:0' : agentUser;
    const variables = Object.entries(env).map(([variable, value]) => `${variable}=${value}`);
    const trust = () => putTrust({ container, user, env: variables }, request.network);
    await trust();
    sandbox = new RunningSandbox({
      name,
      container,
      user,
      limits: request.limits,
      env: variables,
      egress,
      layers: parts.layers,
      absent: request.absent ?? [],
      onDispose: stopWatching,
      onRestart: async () => {
        await egress?.renew();
        await trust();
      },
      clock: parts.clock,
      log: parts.log,
    });
    await sandbox.start();
    return sandbox;
  } catch (error) {
    await egress?.close();
    throw error;
  }
}

/** Everything here needs `/bin/sh` of the image and nothing else; an image without it is the requester's matter, not ours. */
async function startInit(container: Container): Promise<void> {
  try {
    await engineCall('start the container', container.start());
  } catch (error) {
    const { message } = error as MillwrightError;
    if (!message.includes('"/bin/sh"')) throw error;
    throw new MillwrightError('request.image-refused', {
      detail: 'the image has no `/bin/sh` that runs',
      cause: error,
    });
  }
}

async function openEgress(
  parts: EngineParts,
  request: LaunchRequest,
  container: { id: string; name: string },
  currentCommand: () => string | undefined,
): Promise<OpenEgress | null> {
  if (request.network.hosts.length === 0 || !parts.egress) return null;
  const { docker, instance, egress } = parts;
  return egress.open({ docker, container, instance, run: request.run, walls: request.network, currentCommand });
}

/** In memory, so that no commit ever holds it. */
const trustFile = `${networkFolder}/ca.pem`;

async function putTrust(settings: ShellSettings, network: NetworkWalls): Promise<void> {
  if (network.hosts.length === 0 || !network.ca) return;
  const shell = await ShellChannel.start(settings);
  const end = await shell.send(`printf '%b' ${printfWord(Buffer.from(network.ca))} >${trustFile}`, {}).ended;
  shell.close();
  if (end === 'closed' || end.code !== 0) {
    throw new MillwrightError('outside.sandbox', { message: 'the certificates could not be put into the container' });
  }
}

/** The variables by which common tools are told of the operator's certificates. */
function trustVariables(network: NetworkWalls): Record<string, string> {
  if (network.hosts.length === 0 || !network.ca) return {};
  const names = [
    'SSL_CERT_FILE',
    'NODE_EXTRA_CA_CERTS',
    'GIT_SSL_CAINFO',
    'npm_config_cafile',
    'REQUESTS_CA_BUNDLE',
    'PIP_CERT',
    'CURL_CA_BUNDLE',
  ];
  return Object.fromEntries(names.map((name) => [name, trustFile]));
}
