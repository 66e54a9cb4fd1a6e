import { commandPolicy } from '../agent/command-tool.ts';
import type { PlanShape } from '../agent/shapes.ts';
import type { Contract } from '../contract/contract.ts';
import { inScope, matchesAny } from '../contract/globs.ts';
import type { Layer, Walls } from '../contract/walls.ts';
import { judgeCommand } from '../sandbox/command-policy.ts';

/** What a plan may be sent back for. Only some of it waits for a person when it is still there. */
export const objectionKinds = ['scope', 'tools', 'tests', 'size', 'paths'] as const;

export interface PlanObjection {
  kind: (typeof objectionKinds)[number];
  text: string;
}

const mostTold = 40;
const documents = /\.(?:md|mdx|markdown|rst|adoc|txt)$|(?:^|\/)(?:LICENSE|NOTICE|AUTHORS)$/;

/** Everything that is wrong with a plan, held against contract and walls by code alone. */
export function objectionsTo(
  proposed: PlanShape,
  { walls, contract }: { walls: Walls; contract: Contract },
): PlanObjection[] {
  return [
    ...proposed.files.flatMap((path) => pathObjection(path, walls)),
    ...proposed.tools.flatMap((tool) => toolObjection(tool, walls)),
    ...testObjections(proposed, walls, contract),
    ...sizeObjections(proposed, walls),
  ].slice(0, mostTold);
}

function pathObjection(path: string, walls: Walls): PlanObjection[] {
  if (/[*?{]|\/$/.test(path)) return [{ kind: 'paths', text: `${path} names no single file: list each file` }];
  const judged = inScope(path, walls);
  if (judged.ok) return [];
  return [{ kind: 'scope', text: `${path} ${whyOutside(judged)}` }];
}

const policyOf: Readonly<Record<Exclude<Layer, 'contract'>, string>> = {
  operator: 'the operator’s policy',
  organization: 'the organisation’s policy',
  repository: 'the repository file',
};

function whyOutside(judged: Exclude<ReturnType<typeof inScope>, { ok: true }>): string {
  if (judged.reason === 'protected') return 'is protected or outside the repository';
  if (judged.reason === 'denied') return `must not change (${judged.globs.join(', ')})`;
  if (judged.layer === null || judged.layer === 'contract') return 'is outside the allowed files';
  return `is outside what ${policyOf[judged.layer]} allows (${judged.globs.join(', ')})`;
}

/** Whether `/allow` can admit every planned file that is out of scope. */
export function allowHelps(proposed: PlanShape, walls: Walls): boolean {
  return proposed.files.every((path) => {
    const judged = inScope(path, walls);
    return judged.ok || judged.layer === 'contract';
  });
}

/** Reading, editing and asking need no grant, by whatever name a model calls them. */
const ownTools =
  /^(?:read|write|edit|list|search|create|apply)[_ ]?(?:file|files|folder|dir|patch|text|code)?$|^(?:editor|submit|ask|run_command)$/i;

function toolObjection(tool: string, walls: Walls): PlanObjection[] {
  if (ownTools.test(tool)) return [];
  const refused = (why: string): PlanObjection[] => [{ kind: 'tools', text: `${tool} may not be used: ${why}` }];
  const denied = walls.tools.denied.find((name) => tool === name || tool.startsWith(`${name} `));
  if (denied !== undefined) return refused(`the contract denies ${denied}`);
  const server = Object.keys(walls.mcp).find((name) => new Set([tool, ...partsBefore(tool)]).has(name));
  if (server !== undefined) {
    const name = tool.slice(server.length).replace(/^(?:[./]|__)/, '');
    const granted = name === '' || Object.hasOwn(walls.mcp[server] ?? {}, name);
    return granted ? [] : refused(`the server ${server} has no granted tool of that name`);
  }
  if (Object.values(walls.mcp).some((granted) => Object.hasOwn(granted, tool))) return [];
  const judged = judgeCommand(tool, commandPolicy(walls));
  return judged.allowed ? [] : refused(judged.reason);
}

/** What may be the name of a server in `docs.search`, `docs/search` or `docs__search`. */
const partsBefore = (tool: string) => [...tool.matchAll(/[./]|__/g)].map(({ index }) => tool.slice(0, index));

/** A change of behaviour needs a test that shows it, where tests are run at all. */
function testObjections({ files, testsFirst }: PlanShape, walls: Walls, contract: Contract): PlanObjection[] {
  const unitTests = walls.checks.some((check) => check.kind === 'unit' && check.state === 'run');
  const onlyWords = files.length > 0 && files.every((path) => documents.test(path));
  if (testsFirst.length === 0 && unitTests && contract.criteria.length > 0 && !onlyWords)
    return [{ kind: 'tests', text: 'no test is named that will be written or changed first' }];
  return testsFirst.flatMap((test) => {
    const path = testPath(test);
    if (path === null || inScope(path, walls).ok) return [];
    return [{ kind: 'tests' as const, text: `the test ${path} stands outside the allowed files` }];
  });
}

/** The path at the beginning of `path: what it shows`; null where there is none. */
export function testPath(test: string): string | null {
  return /^`?([\w@./-]+\.\w+)`?(?::|\s|$)/.exec(test)?.[1] ?? null;
}

/** Counted from the listed paths as verification will count the change, never taken from the model's own estimate. */
function sizeObjections(proposed: PlanShape, { files, limits }: Walls): PlanObjection[] {
  const own = plannedFiles(proposed).filter((path) => !matchesAny(path, files.companions));
  if (own.length <= limits.files) return [];
  return [{ kind: 'size', text: `${own.length} files are planned, ${limits.files} are allowed` }];
}

/** A plan that leaves all files to its parts plans the files of its parts. */
export function plannedFiles({ files, split }: PlanShape): string[] {
  return files.length > 0 ? files : [...new Set(split.flatMap((part) => part.files))];
}

const nothing = /^(?:none|no|nothing|n\/?a|not applicable|-)?[.!]?$/i;

/** The plan without what models add to a value: marks around a path, a path twice, `None` for an empty list. */
export function tidyPlan(proposed: PlanShape): PlanShape {
  return {
    ...proposed,
    files: tidyPaths(proposed.files),
    tools: tidyTexts(proposed.tools).map((tool) => tool.replace(/^`+|`+$/g, '').trim()),
    interfaces: tidyTexts(proposed.interfaces),
    testsFirst: tidyTexts(proposed.testsFirst),
    decisions: tidyTexts(proposed.decisions),
    split: proposed.split
      .map((part) => ({ ...part, criteria: tidyTexts(part.criteria), files: tidyPaths(part.files) }))
      .filter((part) => !nothing.test(part.title.trim()) || !nothing.test(part.goal.trim())),
    notes: tidyTexts(proposed.notes),
  };
}

const tidyTexts = (texts: readonly string[]) => texts.map((text) => text.trim()).filter((text) => !nothing.test(text));

/** `` `./src/a.ts` (new) `` → `src/a.ts` */
function tidyPaths(paths: readonly string[]): string[] {
  const plain = tidyTexts(paths).map((path) =>
    path
      .replace(/\s+\([^()]*\)$/, '')
      .replace(/^`+|`+$/g, '')
      .replace(/^(?:\.\/)+/, ''),
  );
  return [...new Set(plain)].filter((path) => path !== '');
}
