import type { SyntaxNode } from 'unbash';
import type { CommandWord } from './command-word.ts';

/** Variables that decide which program a name means, or make shells and loaders run something else as well. */
export const reroutingVariable =
  /^(PATH|ENV|BASH_ENV|SHELLOPTS|BASHOPTS|PROMPT_COMMAND|PS4|IFS|BASH_CMDS|BASH_ALIASES|LD_\w+|BASH_FUNC_.*)$/;

/** The variable that syntax other than an assignment sets. */
export function variableSetBy(node: SyntaxNode): string | null {
  if (node.type === 'For' || node.type === 'Select') return node.name.value;
  const assigns = node.type === 'ParameterExpansion' && node.operation?.type === 'Default';
  return assigns && node.operation.operator.endsWith('=') ? node.parameter : null;
}

const assigning = new Set(['export', 'declare', 'typeset', 'local', 'readonly', 'env', 'sudo', 'alias']);

/** The variables that a command sets by its arguments, as far as they are known. */
export function variablesSetBy(name: string, args: readonly CommandWord[]): string[] {
  const texts = args.map((word) => word.text);
  if (name === 'printf') return texts[0]?.startsWith('-v') ? texts.slice(0, 2).map(nameIn) : [];
  // Values of options too: which they are matters less than that none is missed.
  if (name === 'read' || name === 'getopts' || name === 'wait') return texts.map(nameIn);
  if (!assigning.has(name)) return [];
  const references = texts.some((text) => /^-\w*n/.test(text)) && name !== 'env' && name !== 'sudo';
  return texts.flatMap((text) => {
    const [, variable, value] = /^([^=[+]+)(?:\[[^=]*\])?\+?=([\s\S]*)$/.exec(text) ?? [];
    return variable === undefined ? [] : references ? [variable, value ?? ''] : [variable];
  });
}

/** An option may be joined to its value, and a subscript to the name. */
const nameIn = (text: string) => text.replace(/^-[a-z]*/, '').replace(/\[.*$/s, '');
