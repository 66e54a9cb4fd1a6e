import type { TreeEntry } from './git.ts';

const firstLine = Buffer.from('version https://git-lfs.github.com/spec/v1\n');
// The LFS specification: a pointer file is smaller than 1024 bytes; with its three fixed lines it is longer than 100.
const smallestBytes = 100;
const limitBytes = 1024;

/** Whether a file has the size of a Git LFS pointer: then its content tells. */
export function mayBeLfsPointer({ mode, sizeBytes }: TreeEntry): boolean {
  return mode.startsWith('100') && sizeBytes >= smallestBytes && sizeBytes < limitBytes;
}

export function isLfsPointer(bytes: Uint8Array | undefined): boolean {
  return bytes !== undefined && firstLine.equals(bytes.subarray(0, firstLine.length));
}
