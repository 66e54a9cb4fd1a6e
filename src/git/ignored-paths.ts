import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { readBlobs } from './blobs.ts';
import type { Mirror } from './mirror.ts';
import { isPlainPath, longestPartBytes, longestPathBytes, parentsOf } from './path-names.ts';
import { openScratch } from './scratch.ts';
import type { RawEntry } from './tree.ts';

// Matching a pattern of many stars can take time without end.
const askTimeoutMs = 60_000;
const longestRulePathBytes = 3_000;
// Larger ones are no lists that a person wrote; their rules do not apply.
const largestIgnoreFileBytes = 1024 ** 2;

/**
 * Those of `paths` that the base's `.gitignore` files leave out. git reads the rules in a scratch folder that holds nothing but
 * these files; what the container made of them plays no part. What the base holds is never ignored.
 */
export async function ignoredPaths(
  mirror: Mirror,
  scratchRoot: string,
  base: readonly RawEntry[],
  paths: readonly string[],
): Promise<Set<string>> {
  const held = heldPaths(base);
  const askable = paths.filter(
    (path) => isAskable(path) && !held.over.has(path) && !parentsOf(path).some((parent) => held.files.has(parent)),
  );
  const ruleFiles = base.filter(isRuleFile);
  if (askable.length === 0 || ruleFiles.length === 0) return new Set();
  await using scratch = await openScratch(scratchRoot);
  const workTree = join(scratch.path, 'tree');
  const blobs = await readBlobs(
    mirror,
    ruleFiles.map(({ blob }) => blob),
  );
  await mkdir(workTree);
  for (const { path, blob } of ruleFiles) {
    const bytes = blobs.get(blob);
    if (!bytes || bytes.length > largestIgnoreFileBytes) continue;
    await mkdir(dirname(join(workTree, path)), { recursive: true });
    await writeFile(join(workTree, path), bytes);
  }
  const result = await mirror.result(['check-ignore', '--no-index', '--stdin', '-z'], {
    stdin: askable.map((path) => `./${path}\0`).join(''),
    // This command refuses to hear of literal paths; `./` in front keeps a name from being read as pathspec magic.
    env: { GIT_WORK_TREE: workTree, GIT_INDEX_FILE: join(scratch.path, 'index'), GIT_LITERAL_PATHSPECS: '0' },
    cwd: workTree,
    timeoutMs: askTimeoutMs,
  });
  if (result.exitCode > 1) throw await mirror.failed('git check-ignore', result);
  const answers = result.stdout
    .toString('utf8')
    .split('\0')
    .filter((path) => path !== '');
  return new Set(answers.map((path) => path.slice('./'.length)));
}

/** Files of the base, and these with their folders: what happened to them is a change, whatever the rules say. */
function heldPaths(base: readonly RawEntry[]): { files: Set<string>; over: Set<string> } {
  const files = new Set(base.map(({ path }) => path));
  return { files, over: new Set([...files, ...[...files].flatMap(parentsOf)]) };
}

/** A rule file that fits below the scratch folder. A link is none: git does not follow it either. */
function isRuleFile({ path, rawPath, mode }: RawEntry): boolean {
  if (!mode.startsWith('100') || !(path === '.gitignore' || path.endsWith('/.gitignore'))) return false;
  return (
    rawPath.length <= longestRulePathBytes &&
    path.split('/').every((part) => Buffer.byteLength(part) <= longestPartBytes)
  );
}

/** git stops at a path that leads out of the work tree; such paths are rejected by the rules anyway. */
function isAskable(path: string): boolean {
  return (
    isPlainPath(path) &&
    path.length <= longestPathBytes &&
    path.split('/').every((part) => part.length <= longestPartBytes)
  );
}
