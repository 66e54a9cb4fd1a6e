import type { Contract } from '../contract/contract.ts';
import { hasWildcards, plainGlob } from '../contract/glob.ts';
import { matchesAny } from '../contract/globs.ts';
import { referencesIn } from '../contract/values.ts';
import { isTestPath } from '../verification/test-paths.ts';
import { coChanges, lastTouched, recentHistory } from './co-change.ts';
import type { EntryKind, Wish } from './cut-to-budget.ts';
import { exercisingTests } from './exercising-tests.ts';
import { foundFiles } from './found-files.ts';
import { type Mentions, mentionsIn } from './mentions.ts';
import { neighboursOf } from './neighbours.ts';
import { type Ranked, rank, type Snapshot } from './ranking.ts';
import { findReference, likeNamed } from './references.ts';
import { rulesFor } from './rules.ts';

/** Something for the briefing. `text` is there when it does not stand in a file of the repository. */
export type Choice = Omit<Wish, 'text'> & { text?: string; show: 'whole' | 'outline' };

/** What an earlier run taught, for these paths; no paths: for the whole repository. */
export interface Lesson {
  name: string;
  text: string;
  /** Globs. */
  paths: readonly string[];
}

export interface Choosing {
  /** `host/owner/name`, in lower case. */
  repository: string;
  contract: Contract;
  /** Texts from the host, by the reference that the contract gives. */
  decisions: ReadonlyMap<string, string>;
  lessons: readonly Lesson[];
  /** Whether the walls let a change of this path through. */
  mayChange: (path: string) => boolean;
}

export interface Chosen {
  choices: Choice[];
  /** What was named and not found, in words. */
  missing: string[];
  /** References under *Files* that nothing matches, with what is known of them. */
  absentFiles: { reference: string; hint: string }[];
}

const most = { perReference: 12, allowed: 6, found: 6, foundBeside: 3, tests: 8, neighbours: 10, commits: 12 } as const;
/** Found files count from one rare word on; beside named ones only strong signs do. */
const leastScore = { alone: 3, beside: 7 } as const;
const namedScore = 100;

/** Chooses what matters for a contract, with reasons. Pure and deterministic. */
export function choose(needs: Choosing, snapshot: Snapshot): Chosen {
  const { contract, mayChange } = needs;
  const paths = snapshot.files.map(({ path }) => path);
  const mentions = mentionsIn(contract, paths);
  const chosen = createChosen();
  addNamed(needs, snapshot, mentions, chosen);
  addAllowed(contract, snapshot, chosen);

  const before = chosen.subjects().length;
  const limits =
    before > 0 ? { most: most.foundBeside, score: leastScore.beside } : { most: most.found, score: leastScore.alone };
  const found = foundFiles(snapshot, mentions, { change: mayChange, leastScore: limits.score, most: limits.most });
  for (const file of found) chosen.add(file, isTestPath(file.path) ? 'test' : 'file');

  const subjects = chosen.subjects();
  const changes = coChanges(snapshot.log, new Set(subjects));
  const signs = { changes, identifiers: mentions.identifiers };
  for (const test of exercisingTests(snapshot, subjects, signs, most.tests)) chosen.add(test, 'test');

  const { files, tests, docs } = contract.context;
  // Also places where nothing stands yet: what is created there has to follow the rules above it.
  const places = [...contract.boundaries.files, ...[...files, ...tests, ...docs].filter(isPlace)].map(foldersOnly);
  const touched = [...subjects, ...chosen.of('test'), ...chosen.of('doc'), ...places];
  for (const rule of rulesFor(touched, snapshot.files)) chosen.add({ ...rule, score: 0 }, 'rule');
  for (const lesson of needs.lessons) {
    const path = lesson.paths.length === 0 ? 'all' : subjects.find((subject) => matchesAny(subject, lesson.paths));
    const why = path === 'all' ? 'a lesson of earlier runs' : `a lesson of earlier runs about ${path}`;
    if (path !== undefined) chosen.add({ path: lesson.name, score: 0, why }, 'lesson', { text: lesson.text });
  }
  const history = recentHistory(snapshot.log, new Set(subjects), most.commits);
  if (history.length > 0)
    chosen.add({ path: 'git log', score: 0, why: 'recent changes of these files' }, 'history', {
      text: history.join('\n'),
    });
  for (const neighbour of neighboursOf(snapshot, subjects, changes, most.neighbours))
    chosen.add(neighbour, 'neighbour', { show: 'outline' });
  return { choices: chosen.choices(), missing: chosen.missing, absentFiles: chosen.absentFiles };
}

interface Collected {
  missing: string[];
  absentFiles: Chosen['absentFiles'];
  /** The first reason for a path counts. */
  add(ranked: Ranked, kind: EntryKind, more?: Partial<Pick<Choice, 'text' | 'show' | 'named'>>): void;
  of(kind: EntryKind): string[];
  /** Files that the task is about. */
  subjects(): string[];
  choices(): Choice[];
}

