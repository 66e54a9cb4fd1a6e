import type { TreeEntry } from '../git/git.ts';
import { baseName, folderOf, foldersAbove } from './paths.ts';

const agentRules = /^(?:agents|claude)(?:\.local)?\.md$/i;
const contributing = /^contributing(?:\.(?:md|markdown|rst|txt|adoc))?$/i;
/** Where GitHub looks for the guide of the whole repository. */
const guideFolders = new Set(['', '.github', 'docs']);

/** A file of rules and what of it is worth saying. */
export interface Rule {
  path: string;
  why: string;
}

/**
 * AGENTS.md, CLAUDE.md and CONTRIBUTING files that stand above the given paths, from the top down, each text once. What stands
 * deeper is more special and so comes later, to have the last word.
 */
export function rulesFor(paths: readonly string[], files: readonly TreeEntry[]): Rule[] {
  const folders = new Set(['', ...paths.flatMap(foldersAbove)]);
  const depth = (path: string) => path.split('/').length;
  const found = files
    .filter(({ mode }) => mode.startsWith('100'))
    .filter(({ path }) => {
      const [name, folder] = [baseName(path), folderOf(path)];
      if (agentRules.test(name)) return folders.has(folder);
      return contributing.test(name) && (guideFolders.has(folder) || folders.has(folder));
    })
    .toSorted((a, b) => depth(a.path) - depth(b.path) || (a.path < b.path ? -1 : 1));
  const texts = new Set<string>();
  return found.flatMap(({ path, blob }) => {
    if (texts.has(blob)) return [];
    texts.add(blob);
    const folder = folderOf(path);
    const everywhere = guideFolders.has(folder);
    return [{ path, why: everywhere ? 'rules of the whole repository' : `rules for everything under ${folder}/` }];
  });
}
