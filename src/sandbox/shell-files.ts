import { posix } from 'node:path';
import type { Container } from 'dockerode';
import { MillwrightError } from '../errors.ts';
import { makeFolders, readThroughArchive } from './archive-files.ts';
import type { CommandRunner } from './command-runner.ts';
import type { FileRead, FileWrite } from './sandbox.ts';
import { quote, workdir, writeScripts } from './shell-script.ts';

function insidePath(path: string): string {
  if (path.includes('\0')) throw new MillwrightError('bug.unexpected', { message: 'a path holds a NUL byte' });
  return path.startsWith('/') ? path : `${workdir}/${path}`;
}

/** The image lacks the program that a script of ours would need beside its shell. */
const lacksProgram = 14;

/** Room for the size of a file, which comes ahead of its bytes. */
const sizeLineBytes = 64;

export interface FileAccess {
  runner: CommandRunner;
  container: Container;
  /** Does work on the container while nothing inside runs. */
  paused: <T>(work: () => Promise<T>) => Promise<T>;
}

/** Reads as the container's own user, through a warm shell (3 ms, against 39 ms for an archive call) where the image has the programs. */
export async function readContainerFile(access: FileAccess, path: string, maxBytes: number): Promise<FileRead> {
  const place = insidePath(path);
  const file = quote(place);
  const chunks: Buffer[] = [];
  // 10 missing, 11 folder, 12 something else; the size comes first, on a line of its own.
  const script = [
    `( if [ -d ${file} ]; then exit 11; fi; if [ ! -e ${file} ] && [ ! -h ${file} ]; then exit 10; fi; if [ ! -f ${file} ]; then exit 12; fi`,
    `[ -r ${file} ] || exit 13; command -v wc >/dev/null && command -v head >/dev/null || exit ${lacksProgram}`,
    `wc -c <${file} || exit 13; head -c ${maxBytes} <${file} ) 2>/dev/null </dev/null`,
  ].join('\n');
  const stdout = (bytes: Buffer) => void chunks.push(Buffer.from(bytes));
  const code = await access.runner.script(script, { stdout }, maxBytes + sizeLineBytes);
  if (code === lacksProgram) return readThroughArchive(access.container, place, maxBytes);
  if (code === 10) return { kind: 'missing' };
  if (code === 11) return { kind: 'directory' };
  if (code !== 0) return { kind: 'other', what: code === 12 ? 'not a regular file' : 'cannot be read' };
  const all = Buffer.concat(chunks);
  const newline = all.indexOf(0x0a);
  const bytes = all.subarray(newline + 1, newline + 1 + maxBytes);
  const totalBytes = Math.max(Number.parseInt(all.toString('latin1', 0, newline + 1), 10) || 0, bytes.length);
  return { kind: 'file', bytes, totalBytes, truncated: totalBytes > bytes.length };
}

/** Writes through a warm shell, with builtins, as the container's own user: it can reach nothing that a command could not. */
export async function writeContainerFile(access: FileAccess, path: string, bytes: Uint8Array): Promise<FileWrite> {
  const place = insidePath(path);
  let written = await writePieces(access.runner, place, bytes);
  if (written.code === lacksProgram) {
    const refusal = await access.paused(() => makeFolders(access.container, place));
    if (refusal) return refusal;
    written = await writePieces(access.runner, place, bytes);
  }
  if (written.code === 0) return { kind: 'written' };
  const said =
    written.code === null ? 'could not be written (floods its output)' : `could not be written (code ${written.code})`;
  return { kind: 'refused', what: written.complaint || said };
}

async function writePieces(
  runner: CommandRunner,
  place: string,
  bytes: Uint8Array,
): Promise<{ code: number | null; complaint: string }> {
  const file = quote(place);
  const folder = quote(posix.dirname(place));
  const guard = [
    `if [ -e ${file} ] && [ ! -f ${file} ]; then echo 'not a regular file' >&2; exit 12; fi`,
    `[ -d ${folder} ] || { command -v mkdir >/dev/null || exit ${lacksProgram}; mkdir -p ${folder} || exit 13; }`,
  ].join('; ');
  for (const [index, script] of writeScripts(file, bytes).entries()) {
    let complaint = '';
    const code = await runner.script(`( ${index === 0 ? `${guard}; ${script}` : script} ) </dev/null`, {
      stderr: (text) => (complaint += text.toString()),
    });
    if (code !== 0) return { code, complaint: complaint.trim().slice(0, 500) };
  }
  return { code: 0, complaint: '' };
}
