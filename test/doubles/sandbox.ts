import { spawn } from 'node:child_process';
import { lstat, mkdir, mkdtemp, readdir, readFile, readlink, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type {
  BlockedAttempt,
  Captured,
  CommandCall,
  CommandResult,
  ContainerChange,
  FileRead,
  FileWrite,
  Sandbox,
} from '../../src/sandbox/sandbox.ts';

/** A sandbox without walls for tests of what stands above it: a folder of its own, commands by /bin/sh. */
export class FolderSandbox implements Sandbox {
  readonly name = 'millwright-folder';
  /** Commands in the order in which they were run. */
  readonly commands: string[] = [];
  readonly workdir: string;
  /** Where commands find programs. */
  path = '/usr/bin:/bin';
  private readonly before = new Map<string, string>();
  /** Answers instead of the shell, for ends that a folder cannot bring about. */
  private readonly scripted: Partial<CommandResult>[] = [];

  private constructor(workdir: string) {
    this.workdir = workdir;
  }

  static async open(files: Readonly<Record<string, string | Uint8Array>> = {}): Promise<FolderSandbox> {
    const sandbox = new FolderSandbox(await mkdtemp(join(tmpdir(), 'millwright-sandbox-')));
    for (const [path, content] of Object.entries(files)) {
      await sandbox.writeFile(path, Buffer.from(content));
      sandbox.before.set(path, Buffer.from(content).toString('latin1'));
    }
    return sandbox;
  }

  /** The next command ends like this, whatever it is. */
  endNextWith(ended: Partial<CommandResult>): void {
    this.scripted.push(ended);
  }

  async run(call: CommandCall): Promise<CommandResult> {
    this.commands.push(call.command);
    const nothing = { text: '', totalBytes: 0, truncated: false };
    const scripted = this.scripted.shift();
    if (scripted) return { end: 'exited', exitCode: 0, stdout: nothing, stderr: nothing, durationMs: 1, ...scripted };
    const startedAtMs = Date.now();
    const child = spawn('/bin/sh', ['-c', call.command], {
      cwd: join(this.workdir, call.cwd ?? '.'),
      env: { PATH: this.path, HOME: this.workdir, ...call.env },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    let end: CommandResult['end'] = 'exited';
    const kill = (why: CommandResult['end']) => {
      end = why;
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
    };
    const timer = setTimeout(() => kill('timed-out'), call.timeoutMs);
    const onAbort = () => kill('cancelled');
    call.signal?.addEventListener('abort', onAbort, { once: true });
    if (call.signal?.aborted) onAbort();
    const [stdout, stderr] = [collect(child.stdout), collect(child.stderr)];
    const exitCode = await new Promise<number | null>((resolve) => child.on('close', resolve));
    clearTimeout(timer);
    call.signal?.removeEventListener('abort', onAbort);
    const keep = call.keepBytes ?? 16 * 1024;
    return {
      end,
      exitCode,
      stdout: captured(await stdout, keep),
      stderr: captured(await stderr, keep),
      durationMs: Date.now() - startedAtMs,
    };
  }

  async readFile(path: string, options: { maxBytes?: number } = {}): Promise<FileRead> {
    const full = path.startsWith('/') ? path : join(this.workdir, path);
    const found = await stat(full).catch(() => null);
    if (found === null) return { kind: 'missing' };
    if (found.isDirectory()) return { kind: 'directory' };
    if (!found.isFile()) return { kind: 'other', what: 'something else' };
    const bytes = await readFile(full);
    const maxBytes = options.maxBytes ?? bytes.length;
    return {
      kind: 'file',
      bytes: bytes.subarray(0, maxBytes),
      totalBytes: bytes.length,
      truncated: bytes.length > maxBytes,
    };
  }

  async writeFile(path: string, bytes: Uint8Array): Promise<FileWrite> {
    const full = path.startsWith('/') ? path : join(this.workdir, path);
    try {
      await mkdir(dirname(full), { recursive: true });
      await writeFile(full, bytes);
    } catch (error) {
      return { kind: 'refused', what: String(error) };
    }
    return { kind: 'written' };
  }

  async changes(): Promise<ContainerChange[]> {
    const changes: ContainerChange[] = [];
    const seen = new Set<string>();
    for (const entry of await readdir(this.workdir, { recursive: true, withFileTypes: true })) {
      const full = join(entry.parentPath, entry.name);
      const path = full.slice(this.workdir.length + 1);
      if (entry.isDirectory() || path.startsWith('.git/')) continue;
      seen.add(path);
      if (entry.isSymbolicLink()) {
        changes.push({ kind: 'symlink', path, target: await readlink(full) });
        continue;
      }
      const bytes = await readFile(full);
      if (this.before.get(path) === bytes.toString('latin1')) continue;
      changes.push({ kind: 'file', path, bytes, mode: (await lstat(full)).mode });
    }
    for (const path of this.before.keys()) if (!seen.has(path)) changes.push({ kind: 'deleted', path });
    return changes;
  }

  blocked(): readonly BlockedAttempt[] {
    return [];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.workdir, { recursive: true, force: true });
  }
}

async function collect(stream: NodeJS.ReadableStream): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

function captured(bytes: Buffer, keep: number): Captured {
  const totalBytes = bytes.length;
  if (totalBytes <= 2 * keep) return { text: bytes.toString('utf8'), totalBytes, truncated: false };
  const cut = totalBytes - 2 * keep;
  const text = `${bytes.subarray(0, keep).toString('utf8')}\n[${cut} bytes cut]\n${bytes.subarray(-keep).toString('utf8')}`;
  return { text, totalBytes, truncated: true };
}
