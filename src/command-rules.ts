import type { CommandName } from './command-text.ts';
import type { Role, Walls } from './contract/walls.ts';
import type { CommandRule } from './report/facts.ts';

/** Who may give a command, by the policy in force. */
export function roleFor(name: CommandName, walls: Walls): Role | null {
  const { start, command, stop, waive } = walls.roles;
  const needed: Record<CommandName, Role | null> = {
    retry: command,
    stop,
    approve: start,
    allow: command,
    waive,
    rollback: command,
    status: 'read',
    help: 'read',
  };
  return needed[name];
}

/** The commands and who may give them, for `/help`. */
export function commandRules(walls: Walls): CommandRule[] {
  const rule = (name: CommandName, usage: string, does: string): CommandRule => ({
    usage,
    does,
    role: roleFor(name, walls),
  });
  return [
    rule(
      'retry',
      '/retry [from STAGE] [guidance]',
      'Begins a new attempt from the branch’s tree, or from the named stage.',
    ),
    rule('stop', '/stop [reason]', 'Ends the run in any state; nothing is pushed afterwards.'),
    rule('approve', '/approve', 'Answers a gate: the contract of an author without the role, or a plan.'),
    rule('allow', '/allow GLOB', 'Widens the contract’s allowed files and goes on with the same patch.'),
    rule('waive', '/waive NAME reason', 'Lets a finding through; recorded in the pull request.'),
    rule('rollback', '/rollback', 'After merge: opens the pull request that reverts it.'),
    rule('status', '/status', 'Tells the current state.'),
    rule('help', '/help', 'Shows this table.'),
  ];
}
