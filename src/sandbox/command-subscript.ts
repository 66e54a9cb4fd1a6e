import type { SyntaxNode, Word } from 'unbash';
import { readWord } from './command-word.ts';

/** Built-ins that take the name of a variable, whose subscript bash evaluates: the commands in it run, quoted or not. */
const evaluating = new Set([
  ...[
    'let',
    'test',
    '[',
    'read',
    'unset',
    'set',
    'declare',
    'typeset',
    'local',
    'export',
    'readonly',
    'wait',
    'getopts',
  ],
]);
const hiddenCommand = /\[[^\]]*(?:\$\(|`)/;

/** Whether bash would run, as part of a subscript, what stands here as a text. What a variable gets may be evaluated later. */
export function evaluatesText(node: SyntaxNode): boolean {
  return textsOf(node).some((word) => hiddenCommand.test(readWord(word).text) || hasHidden(word));
}

/** A subscript outside quotes reads as a pattern of file names. */
const hasHidden = (word: Word) =>
  (word.parts ?? []).some((part) => part.type === 'Glob' && hiddenCommand.test(part.value));

function textsOf(node: SyntaxNode): readonly Word[] {
  switch (node.type) {
    case 'Command': {
      const [name, args] = [node.name?.value ?? '', node.args.filter((argument) => argument.type !== 'Assignment')];
      const named = name === 'printf' && args[0] !== undefined && readWord(args[0]).text.startsWith('-v');
      return named ? args.slice(0, 2) : evaluating.has(name) ? args : [];
    }
    case 'Assignment':
      return node.value.type === 'ArrayValue' ? [] : [node.value];
    case 'For':
      return node.wordlist ?? [];
    case 'TestUnary':
      return [node.operand];
    case 'TestBinary':
      return [node.left, node.right];
    default:
      return [];
  }
}
