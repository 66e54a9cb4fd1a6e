import type { ContainerChange } from '../sandbox/sandbox.ts';
import type { PatchRules, Rejection, TreeEntry } from './git.ts';
import { linkProblem } from './link-target.ts';
import { foldPath, nameProblem, parentsOf, plainPath } from './path-names.ts';

/** What the base tree holds, as far as a patch is judged by it. */
export interface PatchBase {
  entries: ReadonlyMap<string, Pick<TreeEntry, 'mode' | 'blob'>>;
  /** Targets of the base's links. Needed only when the patch makes links. */
  links: ReadonlyMap<string, string>;
}

/** A file or link that the patch makes or changes. */
export interface PatchWrite {
  path: string;
  mode: '100644' | '100755' | '120000';
  bytes: Uint8Array;
  blob: string;
}

/** What was seen in the container, sorted by what it means for the base. */
export interface PatchFacts {
  writes: readonly PatchWrite[];
  /** Paths whose content is the base's; they are there, whatever else was deleted. */
  unchanged: ReadonlySet<string>;
  /** Files of the base that are gone: deleted, or something else now stands in their place. */
  gone: ReadonlySet<string>;
  odd: readonly (ContainerChange & { kind: 'odd' })[];
  /** Things the reviewer should know, such as a mode that was lowered. */
  notes: readonly string[];
}

export interface PatchVerdict {
  rejections: Rejection[];
  notes: string[];
}

const mostRejections = 50;
const droppedOddities = /\b(?:fifo|named pipe|socket|device)\b/i;

/** Judges a whole patch against its base. Pure: what it lets through is what is written. */
export function judgePatch(base: PatchBase, facts: PatchFacts, rules: PatchRules): PatchVerdict {
  const tooMany = countProblem(facts, rules);
  if (tooMany) return { rejections: [tooMany], notes: [] };
  const notes = [...facts.notes];
  const rejections = [
    ...oddProblems(base, facts, notes),
    ...facts.writes.flatMap((write) => told(write.path, nameProblem(write.path))),
    ...protectedProblems(facts, rules),
    ...sizeProblems(facts, rules),
    ...structureProblems(base, facts, notes),
    ...linkProblems(base, facts),
    ...twinProblems(base, facts),
  ];
  return { rejections: bounded(rejections), notes };
}

function told(path: string, reason: string | null): Rejection[] {
  return reason === null ? [] : [{ path, reason }];
}

function countProblem({ writes, gone, odd }: PatchFacts, { maxFiles }: PatchRules): Rejection | undefined {
  const count = writes.length + gone.size + odd.length;
  if (count <= maxFiles) return undefined;
  return {
    path: '.',
    reason: `${count} files differ, the limit is ${maxFiles}; undo or ignore what does not belong to the task`,
  };
}

/** What is neither file nor link cannot be kept. Harmless left-overs are dropped and told; anything else has to be mended. */
function oddProblems(base: PatchBase, { odd, writes }: PatchFacts, notes: string[]): Rejection[] {
  if (odd.length === 0) return [];
  // The work tree itself; something else in its place would make every change unseen.
  const taken = new Set(['', '.', ...base.entries.keys()]);
  for (const path of [...base.entries.keys(), ...writes.map((write) => write.path)]) {
    for (const parent of parentsOf(path)) taken.add(parent);
  }
  return odd.flatMap(({ path, what }) => {
    if (taken.has(path)) {
      const reason = `something that is no file stands where files belong (${what}); remove it and put them back`;
      return [{ path, reason }];
    }
    if (!droppedOddities.test(what)) return [{ path, reason: what }];
    notes.push(`${JSON.stringify(path)}: left out (${what})`);
    return [];
  });
}

function protectedProblems({ writes, gone }: PatchFacts, { isProtected }: PatchRules): Rejection[] {
  const isWall = (path: string) => isProtected(path) || isProtected(plainPath(path));
  // A file or link in the place of a directory takes everything below that directory's name with it.
  const standsOver = (path: string) => isWall(`${path}/x`) || plainPath(path) === '.github';
  return [
    ...writes.flatMap(({ path }) => {
      if (isWall(path)) return [{ path, reason: 'the path is protected; leave it as it is in the base' }];
      return standsOver(path)
        ? [{ path, reason: 'protected paths lie below this name, so it must stay a directory' }]
        : [];
    }),
    ...[...gone].flatMap((path) =>
      isWall(path) ? [{ path, reason: 'the path is protected; it must not be deleted or replaced' }] : [],
    ),
  ];
}

