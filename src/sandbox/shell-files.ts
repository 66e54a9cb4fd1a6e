import { posix } from 'node:path';
import { MillwrightError } from '../errors.ts';
import type { CommandRunner } from './command-runner.ts';
import type { FileRead, FileWrite } from './sandbox.ts';
import { printfWord, quote, workdir } from './shell-script.ts';

/** Bytes put into one write to a shell; a larger file is appended piece by piece. */
const pieceBytes = 256 * 1024;

function insidePath(path: string): string {
  if (path.includes('\0')) throw new MillwrightError('bug.unexpected', { message: 'a path holds a NUL byte' });
  return path.startsWith('/') ? path : `${workdir}/${path}`;
}

/** Reads through a warm shell (3 ms, against 39 ms for an archive call), as the container's own user. */
export async function readThroughShell(runner: CommandRunner, path: string, maxBytes: number): Promise<FileRead> {
  const file = quote(insidePath(path));
  const chunks: Buffer[] = [];
  // 10 missing, 11 folder, 12 something else; the size comes first, on a line of its own.
  const script = [
    `( if [ -d ${file} ]; then exit 11; fi; if [ ! -e ${file} ] && [ ! -h ${file} ]; then exit 10; fi; if [ ! -f ${file} ]; then exit 12; fi`,
    `wc -c <${file} || exit 13; head -c ${maxBytes} <${file} ) 2>/dev/null </dev/null`,
  ].join('\n');
  const code = await runner.script(script, { stdout: (bytes) => void chunks.push(Buffer.from(bytes)) });
  if (code === 10) return { kind: 'missing' };
  if (code === 11) return { kind: 'directory' };
  if (code !== 0) return { kind: 'other', what: code === 12 ? 'not a regular file' : 'cannot be read' };
  const all = Buffer.concat(chunks);
  const newline = all.indexOf(0x0a);
  const bytes = all.subarray(newline + 1);
  const totalBytes = Math.max(Number(all.toString('latin1', 0, newline)), bytes.length);
  return { kind: 'file', bytes, totalBytes, truncated: totalBytes > bytes.length };
}

/** Writes through a warm shell, with builtins, as the container's own user: it can reach nothing that a command could not. */
export async function writeThroughShell(runner: CommandRunner, path: string, bytes: Uint8Array): Promise<FileWrite> {
  const target = insidePath(path);
  const file = quote(target);
  const folder = quote(posix.dirname(target));
  const guard = `if [ -e ${file} ] && [ ! -f ${file} ]; then echo 'not a regular file' >&2; exit 12; fi; [ -d ${folder} ] || mkdir -p ${folder} || exit 13`;
  for (let at = 0; at === 0 || at < bytes.length; at += pieceBytes) {
    const piece = printfWord(bytes.subarray(at, at + pieceBytes));
    const script = at === 0 ? `${guard}; printf '%b' ${piece} >${file}` : `printf '%b' ${piece} >>${file}`;
    let complaint = '';
    const code = await runner.script(`( ${script} ) </dev/null`, { stderr: (text) => (complaint += text.toString()) });
    if (code !== 0)
      return { kind: 'refused', what: complaint.trim().slice(0, 500) || `could not be written (code ${code})` };
  }
  return { kind: 'written' };
}
