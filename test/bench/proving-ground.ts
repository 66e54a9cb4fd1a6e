import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { systemClock } from '../../src/clock.ts';
import type { Contract } from '../../src/contract/contract.ts';
import type { Walls } from '../../src/contract/walls.ts';
import { createGit } from '../../src/git/create-git.ts';
import type { Git } from '../../src/git/git.ts';
import { createDockerEngine } from '../../src/sandbox/docker-sandbox.ts';
import { type ContainerChange, emptyOverlay, type Overlay, type Sandbox } from '../../src/sandbox/sandbox.ts';
import type { BaselineCache } from '../../src/verification/baseline.ts';
import type { Execution } from '../../src/verification/execute.ts';
import { createMask } from '../../src/verification/mask.ts';
import { decide } from '../../src/verification/outcomes.ts';
import { judgePatch, mergeObjections } from '../../src/verification/patch-gates.ts';
import type { Verdict } from '../../src/verification/verdict.ts';
import { verify } from '../../src/verification/verify.ts';
import type { VerifyDoors, VerifyRequest } from '../../src/verification/verify-request.ts';
import type { CraftedCase } from './crafted-case.ts';
import { createSharedContainers } from './shared-containers.ts';

/** One repository and one Docker engine on which patches are verified for real. Disposing removes containers, images and files. */
export interface ProvingGround extends AsyncDisposable {
  git: Git;
  repository: string;
  base: string;
  /** Tree of base with the patch over it, written by the git door as a run's patch is. */
  treeOf(patch: CraftedCase['patch']): Promise<string>;
  /** What verification needs; containers are shared and emptied in between unless `fresh`. */
  doors(tree: string, fresh?: boolean, more?: Partial<VerifyDoors>): VerifyDoors;
  verify(
    request: Pick<VerifyRequest, 'tree' | 'contract' | 'walls'> & Partial<VerifyRequest>,
    options?: { fresh?: boolean; doors?: Partial<VerifyDoors> },
  ): Promise<Verdict>;
  /** The gates that only read. */
  read(request: { tree: string; contract: Contract; walls: Walls }): Promise<Pick<Verdict, 'findings' | 'next'>>;
}

const repository = 'host.example/acme/toolshed';
const limits = { memoryBytes: 512 * 1024 ** 2, cpus: 2, pids: 256, diskBytes: 1024 ** 3, outputBytes: 8 * 1024 ** 2 };
const secret = { RUN_TOKEN: 's3cret-value-of-the-run' };

export async function createProvingGround(
  files: Readonly<Record<string, string>>,
  name: string,
): Promise<ProvingGround> {
  const folder = mkdtempSync(join(tmpdir(), 'millwright-proving-'));
  const origin = join(folder, 'origin');
  commitFiles(origin, files);
  const git = createGit({ mirrorsDir: join(folder, 'mirrors'), env: { PATH: process.env.PATH } });
  const base = await git.fetch({ repository, url: origin, token: null }, 'main');
  const engine = createDockerEngine({
    instance: `proving-${name}-${process.pid}`,
    clock: systemClock,
    log: pino({ level: 'silent' }),
  });
  const prepared = await engine.prepare({
    repository,
    commit: base,
    image: 'millwright/sandbox',
    setup: null,
    files: () => git.tar(repository, base),
    limits,
  });
  const kept = new Map<string, Execution>();
  const baseCache: BaselineCache = {
    get: async (key) => kept.get(key) ?? null,
    put: async (key, execution) => void kept.set(key, execution),
  };
  const signal = new AbortController().signal;
  let opened = 0;
  const openFresh = (overlay: Overlay): Promise<Sandbox> => {
    opened += 1;
    return engine.open({
      run: name,
      purpose: `v${opened}`,
      epoch: 1,
      image: prepared.image,
      overlay,
      limits,
      network: { hosts: [], addresses: [] },
      secrets: {},
      deadlineMs: Date.now() + 10 * 60_000,
    });
  };
  const shared = createSharedContainers(() => openFresh(emptyOverlay));
  const open = async (overlay: Overlay, turn: number, fresh: boolean): Promise<Sandbox> => {
    const sandbox = fresh ? await openFresh(overlay) : await shared.take(overlay);
    // Lets a crafted test differ from one container to the next, as a flake does.
    await sandbox.writeFile('/tmp/turn', Buffer.from(turn % 2 === 0 ? 'even' : 'odd'));
    return sandbox;
  };
  const doors = (tree: string, fresh = false, more: Partial<VerifyDoors> = {}): VerifyDoors => {
    const turns = { head: 0, base: 0, part: 0 };
    return {
      git,
      openHead: async () => open(await git.overlay(repository, base, tree), ++turns.head, fresh),
      openBase: () => open(emptyOverlay, ++turns.base, fresh),
      openWith: (overlay) => open(overlay, ++turns.part, fresh),
      baseImage: async () => prepared.image,
      baseCache,
      mask: createMask(secret),
      judgeCommand: () => ({ allowed: true }),
      record: async () => undefined,
      ...more,
    };
  };
  const whole = { repository, base, waived: [], claims: [], sentBack: [], lastRound: false, emptyReason: null };
  return {
    git,
    repository,
    base,
    doors,
    async treeOf(patch) {
      const changes = Object.entries(patch).map(([path, content]) => changeOf(path, content));
      const rules = { maxFiles: 100, maxFileBytes: 1024 ** 2, maxTotalBytes: 8 * 1024 ** 2, isProtected: () => false };
      const written = await git.writePatch(repository, base, changes, rules);
      if (!written.ok) throw new Error(`the patch was rejected: ${JSON.stringify(written.rejections)}`);
      return written.tree;
    },
    verify: (request, options = {}) =>
      verify({ ...whole, ...request }, doors(request.tree, options.fresh, options.doors), signal),
    async read(request) {
      const diff = await git.diff(repository, base, request.tree);
      const { objections } = await judgePatch({ ...whole, ...request }, diff, doors(request.tree));
      return decide({
        checks: [],
        objections: mergeObjections(objections),
        waived: [],
        flaky: 'wait',
        lastRound: false,
        sentBack: [],
      });
    },
    async [Symbol.asyncDispose]() {
      await shared[Symbol.asyncDispose]();
      await engine.reap({});
      await engine.evict(0);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function changeOf(path: string, content: CraftedCase['patch'][string]): ContainerChange {
  if (content === null) return { kind: 'deleted', path };
  if (typeof content !== 'string') return { kind: 'symlink', path, target: content.link };
  return { kind: 'file', path, bytes: Buffer.from(content, 'latin1'), mode: content.startsWith('#!') ? 0o755 : 0o644 };
}

function commitFiles(folder: string, files: Readonly<Record<string, string>>): void {
  const env = { PATH: process.env.PATH, HOME: folder, GIT_CONFIG_NOSYSTEM: '1', GIT_CONFIG_GLOBAL: '/dev/null' };
  const git = (args: string[], input = '') => execFileSync('git', args, { cwd: folder, input, env }).toString().trim();
  execFileSync('git', ['init', '--bare', '--quiet', '--initial-branch=main', folder], { env: { ...env, HOME: '/' } });
  const lines = Object.entries(files).map(
    ([path, text]) => `100644 ${git(['hash-object', '-w', '--stdin'], text)}\t${path}\0`,
  );
  git(['update-index', '-z', '--index-info'], lines.join(''));
  const who = ['-c', 'user.name=Ada', '-c', 'user.email=ada@example.org'];
  const commit = git([...who, 'commit-tree', git(['write-tree']), '-m', 'base']);
  git(['update-ref', 'refs/heads/main', commit]);
}
