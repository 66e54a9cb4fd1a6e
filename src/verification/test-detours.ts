import { lostLiterals } from './expectations.ts';
import type { FileVersions } from './file-versions.ts';
import { sourceText } from './source-text.ts';
import { withoutLongLines } from './test-markers.ts';
import { importedPaths, stem, withoutExtension } from './test-paths.ts';

/** Ways past an assertion that leave it standing: early returns, conditions, swallowed errors. */
const guards =
  /^[ \t]*(?:if\b.*)?\breturn\b[^;\n=>]*;?[ \t]*$|^[ \t]*(?:\}\s*)?(?:else\s+)?if\b|\bcatch\b|^[ \t]*except\b|\bcontextlib\.suppress\b|^[ \t]*(?:try|rescue)\b/gm;

const assertionImport =
  /^.*(?:from|import|require\()\s*\(?['"]?(?:node:assert(?:\/strict)?|assert(?:\/strict)?|chai|expect|vitest|@jest\/globals|node:test|ava|tap|unittest|pytest|should)\b.*$/gm;
/** Something that takes the name of the runner, of an assertion or of a test away from it. */
const shadows =
  /\b(?:const|let|var|function|class)\s+(?:it|test|describe|suite|expect|assert|should|vi|jest)\b(?!\s*=\s*(?:await\s+)?(?:require|import)\b)|^[ \t]*(?:del\s+test\w*|test\w*\s*=(?!=)|def\s+(?:assert\w+|load_tests)\s*\()/gm;
const pythonImport = /^[ \t]*(?:from\s+([\w.]+)\s+import|import\s+([\w.]+))/gm;

/**
 * Whether an existing test that still holds every expectation may no longer reach what it held to account: it has more ways past its
 * assertions, or imports something else than before. Only a run of its old form can tell.
 */
export function hasDetour(file: FileVersions, files: readonly FileVersions[]): boolean {
  const { before, after } = file;
  if (before === null || after === null) return false;
  const old = sourceText(file.from ?? file.path, withoutLongLines(before));
  const now = sourceText(file.path, withoutLongLines(after));
  if (count(guards, now.bare) > count(guards, old.bare)) return true;
  if (count(shadows, now.bare) > count(shadows, old.bare)) return true;
  if (count(assertionImport, now.code) < count(assertionImport, old.code)) return true;
  if (lostLiterals(file.path, before, after).length > 0) return true;
  return lostImports(file, { before: old.code, after: now.code }, files);
}

function lostImports(
  file: FileVersions,
  { before, after }: { before: string; after: string },
  files: readonly FileVersions[],
): boolean {
  const kept = new Set(importsOf(file.path, after));
  const gone = files
    .filter((other) => other.after === null || other.from !== undefined)
    .map(({ from, path }) => from ?? path);
  return importsOf(file.from ?? file.path, before).some(
    (target) =>
      !kept.has(target) &&
      !gone.some((path) => withoutExtension(path) === target || stem(path) === target.split('.').at(-1)),
  );
}

function importsOf(path: string, code: string): string[] {
  if (path.endsWith('.py')) return [...code.matchAll(pythonImport)].map((match) => match[1] ?? match[2] ?? '');
  return importedPaths(path, code).map(withoutExtension);
}

function count(pattern: RegExp, text: string): number {
  return text.match(pattern)?.length ?? 0;
}
