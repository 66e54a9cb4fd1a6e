import type { Git } from '../git/git.ts';

/** The files of one commit, for looking around in. Untrusted, all of it. */
export interface RepositoryFiles {
  /** Sorted. */
  paths: readonly string[];
  has(path: string): boolean;
  /** Text of a small file; empty when it is missing, a link, or too large to be a manifest. */
  text(path: string): Promise<string>;
  /** The same files as seen from a folder of the repository; empty: its top. */
  under(folder: string): RepositoryFiles;
}

/** No manifest that a person wrote is larger. */
const largestManifestBytes = 512 * 1024;
/** Paths looked at; what lies beyond does not change which tools a repository uses. */
const mostPaths = 50_000;

export async function repositoryFiles(
  git: Pick<Git, 'list' | 'read'>,
  repository: string,
  commit: string,
): Promise<RepositoryFiles> {
  const entries = (await git.list(repository, commit)).filter(({ mode }) => mode.startsWith('100')).slice(0, mostPaths);
  const sizes = new Map(entries.map(({ path, sizeBytes }) => [path, sizeBytes]));
  const read = async (path: string): Promise<string> => {
    if ((sizes.get(path) ?? largestManifestBytes + 1) > largestManifestBytes) return '';
    const bytes = await git.read(repository, commit, path);
    return bytes === null ? '' : new TextDecoder().decode(bytes);
  };
  return view([...sizes.keys()], '', read);
}

function view(all: readonly string[], folder: string, read: (path: string) => Promise<string>): RepositoryFiles {
  const prefix = folder === '' ? '' : `${folder}/`;
  const paths = all.filter((path) => path.startsWith(prefix)).map((path) => path.slice(prefix.length));
  const known = new Set(paths);
  return {
    paths,
    has: (path) => known.has(path),
    text: (path) => read(prefix + path),
    under: (inner) => view(all, prefix + inner, read),
  };
}
