import { posix } from 'node:path';
import type { CommandWord, Wrapped } from './command-word.ts';

/** What a shell runs by its arguments. Null: a script file, which is judged as the command that it is. */
export function shellRuns(args: readonly CommandWord[]): Wrapped[] | null {
  for (let at = 0; at < args.length; at += 1) {
    const word = args[at];
    if (word === undefined) break;
    if (word.unknown) return [{ kind: 'unclear', reason: 'the arguments of the shell are only known when it runs' }];
    if (word.text === '--' || word.text === '-') return scriptFile(args.slice(at + 1));
    if (!/^[-+]/.test(word.text)) return scriptFile(args.slice(at));
    if (/^--(rcfile|init-file)$/.test(word.text))
      return [{ kind: 'unclear', reason: 'what stands in the start-up file of the shell is not known' }];
    if (word.text.startsWith('--')) continue;
    const values = optionNames(word);
    if (word.text.startsWith('-') && word.text.includes('c')) return inlineScript(args.slice(at + 1 + values));
    if (word.text.includes('s')) return [{ kind: 'stdin' }];
    at += values;
  }
  return [{ kind: 'stdin' }];
}

/** What `source` and `.` run. A file is judged as the command that it is. */
export function sourceRuns(args: readonly CommandWord[]): Wrapped[] | null {
  const [file] = args[0]?.text === '--' ? args.slice(1) : args;
  if (file?.unknown) return [{ kind: 'unclear', reason: 'what it reads is only known when it runs' }];
  return file !== undefined && isStandardInput(file) ? [{ kind: 'stdin' }] : null;
}

function scriptFile(rest: readonly CommandWord[]): Wrapped[] | null {
  const [file] = rest;
  return file === undefined || isStandardInput(file) ? [{ kind: 'stdin' }] : null;
}

/** Also other open files: what they hold is known no better. */
function isStandardInput(file: CommandWord): boolean {
  const path = posix.normalize(file.text);
  return path === '/dev/stdin' || /^\/(dev|proc\/.*)\/fd\//.test(path);
}

/** After `-c` further options may stand before the script. */
function inlineScript(rest: readonly CommandWord[]): Wrapped[] {
  let at = 0;
  for (let word = rest[0]; word !== undefined && /^[-+]./.test(word.text); word = rest[at]) at += 1 + optionNames(word);
  const script = rest[at];
  if (script === undefined) return [];
  return [{ kind: 'script', text: script.text, unknown: script.unknown, fresh: true }];
}

/** How many of the next words are names of options: each `o` takes one, wherever it stands among the letters. */
function optionNames(word: CommandWord): number {
  return word.text.startsWith('--') ? 0 : (word.text.match(/[oO]/g) ?? []).length;
}