function sizeProblems({ writes }: PatchFacts, { maxFileBytes, maxTotalBytes }: PatchRules): Rejection[] {
  const total = writes.reduce((sum, { bytes }) => sum + bytes.length, 0);
  return [
    ...writes
      .filter(({ bytes }) => bytes.length > maxFileBytes)
      .map(({ path, bytes }) => ({ path, reason: `the file has ${bytes.length} bytes, the limit is ${maxFileBytes}` })),
    ...(total > maxTotalBytes
      ? [{ path: '.', reason: `the changed files have ${total} bytes in all, the limit is ${maxTotalBytes}` }]
      : []),
  ];
}

/** One name, one kind: nothing below a file or link of the patch, nothing in or over a submodule. */
function structureProblems(base: PatchBase, { writes, unchanged, gone }: PatchFacts, notes: string[]): Rejection[] {
  const present = new Map(writes.map(({ path, mode }) => [path, mode]));
  for (const path of unchanged) present.set(path, base.entries.get(path)?.mode as PatchWrite['mode']);
  const submodules = [...base.entries].filter(([, { mode }]) => mode === '160000').map(([path]) => path);
  const problems = [...present.keys()].flatMap((path) => {
    const above = parentsOf(path);
    const blocking = above.find((parent) => present.has(parent));
    if (blocking) {
      const kind = present.get(blocking) === '120000' ? 'link' : 'file';
      return told(path, `${JSON.stringify(blocking)} is a ${kind} in the same patch, so nothing can lie below it`);
    }
    const isTouched = (place: string) => place === path || above.includes(place) || place.startsWith(`${path}/`);
    const submodule = submodules.find(isTouched);
    return submodule ? told(path, `${JSON.stringify(submodule)} is a submodule, which a patch cannot change`) : [];
  });
  for (const path of gone) {
    const isFolderNow =
      base.entries.get(path)?.mode === '120000' && writes.some((write) => write.path.startsWith(`${path}/`));
    if (isFolderNow) notes.push(`${JSON.stringify(path)}: a directory now, a link before`);
  }
  return problems;
}

function linkProblems(base: PatchBase, { writes, gone }: PatchFacts): Rejection[] {
  const made = writes.filter(({ mode }) => mode === '120000');
  const links = new Map([...base.links].filter(([path]) => !gone.has(path)));
  for (const { path, mode } of writes) if (mode !== '120000') links.delete(path);
  for (const { path, bytes } of made) links.set(path, textOf(bytes));
  return made.flatMap(({ path, bytes }) => told(path, linkProblem(path, textOf(bytes), links)));
}

function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('utf8');
}

/** Names that differ but are one and the same on a file system that ignores case or normalises Unicode. Only new names are judged. */
function twinProblems(base: PatchBase, { writes, gone }: PatchFacts): Rejection[] {
  const added = writes.map(({ path }) => path).filter((path) => !base.entries.has(path));
  if (added.length === 0) return [];
  const spellings = new Map<string, Set<string>>();
  for (const path of added) {
    for (const name of [...parentsOf(path), path]) {
      const folded = foldPath(name);
      spellings.set(folded, (spellings.get(folded) ?? new Set()).add(name));
    }
  }
  const seen = new Set<string>();
  for (const path of base.entries.keys()) {
    if (gone.has(path)) continue;
    for (const name of [...parentsOf(path), path]) {
      if (seen.has(name)) continue;
      seen.add(name);
      spellings.get(foldPath(name))?.add(name);
    }
  }
  return added.flatMap((path) => {
    const name = [...parentsOf(path), path].find((candidate) => (spellings.get(foldPath(candidate))?.size ?? 0) > 1);
    const twin =
      name === undefined ? undefined : [...(spellings.get(foldPath(name)) ?? [])].find((other) => other !== name);
    return twin === undefined
      ? []
      : [{ path, reason: `on some file systems this is the same name as ${JSON.stringify(twin)}; use one spelling` }];
  });
}

function bounded(rejections: readonly Rejection[]): Rejection[] {
  if (rejections.length <= mostRejections) return [...rejections];
  const rest = rejections.length - mostRejections;
  return [...rejections.slice(0, mostRejections), { path: '.', reason: `and ${rest} more paths are rejected` }];
}
