import { issueLimitUsd } from '../contract/money.ts';
import type { Narrowing, Walls } from '../contract/walls.ts';
import { cell, code, folded, inert } from './escape.ts';
import { type Block, fixed, listVariants, tableVariants } from './join-within.ts';
import { count, dollars, durationText } from './phrases.ts';

/** The policy in force and what it cut short of the contract's wishes. */
export function wallsBlocks(walls: Walls, narrowed: readonly Narrowing[]): Block[] {
  const blocks: Block[] = [];
  if (narrowed.length > 0) {
    const items = narrowed.map(
      ({ key, asked, granted, by }) =>
        `${code(key)}: asked ${code(asked, 'text', 160) || 'nothing'}, granted ${code(granted, 'text', 160) || 'nothing'} (${by === 'default' ? 'by default' : `by the ${by} policy`})`,
    );
    blocks.push(fixed('**Narrowed by policy**'), { importance: 70, variants: listVariants(items) });
  }
  const told = tableVariants(['Policy in force', ''], wallRows(walls)).map((table) =>
    folded('Policy in force', [table, checksTable(walls)].join('\n\n')),
  );
  return [...blocks, { importance: 45, variants: [...told, ''] }];
}

function wallRows(walls: Walls): [string, string][] {
  const { limits } = walls;
  const list = (values: readonly string[], none: string) =>
    values.length === 0
      ? none
      : values
          .slice(0, 12)
          .map((value) => code(value, 'cell', 80))
          .join(' ') + (values.length > 12 ? ` and ${values.length - 12} more` : '');
  const allow = (lists: readonly (readonly string[])[], none: string) =>
    lists.length === 0
      ? none
      : lists
          .slice(0, 4)
          .map((globs) => list(globs, 'nothing'))
          .join(' and within ');
  return [
    ['Files allowed', allow(walls.files.allow, 'any but protected ones')],
    ['Files denied', list(walls.files.deny, '–')],
    ['Companions', list(walls.files.companions, '–')],
    ['Commands allowed', allow(walls.commands.allow, 'any, inside the sandbox')],
    ['Commands denied', list(walls.commands.deny, '–')],
    ['Network', list(walls.network.hosts, 'none')],
    ['Secrets', list(walls.secrets, 'none')],
    ['MCP servers', list(Object.keys(walls.mcp), 'none')],
    ['Image', code(walls.image, 'cell', 120)],
    ['Set-up', walls.setup === null ? 'none' : code(walls.setup.command, 'cell', 120)],
    [
      'Limits',
      `${limits.minutes} minutes, ${count(limits.turns)} turns, ${limits.rounds} rounds, ${count(limits.tokens)} tokens, ${count(limits.files)} files, ${count(limits.lines)} lines, ${durationText(limits.checkTimeoutMs)} a check`,
    ],
    ['Money', moneyText(walls)],
    ['Plan', walls.plan],
    ['Who may start', walls.roles.start],
    ['Who may give commands', walls.roles.command],
  ];
}

function moneyText(walls: Walls): string {
  const { dollarsPerDay, orgDollarsPerDay } = walls.budget;
  const each: [limit: number | null, of: string][] = [
    [issueLimitUsd(walls), 'for this issue'],
    [dollarsPerDay, 'a day for the repository'],
    [orgDollarsPerDay, 'a day for the organisation'],
  ];
  const told = each.flatMap(([limit, of]) => (limit === null ? [] : [`${dollars(limit)} ${of}`]));
  return told.join(', ') || 'not limited';
}

function checksTable(walls: Walls): string {
  const rows = walls.checks
    .slice(0, 40)
    .map((check) => [
      cell(check.label, 60),
      check.command === null ? '–' : code(check.command, 'cell', 160),
      check.state === 'run'
        ? `runs, at most ${durationText(check.timeoutMs)}`
        : `${check.state.replace('-', ' ')}: ${inert(check.reason ?? '', { maxChars: 200, place: 'cell' }) || 'no reason given'}`,
      check.origin,
    ]);
  return tableVariants(['Check', 'Command', 'State', 'From'], rows)[0] ?? '';
}
