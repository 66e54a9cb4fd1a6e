import { matchesGlob } from '../contract/glob.ts';
import type { FileVersions } from './file-versions.ts';

/** No person adds more lines at once, and each is held against every path. */
const mostPatterns = 50;

/** Linters, formatters and searches leave out what these lists name. */
export function isIgnoreFile(name: string): boolean {
  return name === '.gitignore' || name === '.ignore';
}

/** Files of base that a list of ignored files now names: they stay tracked, but no linter that reads the list sees them any more. */
export function newlyIgnored(file: FileVersions, folder: string, basePaths: readonly string[]): string[] {
  const old = new Set(patternsOf(file.before));
  const added = patternsOf(file.after).filter((pattern) => !old.has(pattern));
  const prefix = folder === '' ? '' : `${folder}/`;
  const below = basePaths.filter((path) => path.startsWith(prefix)).map((path) => path.slice(prefix.length));
  return added.slice(0, mostPatterns).flatMap((pattern) => {
    const globs = globsOf(pattern);
    const hit = below.find((path) => globs.some((glob) => matchesGlob(path, glob)));
    return hit === undefined ? [] : [`${file.path} leaves out ${prefix}${hit}, which is tracked`];
  });
}

function patternsOf(text: string | null): string[] {
  return (text ?? '')
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !/^[#!]/.test(line));
}

/** As git reads a line: anchored when a slash stands in it before its end, otherwise at any depth. */
function globsOf(pattern: string): string[] {
  const plain = pattern.replace(/\/$/, '');
  const anchored = plain.includes('/');
  const glob = `${anchored ? '' : '**/'}${plain.replace(/^\//, '')}`;
  return pattern.endsWith('/') ? [`${glob}/**`] : [glob, `${glob}/**`];
}
