import { z } from 'zod';
import type { Part } from '../agent/fence.ts';
import { type Choice, choose, type Lesson } from '../context/choose.ts';
import { cutToBudget, entryKinds, type Wish } from '../context/cut-to-budget.ts';
import { outlineOf } from '../context/outline.ts';
import type { Snapshot } from '../context/ranking.ts';
import { readSnapshot, textOf } from '../context/read-snapshot.ts';
import { mayCreate } from '../context/references.ts';
import type { Contract } from '../contract/contract.ts';
import { hasWildcards } from '../contract/glob.ts';
import { inScope } from '../contract/globs.ts';
import type { Walls } from '../contract/walls.ts';
import type { Git } from '../git/git.ts';
import { contextWindow, estimateTokens } from '../model/context-window.ts';
import { few } from '../report/phrases.ts';
import type { Outcome, Run } from '../run.ts';

const BriefingEntry = z.object({
  path: z.string(),
  kind: z.enum(entryKinds),
  /** Why it was chosen, each reason with its points. */
  why: z.string(),
  /** Sum of the points; 100 for what the contract names. */
  score: z.number().default(0),
  /** Roughly what it costs in the prompt. */
  tokens: z.number(),
  /** Untrusted content, cut to the budget; null when only named. */
  text: z.string().nullable(),
});

/** The selected context: each entry says why it is there and what it costs; what could not be found is said. */
export const Briefing = z.object({
  entries: z.array(BriefingEntry),
  missing: z.array(z.string()),
  /** Of all entries and of what is missing; at most the budget. */
  tokens: z.number(),
  budgetTokens: z.number().default(0),
  /** Entries that the budget had no room to name. */
  leftOut: z.number().default(0),
  /** Asked before any planning when something essential is not there; null when nothing is. */
  question: z.string().nullable().default(null),
});
export type Briefing = z.infer<typeof Briefing>;

export interface ContextNeeds {
  /** `host/owner/name`, in lower case. */
  repository: string;
  base: string;
  contract: Contract;
  /** Texts of prior decisions that were found on the host, by the reference that the contract gives. */
  decisions: ReadonlyMap<string, string>;
  /** What may change; without them the contract's own list decides. */
  walls?: Pick<Walls, 'files'>;
  /** Open lessons of the repository; those that match are taken. */
  lessons?: readonly Lesson[];
  /** What else the run has to do without, in words. */
  lacking?: readonly string[];
  /** Default: `briefingBudgetTokens` of a model with a large window. */
  budgetTokens?: number;
}

const usualBudgetTokens = 40_000;
const windowShare = 0.25;
const mostMissing = 40;
/** Larger files are named only. */
const largestShownBytes = 1024 * 1024;

/** Room for the briefing in every prompt that holds it: a quarter of the smallest window, at most 40,000 tokens. */
export function briefingBudgetTokens(models: readonly string[]): number {
  const windows = models.map((name) => contextWindow(name).windowTokens * windowShare);
  return Math.floor(Math.min(usualBudgetTokens, ...windows));
}

