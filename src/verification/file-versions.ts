import type { Diff, Git } from '../git/git.ts';

/** One changed file in both versions, as text; null where it does not exist or is no text. */
export interface FileVersions {
  path: string;
  /** Earlier path of a rename. */
  from?: string | undefined;
  before: string | null;
  after: string | null;
  binary: boolean;
  /** Became a link or a submodule, or was one. */
  typeChanged: boolean;
}

/** Larger files are generated or data; gates that read text need not see them. */
const largestTextBytes = 1024 ** 2;

/** Reads both versions of every changed file from the object store; what a container wrote is not consulted. */
export async function readVersions(
  git: Pick<Git, 'read'>,
  repository: string,
  range: { base: string; head: string },
  diff: Diff,
): Promise<FileVersions[]> {
  const versions: FileVersions[] = [];
  for (const file of diff.files) {
    const isLink = file.newMode === '120000' || file.newMode === '160000';
    const text = async (at: string, path: string, exists: boolean) =>
      exists && !file.binary ? textOf(await git.read(repository, at, path)) : null;
    versions.push({
      path: file.path,
      from: file.from,
      before: await text(range.base, file.from ?? file.path, file.status !== 'added'),
      after: await text(range.head, file.path, file.status !== 'deleted' && file.newMode !== '160000'),
      binary: file.binary,
      typeChanged: file.status === 'type-changed' || (isLink && file.status !== 'added'),
    });
  }
  return versions;
}

function textOf(bytes: Uint8Array | null): string | null {
  if (bytes === null || bytes.byteLength > largestTextBytes) return null;
  return new TextDecoder('utf-8').decode(bytes);
}