function createChosen(): Collected {
  const chosen = new Map<string, Choice>();
  const of = (kind: EntryKind) => [...chosen.values()].filter((choice) => choice.kind === kind).map(({ path }) => path);
  return {
    missing: [],
    absentFiles: [],
    add(ranked, kind, more = {}) {
      const { path, score, why } = ranked;
      if (!chosen.has(path)) chosen.set(path, { path, kind, why, score, named: false, show: 'whole', ...more });
    },
    of,
    subjects: () => of('file'),
    choices: () => [...chosen.values()],
  };
}

/** What the contract's own fields name, and what of it is not there. */
function addNamed(needs: Choosing, snapshot: Snapshot, mentions: Mentions, chosen: Collected): void {
  const { files, tests, docs, decisions } = needs.contract.context;
  const paths = snapshot.files.map(({ path }) => path);
  const fields = [
    ['Files', 'file', files],
    ['Tests', 'test', tests],
    ['Docs', 'doc', docs],
    ['Prior decisions', 'decision', decisions.flatMap(referencesIn)],
  ] as const;
  for (const [label, kind, references] of fields) {
    for (const reference of references) {
      const text = needs.decisions.get(reference);
      if (text !== undefined) {
        chosen.add({ path: reference, score: namedScore, why: `named in the contract (${label})` }, 'decision', {
          text,
          named: true,
        });
        continue;
      }
      const meant = findReference(reference, needs.repository, paths);
      if (meant.kind === 'files') addFiles(reference, meant.paths, kind, { snapshot, mentions, needs, chosen });
      else
        chosen.missing.push(
          meant.kind === 'host'
            ? `${label}: ${reference} could not be read`
            : absent(label, reference, snapshot, chosen),
        );
    }
  }
}

interface Naming {
  snapshot: Snapshot;
  mentions: Mentions;
  needs: Choosing;
  chosen: Collected;
}

/** A glob of many files gives those that goal and criteria point at, then the first. */
function addFiles(reference: string, paths: readonly string[], kind: EntryKind, naming: Naming): void {
  const { snapshot, mentions, needs, chosen } = naming;
  const many = paths.length > most.perReference;
  const matched = new Set(paths);
  const files = many ? snapshot.files.filter(({ path }) => matched.has(path)) : [];
  const relevant = foundFiles({ ...snapshot, files }, mentions, {
    change: needs.mayChange,
    leastScore: leastScore.alone,
    most: most.perReference,
  });
  const reasons = new Map(relevant.map(({ path, why }) => [path, why]));
  const shown = [...new Set([...reasons.keys(), ...paths])].slice(0, most.perReference);
  const count = many ? `: ${shown.length} of ${paths.length} files` : '';
  for (const path of shown) {
    const more = reasons.get(path);
    const why = `named in the contract (${reference}${count})${more === undefined ? '' : `; ${more}`}`;
    // Tests among the files are shown as what they are.
    chosen.add({ path, score: namedScore, why }, kind === 'file' && isTestPath(path) ? 'test' : kind, { named: true });
  }
}

/** Says what is known of a reference that nothing matches, and takes a file of the same name elsewhere along. */
function absent(label: string, reference: string, snapshot: Snapshot, chosen: Collected): string {
  const like = likeNamed(
    reference,
    snapshot.files.map(({ path }) => path),
  );
  const last = hasWildcards(reference) ? null : lastTouched(snapshot.log, reference);
  const hints = [
    ...(last === null ? [] : [`last touched by ${last}`]),
    ...(like.length === 0 ? [] : [`there is ${like.join(', ')}`]),
  ];
  const hint = hints.length === 0 ? '' : ` (${hints.join('; ')})`;
  for (const path of like)
    chosen.add(
      rank(path, [{ points: 6, words: `has the name of ${reference}, which is not there` }]),
      isTestPath(path) ? 'test' : 'file',
    );
  if (label === 'Files') chosen.absentFiles.push({ reference, hint });
  return `${label}: nothing matches ${reference}${hint}`;
}

/** Allowed files that are named one by one are what the work is about. */
function addAllowed(contract: Contract, { files }: Snapshot, chosen: Collected): void {
  const allowed = new Set(contract.boundaries.files.filter((glob) => !hasWildcards(glob)).map(plainGlob));
  const found = files.filter(({ path }) => allowed.has(path));
  if (found.length > most.allowed) return;
  for (const { path } of found)
    chosen.add(rank(path, [{ points: 9, words: 'is among the allowed files' }]), isTestPath(path) ? 'test' : 'file');
}

/** No issue and no address. */
const isPlace = (reference: string) => !/^https?:\/\/|#/i.test(reference);

/** `packages/api/**` → `packages/api/_`: a path below the folders that a glob is sure of. */
function foldersOnly(glob: string): string {
  return `${plainGlob(glob).replace(/[^/]*[*?[{].*$/s, '')}_`;
}
