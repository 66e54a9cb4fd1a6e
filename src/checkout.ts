import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { Attempt } from './attempt.ts';
import { matchesGlob } from './contract/globs.ts';
import type { Doors } from './doors.ts';
import { MillwrightError } from './errors.ts';
import type {
  NetworkWalls,
  Overlay,
  PreparedCheckout,
  Sandbox,
  SandboxLimits,
  SetupRequest,
} from './sandbox/sandbox.ts';

const setupTimeoutMs = 20 * 60_000;

/** Opens containers on one checkout: the base commit's files, or those of a tree over it. */
export interface Checkouts {
  /** A fresh container whose work tree is that of `tree`. Secrets go in only when asked for. */
  open(purpose: string, tree: string): Promise<Sandbox>;
  /** The same with a part of a patch over the base commit. */
  openWith(purpose: string, overlay: Overlay): Promise<Sandbox>;
  /** Name of the image of the base commit, which changes with the policy's image, the set-up and the files. */
  baseImage(): Promise<string>;
}

/** What of an attempt decides about its containers. */
export type CheckoutFacts = Pick<Attempt, 'walls' | 'repository' | 'base' | 'signal' | 'secrets' | 'deadlineMs'> & {
  run: Pick<Attempt['run'], 'id'>;
  lease: Pick<Attempt['lease'], 'epoch'>;
};

export function createCheckouts(attempt: CheckoutFacts, doors: Pick<Doors, 'git' | 'sandbox'>): Checkouts {
  const { walls, repository, base, signal } = attempt;
  const limits: SandboxLimits = {
    memoryBytes: walls.limits.memoryBytes,
    cpus: walls.limits.cpus,
    pids: walls.limits.pids,
    diskBytes: walls.limits.diskBytes,
    outputBytes: walls.limits.outputBytes,
  };
  let ofBase: Promise<PreparedCheckout> | null = null;

  /** An image with the base commit's files, whatever tree its set-up read: what a container changes is always told against them. */
  const prepare = async (setupTree: string, shared: boolean) =>
    doors.sandbox.prepare({
      repository,
      commit: base.commit,
      image: walls.image,
      setup: await setupOf(setupTree, shared),
      files: () => doors.git.tar(repository, base.commit),
      limits,
      ...(shared ? {} : { run: attempt.run.id }),
      signal,
    });

  async function setupOf(commit: string, shared: boolean): Promise<SetupRequest | null> {
    if (walls.setup === null) return null;
    const { paths, hash } = await inputsOf(commit);
    return {
      command: walls.setup.command,
      root: shared && walls.setup.root,
      hosts: walls.setup.hosts,
      inputs: () => doors.git.tar(repository, commit, paths),
      inputsHash: hash,
      shared,
      network: await networkOf(walls.setup.hosts),
      timeoutMs: setupTimeoutMs,
    };
  }

  async function inputsOf(commit: string): Promise<{ paths: string[]; hash: string }> {
    const globs = walls.setup?.inputs ?? [];
    const files = (await doors.git.list(repository, commit)).filter((file) =>
      globs.some((glob) => matchesGlob(file.path, glob)),
    );
    const hash = createHash('sha256').update(JSON.stringify(files.map((file) => [file.path, file.mode, file.blob])));
    return { paths: files.map((file) => file.path), hash: hash.digest('hex') };
  }

  async function networkOf(hosts: readonly string[]): Promise<NetworkWalls> {
    const { addresses, ca } = walls.network;
    return { hosts, addresses, ...(ca === null || hosts.length === 0 ? {} : { ca: await readBundle(ca) }) };
  }

  async function changesSetup(tree: string): Promise<boolean> {
    if (walls.setup === null) return false;
    return (await inputsOf(tree)).hash !== (await inputsOf(base.commit)).hash;
  }

  let opened = 0;
  const openFrom = async (prepared: PreparedCheckout, purpose: string, overlay: Overlay) =>
    doors.sandbox.open({
      run: attempt.run.id,
      // Several of one purpose may be open at once: the count keeps their fixed names apart.
      purpose: `${purpose}-${++opened}`,
      epoch: attempt.lease.epoch,
      image: prepared.image,
      overlay,
      limits,
      network: await networkOf(walls.network.hosts),
      secrets: attempt.secrets,
      ...(walls.runtime === null ? {} : { runtime: walls.runtime }),
      deadlineMs: attempt.deadlineMs,
      signal,
    });
  const baseImage = () => {
    ofBase ??= prepare(base.commit, true);
    return ofBase;
  };

  return {
    async open(purpose, tree) {
      // A patch that changes what the set-up reads gets a set-up of its own, unprivileged and for this run alone.
      const image = (await changesSetup(tree)) ? await prepare(tree, false) : await baseImage();
      return openFrom(image, purpose, await doors.git.overlay(repository, base.commit, tree));
    },
    openWith: async (purpose, overlay) => openFrom(await baseImage(), purpose, overlay),
    baseImage: async () => (await baseImage()).image,
  };
}

/** The operator's certificates, for containers that have network. */
async function readBundle(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    const message = `network.ca of the operator's policy: ${path} cannot be read; expected a PEM file.`;
    throw new MillwrightError('request.policy-invalid', { message, cause });
  }
}