/** Stage 2: a few files that matter, with reasons, under a budget. Deterministic. Errors: `outside.git`. */
export async function selectContext(needs: ContextNeeds, { git }: { git: Git }): Promise<Briefing> {
  const { repository, base, contract, walls } = needs;
  const { snapshot, unread, submodules, lfsPointers, layerMarks } = await readSnapshot(git, repository, base);
  const contractWalls = contract.boundaries.files.length === 0 ? [] : [contract.boundaries.files];
  const files = walls?.files ?? { allow: contractWalls, deny: [], companions: [], unprotect: [] };
  const mayChange = (path: string) => inScope(path, { files }).ok;
  const chosen = choose({ ...needs, lessons: needs.lessons ?? [], mayChange }, snapshot);
  const missing = atMost([
    ...chosen.missing,
    ...(needs.lacking ?? []),
    ...submodules.map((path) => `Submodule ${path} is not checked out`),
    ...lfsPointers.map((path) => `Git LFS file ${path} holds only its pointer`),
    ...layerMarks.map((path) => `${path} is not checked out: container images read its name as a deletion`),
    ...(unread === 0 ? [] : [`${unread} code files were not looked through: the repository holds too much code`]),
  ]);

  const budgetTokens = needs.budgetTokens ?? usualBudgetTokens;
  const missingTokens = estimateTokens(missing.join('\n'));
  const wishes = await withTexts(chosen.choices, snapshot, needs, git);
  const fitted = cutToBudget(wishes, Math.max(0, budgetTokens - missingTokens));
  const essential = chosen.absentFiles.filter(({ reference }) =>
    hasWildcards(reference) ? !mayCreate(reference, files.allow) : !mayChange(reference),
  );
  return {
    entries: fitted.entries.map(({ path, kind, why, score, tokens, text }) => ({
      path,
      kind,
      why,
      score,
      tokens,
      text,
    })),
    missing,
    tokens: fitted.tokens + missingTokens,
    budgetTokens,
    leftOut: fitted.leftOut,
    question: essential.length === 0 ? null : questionAbout(essential, base),
  };
}

function atMost(lines: readonly string[]): string[] {
  const short = lines.map((line) => (line.length > 300 ? `${line.slice(0, 300).toWellFormed()}…` : line));
  if (short.length <= mostMissing) return short;
  return [...short.slice(0, mostMissing - 1), `… and ${short.length - mostMissing + 1} more`];
}

/** Adds the texts: of code from the snapshot, of everything else in one more read. */
async function withTexts(
  choices: readonly Choice[],
  { files, texts }: Snapshot,
  { repository }: ContextNeeds,
  git: Git,
): Promise<Wish[]> {
  const entries = new Map(files.map((entry) => [entry.path, entry]));
  const unread = choices.flatMap(({ path, text }) => {
    const entry = text === undefined && !texts.has(path) ? entries.get(path) : undefined;
    return entry?.mode.startsWith('100') && entry.sizeBytes <= largestShownBytes ? [entry.blob] : [];
  });
  const blobs = await git.readBlobs(repository, unread);
  return choices.map(({ text: given, show, ...wish }) => {
    const whole = given ?? texts.get(wish.path) ?? textOf(blobs.get(entries.get(wish.path)?.blob ?? ''));
    const text = whole !== null && show === 'outline' ? outlineOf(wish.path, whole) : whole;
    return { ...wish, text };
  });
}

function questionAbout(absent: readonly { reference: string; hint: string }[], base: string): string {
  const named = absent.map(({ reference, hint }) => `\`${reference}\`${hint}`);
  return `Under *Files* the contract names what is not in the repository at ${base.slice(0, 10)}, and the allowed files do not let the run create it: ${few(named, 10)}. Correct the issue and put the label on again, or answer /retry from plan to go on without it.`;
}

/** What keeps the run from planning until a person answers; null when nothing does, or when they went on without it. */
export function briefingWait({ question, missing }: Briefing, { start }: Pick<Run, 'start'>): Outcome | null {
  if (question === null || (start.from !== 'intake' && start.from !== 'context')) return null;
  const text = 'Something that the contract names is not there.';
  return { code: 'context-missing', text, question, detail: missing.join('\n') };
}

/** The briefing as a prompt shows it: entries under headings that none of them can imitate. Everything in it is data. */
export function briefingParts({ entries, missing, leftOut }: Briefing): Part[] {
  const parts = entries.map(({ path, kind, why, text }) => ({
    heading: `${path} (${kind}: ${why})${text === null ? ', named only' : ''}`,
    text: text ?? '',
  }));
  if (missing.length > 0) parts.push({ heading: 'Not found', text: missing.join('\n') });
  if (leftOut > 0) parts.push({ heading: `${leftOut} further files seemed to matter less and are left out`, text: '' });
  return parts;
}
