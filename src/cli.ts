import { readFileSync } from 'node:fs';
import { Command, CommanderError } from 'commander';
import { z } from 'zod';
import { addRunCommand, addRunsCommands, addServiceCommands, addSetUpCommands } from './cli/commands.ts';
import { CallError, line, processTerminal } from './cli/terminal.ts';
import { type ErrorCode, errorTable, MillwrightError } from './errors.ts';
import { SettingsError } from './settings.ts';

/** Errors that whoever calls has to mend first: the exit code is 2. */
const environmental: readonly ErrorCode[] = ['outside.database', 'outside.no-engine'];

/** Runs one command. The exit code: 0 done, 1 failed or not found, 2 the environment or the call is wrong; more in docs/cli.md. */
export async function runCli(argv: readonly string[]): Promise<number> {
  let code = 0;
  const finish = (value: number) => {
    code = value;
  };
  const program = createProgram(finish);
  if (argv.length <= 2) {
    program.outputHelp();
    return 0;
  }
  try {
    await program.parseAsync([...argv]);
    return code;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    return explain(error);
  }
}

function createProgram(finish: (code: number) => void): Command {
  const program = new Command('millwright')
    .description('Turns well-specified issues into pull requests that a reviewer can trust.')
    .version(ownVersion(), '--version')
    .showSuggestionAfterError()
    .showHelpAfterError('(--help shows what may be given)')
    .exitOverride();
  addServiceCommands(program);
  addRunCommand(program, finish);
  addRunsCommands(program, finish);
  addSetUpCommands(program, finish);
  return program;
}

function ownVersion(): string {
  const file = new URL('../package.json', import.meta.url);
  return z.object({ version: z.string() }).parse(JSON.parse(readFileSync(file, 'utf8'))).version;
}

/** Says an expected error in words and returns its exit code. Anything else is a bug, and is thrown on. */
function explain(error: unknown): number {
  if (error instanceof CallError || error instanceof SettingsError) {
    processTerminal.err(error.message);
    return error instanceof CallError ? error.exitCode : 2;
  }
  if (!(error instanceof MillwrightError) || error.code === 'bug.unexpected') throw error;
  const { operator } = errorTable[error.code];
  processTerminal.err(line(error.message, 2_000));
  if (operator !== error.message) processTerminal.err(operator);
  return environmental.includes(error.code) ? 2 : 1;
}
