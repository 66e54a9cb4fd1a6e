import type { PlanShape } from '../agent/shapes.ts';
import type { Contract } from '../contract/contract.ts';
import { globCovers, globProblem, hasWildcards } from '../contract/glob.ts';
import { inScope } from '../contract/globs.ts';
import { parseContract } from '../contract/parse.ts';
import { renderContract } from '../contract/render.ts';
import type { Walls } from '../contract/walls.ts';
import { plannedFiles } from './plan-objections.ts';

/** A smaller issue, ready to paste. */
export interface ProposedIssue {
  title: string;
  /** A contract that parses without blocking problems. */
  body: string;
}

type Part = PlanShape['split'][number];

const mostIssues = 12;
const titleChars = 100;

/**
 * The work in parts that each fit the limit: those that the model proposes, cut further where they are too large themselves,
 * or else the planned files in order. Each has its own goal, criteria and files, and the parent's checks and boundaries.
 */
export function proposedIssues(
  proposed: PlanShape,
  parent: { contract: Contract; walls: Walls; issue: number },
): ProposedIssue[] {
  const { contract, walls } = parent;
  const most = Math.max(1, walls.limits.files);
  const inWalls = (part: Part): Part => ({ ...part, files: part.files.filter((path) => mayName(path, parent)) });
  const own = proposed.split.map(inWalls).filter(({ files }) => files.length > 0);
  const whole: Part = {
    title: firstLine(contract.goal),
    goal: contract.goal,
    criteria: [],
    files: plannedFiles(proposed),
  };
  const parts = own.length > 1 ? own : [inWalls(whole)];
  return parts
    .flatMap((part) => inPieces(part, most))
    .slice(0, mostIssues)
    .map((part) => ({ title: firstLine(part.title || part.goal), body: bodyOf(part, parent) }));
}

/** A path in scope, or a pattern that lies within what the contract allows. */
function mayName(path: string, { contract, walls }: { contract: Contract; walls: Walls }): boolean {
  if (globProblem(path) !== null) return false;
  if (!hasWildcards(path)) return inScope(path, walls).ok;
  const { files } = contract.boundaries;
  return files.length === 0 || files.some((glob) => globCovers(glob, path));
}

function inPieces(part: Part, most: number): Part[] {
  if (part.files.length <= most) return [part];
  const count = Math.ceil(part.files.length / most);
  return Array.from({ length: count }, (_, index) => ({
    ...part,
    title: `${firstLine(part.title)} (part ${index + 1} of ${count})`,
    goal: `Part ${index + 1} of ${count}, only for the allowed files below: ${part.goal}`,
    files: part.files.slice(index * most, (index + 1) * most),
  }));
}

function bodyOf(part: Part, { contract, issue }: { contract: Contract; issue: number }): string {
  const criteria = part.criteria.length > 0 ? part.criteria : contract.criteria.map(({ text }) => text);
  const sub: Contract = {
    ...contract,
    goal: part.goal.trim() || part.title.trim() || contract.goal,
    criteria: criteria.map((text, index) => ({ id: `AC${index + 1}`, text })),
    context: { ...contract.context, files: [...new Set([...part.files, ...contract.context.files])] },
    boundaries: { ...contract.boundaries, files: part.files },
    checks: contract.checks.map((check) => ({ ...check, line: null })),
    notes: [{ heading: 'Part of', text: `#${issue}` }],
  };
  const body = renderContract(sub, 'pasted');
  if (parses(body)) return body;
  // What the model wrote reads as something else than a goal and criteria: then those of the parent stand, which were accepted.
  return renderContract({ ...sub, goal: contract.goal, criteria: contract.criteria }, 'pasted');
}

function parses(body: string): boolean {
  const { contract, problems } = parseContract(body);
  return (
    contract !== null &&
    contract.goal !== '' &&
    contract.criteria.length > 0 &&
    !problems.some(({ blocking }) => blocking)
  );
}

function firstLine(text: string): string {
  const line = text.trim().split('\n', 1)[0] ?? '';
  return line.length > titleChars ? `${line.slice(0, titleChars - 1).toWellFormed()}…` : line;
}

/** All of them in one text, for the status comment. */
export function issuesText(issues: readonly ProposedIssue[]): string {
  return issues
    .map(({ title, body }, index) => `===== Issue ${index + 1} of ${issues.length}: ${title} =====\n\n${body}`)
    .join('\n');
}
