import type { Line } from './blocks.ts';
import { isTagLine, saysNone, saysNothing } from './prose.ts';
import { withoutJoiners } from './text.ts';
import { type Misread, unquote } from './values.ts';

export interface CheckValue {
  command: string | null;
  skip: string | null;
}

const skipping = /^[*_]{0,2}skip(?:ped)?\b[*_]{0,2}\s*([:：]?)[*_]{0,2}\s*(.*)$/isu;

/** A command, or `skip: reason`. Several lines are one script that ends at the first failing line. Null: nothing written. */
export function readCheck(lines: readonly Line[]): CheckValue | Misread | null {
  const fenced = lines.some(({ kind }) => kind === 'fence');
  const kept = lines.filter(({ kind }) => kind === 'code' || (kind === 'text' && !fenced));
  const texts = kept.map(({ text, kind }) =>
    kind === 'code' ? text.trimEnd() : text.trim().replace(/^\[[ xX]\]\s+/u, ''),
  );
  const loose = lines.filter((line) => (line.kind === 'text' && fenced) || (line.kind === 'html' && !isTagLine(line)));
  const written = texts.filter((text) => text.trim() !== '' && !saysNothing(text) && !saysNone(text));
  const line = (loose[0] ?? kept.find(({ text }) => text.trim() !== '') ?? lines[0])?.number ?? 0;
  const misread = (message: string, text = written.join('\n')): Misread => ({ line, text, message });
  if (loose.length > 0) return misread('Expected the command alone, without words around it.', loose[0]?.text ?? '');
  if (written.length === 0) return null;
  if (written.some((text) => skipping.test(unquote(text)))) {
    const [, colon, reason = ''] = skipping.exec(unquote(written.map((text) => text.trim()).join(' '))) ?? [];
    if (!colon || isNoReason(reason)) return misread('To skip a check, write `skip: reason` with a reason.');
    return { command: null, skip: reason.trim() };
  }
  const commands = written.map((text) => plainCommand(text, fenced));
  if (commands.some((command) => withoutJoiners(command).changed))
    return misread('It holds characters that cannot be seen: write it anew.');
  if (!fenced && commands.some((command, index) => command.includes('`') && command === written[index])) {
    return misread('Expected the command alone: no words around it, and `$(…)` instead of backticks inside it.');
  }
  return { command: joinCommands(commands), skip: null };
}

/** "Not needed" is a reason, though it is no command. */
function isNoReason(reason: string): boolean {
  if (/^[<({]?reason[>)}]?\.?$/iu.test(reason)) return true;
  return saysNothing(reason) && !/^(?:n\/?a|not (?:applicable|needed|required))\.?$/iu.test(reason);
}

/** Without what shows that it is a command: backticks and bold type around it, the prompt of a terminal before it. */
function plainCommand(text: string, fenced: boolean): string {
  const bare = fenced ? text : unquote(text.replace(/^\*\*([^*]+)\*\*[.;]?$/u, '$1'));
  return bare.replace(/^\s*\$\s+(?=\S)/u, '');
}

function joinCommands(commands: readonly string[]): string {
  if (commands.length === 1) return (commands[0] ?? '').trim();
  return (commands[0]?.trim() === 'set -e' ? commands : ['set -e', ...commands]).join('\n');
}
