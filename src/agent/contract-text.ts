import type { Contract } from '../contract/contract.ts';
import { defaultCompanions } from '../contract/defaults.ts';
import { protectedGlobs } from '../contract/globs.ts';
import type { Walls } from '../contract/walls.ts';

/** The contract as a prompt shows it, inside its fence. Empty fields are left out. */
export function contractText(contract: Contract): string {
  const { context, tools, boundaries } = contract;
  const parts = [
    section('Goal', [contract.goal]),
    section(
      'Acceptance criteria',
      contract.criteria.map((criterion) => `${criterion.id}: ${criterion.text}`),
    ),
    section('Non-goals', contract.nonGoals),
    section('Files in scope', context.files),
    section('Tests in scope', context.tests),
    section('Docs', context.docs),
    section('Prior decisions', context.decisions),
    section(
      'Tools in scope',
      [...tools.mcps, ...tools.clis].map((grant) =>
        grant.access === 'unstated' ? grant.name : `${grant.name} (${grant.access})`,
      ),
    ),
    section('Tools explicitly denied', tools.denied),
    section('Allowed files', boundaries.files),
    section('Stop condition', [contract.stop.text]),
    section('The reviewer wants to read', [contract.reviewNote]),
    ...contract.notes.map((note) => section(note.heading, [note.text])),
  ];
  return parts.filter((part) => part !== '').join('\n\n');
}

/** The walls in words that an agent can act on. They hold policy text of the repository: shown inside a fence as well. */
export function wallsText(walls: Walls): string {
  const { files, commands, network, limits, tools, mcp } = walls;
  const run = walls.checks.flatMap((check) => (check.state === 'run' ? [`${check.kind}: ${check.command}`] : []));
  const checks =
    run.length === 0 ? [] : ['Checks that the app will run on your change:', ...run.map((check) => `- ${check}`)];
  const lines = [
    ...layered('Files that may change must match', files.allow),
    files.allow.length === 0 ? 'Files: any path of the repository may change, but for the following.' : '',
    listed('Files that must not change', files.deny),
    listed(
      'Always protected',
      protectedGlobs.filter((glob) => !files.unprotect.includes(glob)),
    ),
    listed('May change along with them', inShort(files.companions)),
    ...layered('Commands must match', commands.allow),
    listed('Commands that are refused', [...commands.deny, ...tools.denied]),
    listed(
      'Command-line tools named by the contract',
      tools.clis.map((grant) => (grant.access === 'unstated' ? grant.name : `${grant.name} (${grant.access})`)),
    ),
    listed(
      'Tools of MCP servers',
      Object.entries(mcp).flatMap(([server, granted]) =>
        Object.entries(granted).map(([tool, access]) => `${server}.${tool} (${access})`),
      ),
    ),
    network.hosts.length === 0 ? 'Network: none.' : listed('Network: only', network.hosts),
    listed('Secrets, as environment variables', walls.secrets),
    `Size: at most ${limits.files} files and ${limits.lines} changed lines.`,
    `Time: ${limits.minutes} minutes and ${limits.turns} turns in all; ${Math.round(limits.toolTimeoutMs / 1000)} s a command.`,
    ...checks,
  ];
  return lines.filter((line) => line !== '').join('\n');
}

/** The usual twenty globs say no more than their two words. */
function inShort(companions: readonly string[]): readonly string[] {
  const usual =
    companions.length === defaultCompanions.length && defaultCompanions.every((glob) => companions.includes(glob));
  return usual ? ['lock files', 'recorded snapshots'] : companions;
}

function section(title: string, values: readonly string[]): string {
  const filled = values.filter((value) => value.trim() !== '');
  if (filled.length === 0) return '';
  if (filled.length === 1) return `## ${title}\n${filled[0]}`;
  return `## ${title}\n${filled.map((value) => `- ${value}`).join('\n')}`;
}

function listed(title: string, values: readonly string[]): string {
  return values.length === 0 ? '' : `${title}: ${values.join(', ')}`;
}

/** Each layer's list on a line of its own: all of them hold at once. */
function layered(title: string, lists: readonly (readonly string[])[]): string[] {
  return lists.map((list, index) => `${index === 0 ? title : 'and also'} one of: ${list.join(', ') || '(nothing)'}`);
}
