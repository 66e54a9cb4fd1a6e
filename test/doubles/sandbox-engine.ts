import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { extract } from 'tar-stream';
import type {
  EngineStatus,
  OpenRequest,
  PreparedCheckout,
  PrepareRequest,
  ReapFilter,
  Sandbox,
  SandboxEngine,
} from '../../src/sandbox/sandbox.ts';
import { FolderSandbox } from './sandbox.ts';

type Files = Readonly<Record<string, Uint8Array>>;

/** An engine whose containers are folders without walls, for tests of what happens around them. */
export class FolderEngine implements SandboxEngine {
  /** What `status` says: take the engine away and give it back. */
  now: EngineStatus = { available: true };
  /** How many sandboxes were opened and are not closed. */
  opened = 0;
  private readonly images = new Map<string, Files>();

  async status(): Promise<EngineStatus> {
    return this.now;
  }

  async prepare(request: PrepareRequest): Promise<PreparedCheckout> {
    const image = `${request.repository}@${request.commit}`;
    if (!this.images.has(image)) this.images.set(image, await filesOf(await request.files()));
    return { image, setup: 'none' };
  }

  async open(request: OpenRequest): Promise<Sandbox> {
    const sandbox = await FolderSandbox.open(this.images.get(request.image) ?? {});
    for (const { path, bytes } of request.overlay.writes) await sandbox.writeFile(path, bytes);
    for (const path of request.overlay.deletes) await rm(join(sandbox.workdir, path), { recursive: true, force: true });
    this.opened += 1;
    const close = sandbox[Symbol.asyncDispose].bind(sandbox);
    let closed = false;
    sandbox[Symbol.asyncDispose] = async () => {
      if (!closed) this.opened -= 1;
      closed = true;
      await close();
    };
    return sandbox;
  }

  async reap(_filter: ReapFilter): Promise<number> {
    return 0;
  }

  async releaseImages(_run: string): Promise<number> {
    return 0;
  }

  async evict(_maxBytes: number): Promise<number> {
    return 0;
  }
}

async function filesOf(tar: Readable): Promise<Files> {
  const files: Record<string, Uint8Array> = {};
  const entries = extract();
  tar.pipe(entries);
  for await (const entry of entries) {
    const chunks: Uint8Array[] = [];
    for await (const chunk of entry) chunks.push(chunk as Uint8Array);
    if (entry.header.type === 'file') files[entry.header.name] = Buffer.concat(chunks);
  }
  return files;
}
