import { cell, code, inert } from './escape.ts';
import type { CommandRule, ReplyInput } from './facts.ts';
import { statusComment, statusMarker } from './status-comment.ts';

/** Answer to a command. A refusal says who may; nobody is mentioned. */
export function reply(input: ReplyInput): string {
  switch (input.kind) {
    case 'refused':
      return `${code(input.command)} needs the role ${code(input.needs)} (or a higher one) in this repository.`;
    case 'impossible':
      return `${code(input.command)} has no effect now: ${inert(input.reason)}`;
    case 'help':
      return help(input.commands);
    case 'status':
      return statusComment(input.status).replace(`${statusMarker}\n`, '');
  }
}

function help(commands: readonly CommandRule[]): string {
  const rows = commands.map(
    ({ usage, does, role }) =>
      `| ${code(usage, 'cell')} | ${cell(does)} | ${role === null ? 'anyone who can read' : code(role, 'cell')} |`,
  );
  return [
    'Commands are the first word of a line in a new comment, on the issue or on its pull request:',
    '',
    '| Command | What it does | Who may |',
    '| --- | --- | --- |',
    ...rows,
  ].join('\n');
}
