import { randomUUID } from 'node:crypto';
import type Docker from 'dockerode';
import type { Clock } from '../clock.ts';
import { MillwrightError } from '../errors.ts';
import { type ContainerRequest, containerName, createOptions } from './container-options.ts';
import { engineCall, engineError, type SandboxLog } from './docker-client.ts';
import type { CanaryOutcome, EgressRequest, EgressWall, OpenEgress } from './egress.ts';
import { type EgressLimits, usualEgressLimits } from './egress-meter.ts';
import { EgressProxy, type ResolveHost, resolveOnHost } from './egress-proxy.ts';
import { relayPort, type StartedRelay, startRelay } from './egress-relay.ts';
import { openTunnel } from './egress-tunnel.ts';

export interface EgressWallOptions {
  clock: Clock;
  log: SandboxLog;
  /** Image with Node for the relay. Default: the product's sandbox image; a user's own image may lack Node. */
  relayImage?: string;
  limits?: Partial<EgressLimits>;
  /** How host names become addresses. Default: as on the app's machine. */
  resolve?: ResolveHost;
}

const usualRelayImage = 'millwright/sandbox';
/** Starting a container and Node in it, on a busy machine. */
const relayReadyMs = 30_000;

/**
 * The wall: a proxy in this process that decides, and a relay in a container that shares the sandbox's loopback and carries connections
 * here over its attached streams. No folder and no port is shared, so it works wherever the engine is, also from within a container.
 */
export function createEgressWall(options: EgressWallOptions): EgressWall {
  const wall: EgressWall = {
    async open(request) {
      const opened = new OpenWall(request, options);
      await opened.renew();
      return opened;
    },
    canary: (engine) => tryOut(wall, engine, options),
  };
  return wall;
}

class OpenWall implements OpenEgress {
  readonly env = proxyVariables;
  readonly #request: EgressRequest;
  readonly #options: EgressWallOptions;
  readonly #limits: EgressLimits;
  readonly #proxy: EgressProxy;
  #relay: StartedRelay | null = null;

  constructor(request: EgressRequest, options: EgressWallOptions) {
    this.#request = request;
    this.#options = options;
    this.#limits = { ...usualEgressLimits, ...options.limits };
    this.#proxy = new EgressProxy({
      walls: request.walls,
      limits: this.#limits,
      resolve: options.resolve ?? resolveOnHost,
      currentCommand: request.currentCommand,
    });
  }

  blocked() {
    return this.#proxy.blocked();
  }

  async renew(): Promise<void> {
    await this.close();
    const { docker, container, instance } = this.#request;
    const relay = await startRelay({
      docker,
      container,
      instance,
      image: this.#options.relayImage ?? usualRelayImage,
      maxConnections: this.#limits.connections,
    });
    this.#relay = relay;
    try {
      await this.#holdsWalls(relay);
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  async close(): Promise<void> {
    const relay = this.#relay;
    this.#relay = null;
    this.#proxy.close();
    await relay?.remove();
  }

  #warn(reason: string): void {
    const { name } = this.#request.container;
    this.#options.log.warn(
      { name, reason },
      'the relay of a sandbox ended: its network is gone until it is opened anew',
    );
  }

  /** Serves the relay; resolves when everything that it tried was refused. */
  async #holdsWalls(relay: StartedRelay): Promise<void> {
    // Nothing else asks for anything yet: processes of the container start later, or were just ended.
    this.#proxy.countBlocked(false);
    const findings = new Promise<readonly string[]>((resolve) => {
      let ready = false;
      openTunnel(relay.attached, {
        onConnection: (client) => this.#proxy.accept(client),
        onCanary: (found) => {
          ready = true;
          resolve(found);
        },
        onClose: (reason) => {
          if (!ready) resolve([`the relay ended: ${reason}`]);
          else if (this.#relay === relay) this.#warn(reason);
        },
      });
    });
    const found = await engineCall('wait for the relay', findings, relayReadyMs);
    this.#proxy.countBlocked(true);
    if (found.length === 0) return;
    const { name } = this.#request.container;
    throw new MillwrightError('outside.sandbox', {
      message: `the network wall of ${name} does not hold, so it is not used: ${found.join('; ').slice(0, 500)}`,
    });
  }
}

/** Variables by which the usual tools find a proxy. Both spellings: curl reads only the lower-case `http_proxy`, others only upper case. */
const proxyVariables: Readonly<Record<string, string>> = (() => {
  const address = `http://127.0.0.1:${relayPort}`;
  const direct = 'localhost,127.0.0.1,::1';
  const proxied = ['HTTP_PROXY', 'HTTPS_PROXY', 'ALL_PROXY', 'http_proxy', 'https_proxy', 'all_proxy'];
  const tools = ['npm_config_proxy', 'npm_config_https_proxy', 'YARN_HTTP_PROXY', 'YARN_HTTPS_PROXY'];
  return {
    ...Object.fromEntries([...proxied, ...tools].map((name) => [name, address])),
    NO_PROXY: direct,
    no_proxy: direct,
    npm_config_noproxy: direct,
    // Node's own fetch and http follow the variables above only when told to.
    NODE_USE_ENV_PROXY: '1',
  };
})();

/** Opens the wall for a container made for it alone; one that is left by a crash is the reaper's. */
async function tryOut(
  wall: EgressWall,
  { docker, instance }: { docker: Docker; instance: string },
  { clock, relayImage = usualRelayImage }: EgressWallOptions,
): Promise<CanaryOutcome> {
  const memoryBytes = 64 * 1024 ** 2;
  const request: ContainerRequest = {
    instance,
    run: `doctor-${randomUUID()}`,
    purpose: 'canary',
    epoch: 0,
    image: relayImage,
    imageEnv: [],
    limits: { memoryBytes, cpus: 1, pids: 16, diskBytes: memoryBytes, outputBytes: 1024 },
    deadlineMs: clock.nowMs() + 5 * 60_000,
    hasNetwork: true,
  };
  let container: Docker.Container | null = null;
  try {
    container = await engineCall('create the container', docker.createContainer(createOptions(request)));
    await engineCall('start the container', container.start());
    const name = containerName(request);
    const walls = { hosts: [], addresses: [] };
    const opened = await wall.open({
      ...request,
      docker,
      container: { id: container.id, name },
      walls,
      currentCommand: () => undefined,
    });
    await opened.close();
    return { held: true };
  } catch (error) {
    return { held: false, reason: engineError(error, 'try the network wall').message };
  } finally {
    // One that cannot be removed now is taken by the reaper.
    await container?.remove({ force: true, v: true }).catch(() => {});
  }
}
