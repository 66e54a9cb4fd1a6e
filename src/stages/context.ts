import { z } from 'zod';
import type { Contract } from '../contract/contract.ts';
import { matchesGlob } from '../contract/globs.ts';
import type { Git, TreeEntry } from '../git/git.ts';

const BriefingEntry = z.object({
  path: z.string(),
  kind: z.enum(['file', 'test', 'doc', 'rule', 'decision']),
  /** Why it was chosen. */
  why: z.string(),
  /** Roughly what it costs in the prompt. */
  tokens: z.number(),
  /** Untrusted content, cut to the budget; null when only named. */
  text: z.string().nullable(),
});

/** The selected context: each entry says why it is there; what could not be found is said. */
export const Briefing = z.object({
  entries: z.array(BriefingEntry),
  missing: z.array(z.string()),
  tokens: z.number(),
});
export type Briefing = z.infer<typeof Briefing>;
type BriefingEntry = z.infer<typeof BriefingEntry>;

export interface ContextNeeds {
  repository: string;
  base: string;
  contract: Contract;
  /** Texts of prior decisions that were found on the host, by the reference that the contract gives. */
  decisions: ReadonlyMap<string, string>;
}

const budgetTokens = 40_000;
const entryTokens = 6_000;
const ruleNames = new Set(['agents.md', 'claude.md', 'contributing.md']);

/** Stage 2: a few files that matter, with reasons, under a budget. Deterministic. */
export async function selectContext(needs: ContextNeeds, doors: { git: Git }): Promise<Briefing> {
  const files = (await doors.git.list(needs.repository, needs.base)).filter((entry) => entry.mode !== '160000');
  const { wanted, missing } = choose(needs.contract, files);
  for (const reference of needs.contract.context.decisions) {
    if (!needs.decisions.has(reference) && !files.some((file) => file.path === reference))
      missing.push(`Prior decision ${reference}`);
  }
  const unsupported = await doors.git.unsupported(needs.repository, needs.base);
  missing.push(...unsupported.submodules.map((path) => `Submodule ${path} is not checked out`));
  missing.push(...unsupported.lfsPointers.map((path) => `Git LFS file ${path} holds only its pointer`));

  const entries: BriefingEntry[] = [];
  let tokens = 0;
  const add = (entry: Omit<BriefingEntry, 'tokens'>) => {
    const room = Math.min(entryTokens, budgetTokens - tokens);
    const text = entry.text === null || room < 200 ? null : cut(entry.text, room);
    const cost = tokensOf(text ?? '') + tokensOf(entry.path + entry.why);
    tokens += cost;
    entries.push({ ...entry, text, tokens: cost });
  };
  for (const choice of wanted) {
    const bytes = await doors.git.read(needs.repository, needs.base, choice.path);
    add({ ...choice, text: bytes && !isBinary(bytes) ? Buffer.from(bytes).toString('utf8') : null });
  }
  for (const [reference, text] of needs.decisions)
    add({ path: reference, kind: 'decision', why: 'named in the contract', text });
  return { entries, missing, tokens };
}

type Choice = Pick<BriefingEntry, 'path' | 'kind' | 'why'>;

function choose(contract: Contract, files: readonly TreeEntry[]): { wanted: Choice[]; missing: string[] } {
  const chosen = new Map<string, Choice>();
  const missing: string[] = [];
  const take = (path: string, kind: Choice['kind'], why: string) => {
    if (!chosen.has(path)) chosen.set(path, { path, kind, why });
  };
  const named = [
    ['file', contract.context.files],
    ['test', contract.context.tests],
    ['doc', contract.context.docs],
    [
      'decision',
      contract.context.decisions.filter((reference) => reference.includes('/') && !reference.includes('://')),
    ],
  ] as const;
  for (const [kind, globs] of named) {
    for (const glob of globs) {
      const found = files.filter((file) => matchesGlob(file.path, glob)).slice(0, 12);
      if (found.length === 0 && kind !== 'decision') missing.push(`No file matches ${glob}`);
      for (const file of found) take(file.path, kind, `named in the contract (${glob})`);
    }
  }
  for (const path of mentionedPaths(contract, files)) take(path, 'file', 'mentioned in the goal or a criterion');
  const subjects = [...chosen.values()].filter((choice) => choice.kind === 'file').map((choice) => choice.path);
  for (const file of files) {
    const subject = isTestPath(file.path) ? subjects.find((path) => stem(path) === stem(file.path)) : undefined;
    if (subject) take(file.path, 'test', `tests ${subject} by its name`);
  }
  const folders = new Set([...chosen.keys()].flatMap(foldersAbove));
  for (const file of files) {
    const name = baseName(file.path).toLowerCase();
    const folder = file.path.slice(0, Math.max(0, file.path.length - name.length - 1));
    if (ruleNames.has(name) && (folder === '' || folders.has(folder)))
      take(file.path, 'rule', 'rules that apply to these paths');
  }
  return { wanted: [...chosen.values()].slice(0, 40), missing };
}

function mentionedPaths(contract: Contract, files: readonly TreeEntry[]): string[] {
  const text = [contract.goal, ...contract.criteria.map((criterion) => criterion.text), contract.stop.text].join('\n');
  const words = new Set(text.match(/[\w./-]+\.\w+/g) ?? []);
  return files
    .filter((file) => words.has(file.path) || words.has(baseName(file.path)))
    .map((file) => file.path)
    .slice(0, 12);
}

const isTestPath = (path: string) =>
  /(^|\/)(tests?|__tests__|spec)\//i.test(path) ||
  /[._-](test|spec)\.\w+$/i.test(path) ||
  /(^|\/)test_[^/]+\.py$/.test(path);
const baseName = (path: string) => path.slice(path.lastIndexOf('/') + 1);
const stem = (path: string) =>
  baseName(path)
    .replace(/^test_/, '')
    .replace(/([._-](test|spec))?\.\w+$/i, '')
    .toLowerCase();
const foldersAbove = (path: string) =>
  path
    .split('/')
    .slice(0, -1)
    .map((_, index, parts) => parts.slice(0, index + 1).join('/'));
const isBinary = (bytes: Uint8Array) => bytes.subarray(0, 8000).includes(0);
/** About four characters a token, which holds for code within a third. */
const tokensOf = (text: string) => Math.ceil(text.length / 4);

function cut(text: string, tokens: number): string {
  const chars = tokens * 4;
  if (text.length <= chars) return text;
  const half = Math.floor(chars / 2);
  return `${text.slice(0, half)}\n[… ${text.length - 2 * half} characters left out: read the file for them …]\n${text.slice(-half)}`;
}

/** The briefing as text for a prompt; everything in it is data. */
export function briefingText(briefing: Briefing): string {
  const parts = briefing.entries.map(
    (entry) => `--- ${entry.path} (${entry.kind}: ${entry.why})\n${entry.text ?? '[named only: read it when needed]'}`,
  );
  if (briefing.missing.length > 0) parts.push(`--- Not found\n${briefing.missing.join('\n')}`);
  return parts.join('\n\n');
}
