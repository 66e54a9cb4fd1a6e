import type { FileVersions } from './file-versions.ts';
import { sourceText } from './source-text.ts';
import { withoutLongLines } from './test-markers.ts';
import { isTestFile } from './test-paths.ts';

/**
 * What a test file needs in order to reach into others: what it imported is written to, files are written, the search for modules is changed.
 * Ordinary in places, so that only a run without the file can tell.
 */
const reaching =
  /^[ \t]*\w+(?:\.\w+)+\s*=(?!=)|\bsetattr\(|\bReflect\.|\bObject\.(?:assign|definePropert)|\.prototype\b|__proto__|\b(?:spyOn|stub|replaceProperty|method|doMock|unstable_mockModule)\(|\bpatch(?:\.object)?\(|\b(?:write|append|copy|cp|rm|rename|symlink|unlink|truncate|move)\w*\(|\bopen\([^)\n]*,|\b(?:exec|eval|compile|Function|__import__)\(|\bimportlib\b|\bsys\.|\bglobals\(\)|\bglobalThis\b|\bchild_process\b|\bsubprocess\b|\bos\.|\bvm\./m;

/** Test files that the patch adds and that may change what the others test, in a runner that loads them all into one process or one folder. */
export function meddlingTests(files: readonly FileVersions[]): string[] {
  return files
    .filter(({ path, before, after }) => isTestFile(path) && before === null && after !== null)
    .filter(({ path, after }) => reaching.test(sourceText(path, withoutLongLines(after ?? '')).bare))
    .map(({ path }) => path);
}
