import { estimateTokens } from '../model/context-window.ts';

/** What an entry of the briefing is, in the order in which they are shown. */
export const entryKinds = ['file', 'test', 'rule', 'doc', 'decision', 'lesson', 'history', 'neighbour'] as const;
export type EntryKind = (typeof entryKinds)[number];

export interface Wish {
  path: string;
  kind: EntryKind;
  why: string;
  score: number;
  /** Named by the contract: at least its name stays, whatever the budget. */
  named: boolean;
  /** Null when only the name is to be shown. */
  text: string | null;
}

export interface Fitted extends Wish {
  /** What it costs in the prompt, its heading included. */
  tokens: number;
}

/** What each kind is sure of when the kinds before it want everything. What a kind leaves goes to those after it. */
const sureShare: Readonly<Record<EntryKind, number>> = {
  file: 1,
  test: 0.16,
  rule: 0.1,
  doc: 0.06,
  decision: 0.06,
  lesson: 0.04,
  history: 0.03,
  neighbour: 0.07,
};
/** No single text takes more of the budget than this. */
const largestShare = { named: 0.4, other: 0.15 } as const;
/** Names and reasons alone take no more than this. */
const headingShare = 0.34;
/** A shorter piece of a text is worth less than its room. */
const leastTokens = 120;

/**
 * Cuts the wishes to a budget, in the order of their kinds and ranks: texts that are too long lose their middle, the last of a
 * kind lose their text, and the last of all are left out. The result never costs more than the budget, unless the
 * contract's own names alone do.
 */
export function cutToBudget(
  wishes: readonly Wish[],
  budgetTokens: number,
): { entries: Fitted[]; leftOut: number; tokens: number } {
  const kept = withinHeadings(wishes, budgetTokens * headingShare);
  let room = budgetTokens - kept.reduce((sum, wish) => sum + headingTokens(wish), 0);
  const entries: Fitted[] = [];
  for (const [index, kind] of entryKinds.entries()) {
    const own = kept.filter((wish) => wish.kind === kind);
    const sure = entryKinds
      .slice(index + 1)
      .reduce(
        (sum, later) => sum + Math.min(wishedTokens(kept, later, budgetTokens), sureShare[later] * budgetTokens),
        0,
      );
    for (const entry of fitKind(own, Math.max(0, room - sure), budgetTokens)) {
      entries.push(entry);
      room -= entry.tokens - headingTokens(entry);
    }
  }
  const tokens = entries.reduce((sum, entry) => sum + entry.tokens, 0);
  return { entries, leftOut: wishes.length - kept.length, tokens };
}

export function headingTokens({ path, kind, why }: Pick<Wish, 'path' | 'kind' | 'why'>): number {
  // A mark of twelve characters stands in each heading.
  return estimateTokens(`--- ${'x'.repeat(12)} ${path} (${kind}: ${why}), named only\n\n\n`);
}

/** Wishes whose headings fit: those that the contract names first, then the others, each in order. */
function withinHeadings(wishes: readonly Wish[], tokens: number): Wish[] {
  let room = tokens;
  const kept = new Set<Wish>();
  for (const wish of [...wishes.filter(({ named }) => named), ...wishes.filter(({ named }) => !named)]) {
    room -= headingTokens(wish);
    if (wish.named || room >= 0) kept.add(wish);
  }
  return wishes.filter((wish) => kept.has(wish));
}

const textTokens = ({ text }: Wish) => (text === null ? 0 : estimateTokens(text));
const most = (wish: Wish, budget: number) => (wish.named ? largestShare.named : largestShare.other) * budget;

function wishedTokens(wishes: readonly Wish[], kind: EntryKind, budget: number): number {
  return wishes
    .filter((wish) => wish.kind === kind)
    .reduce((sum, wish) => sum + Math.min(textTokens(wish), most(wish, budget)), 0);
}

/** Shares a kind's room out so that small texts are whole and the large ones are cut alike; too little for all: the last go without. */
function fitKind(wishes: readonly Wish[], room: number, budget: number): Fitted[] {
  const wants = wishes.map((wish) => Math.min(textTokens(wish), most(wish, budget)));
  let shown = wishes.length;
  let level = evenLevel(wants, room);
  while (shown > 0 && level < Math.min(leastTokens, Math.max(...wants.slice(0, shown)))) {
    shown -= 1;
    level = evenLevel(wants.slice(0, shown), room);
  }
  return wishes.map((wish, index) => {
    const text = wish.text === null || index >= shown ? null : cutMiddle(wish.text, Math.min(level, wants[index] ?? 0));
    return { ...wish, text, tokens: headingTokens(wish) + (text === null ? 0 : estimateTokens(text)) };
  });
}

/** The level at which `Σ min(want, level)` is the room. */
function evenLevel(wants: readonly number[], room: number): number {
  let left = room;
  for (const [index, want] of wants.toSorted((a, b) => a - b).entries()) {
    const even = left / (wants.length - index);
    if (want > even) return Math.floor(even);
    left -= want;
  }
  return Number.POSITIVE_INFINITY;
}

/** Head and tail of a text, at line ends where it has them, within so many tokens; null when nothing sensible fits. */
export function cutMiddle(text: string, tokens: number): string | null {
  if (estimateTokens(text) <= tokens) return text;
  // Characters may take several bytes: the estimate counts bytes.
  for (let chars = Math.floor(tokens * 3); chars >= 60; chars = Math.floor(chars * 0.8)) {
    const head = upToLineEnd(text.slice(0, Math.floor(chars * 0.6)));
    const tail = fromLineStart(text.slice(-Math.floor(chars * 0.3)));
    const left = text.length - head.length - tail.length;
    const cut = `${head}\n[… ${left} characters left out: read the file for them …]\n${tail}`.toWellFormed();
    if (estimateTokens(cut) <= tokens) return cut;
  }
  return null;
}

function upToLineEnd(text: string): string {
  const end = text.lastIndexOf('\n');
  return end > text.length / 2 ? text.slice(0, end) : text;
}

function fromLineStart(text: string): string {
  const start = text.indexOf('\n');
  return start >= 0 && start < text.length / 2 ? text.slice(start + 1) : text;
}
