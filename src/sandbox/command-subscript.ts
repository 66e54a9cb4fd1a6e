import type { SyntaxNode, Word } from 'unbash';
import { readWord } from './command-word.ts';

/** Built-ins that take the name of a variable, whose subscript bash evaluates: the commands in it run, quoted or not. */
const evaluating = new Set('let test [ read unset set declare typeset local export readonly wait getopts'.split(' '));
// No bracket in between: a text of nothing else would take time with the square of its length.
const hiddenCommand = /\[[^\][]*(?:\$\(|`)/;

/** Whether bash would run, as part of a subscript, what stands here as a text. What a variable gets may be evaluated later. */
export function evaluatesText(node: SyntaxNode): boolean {
  const subscript = node.type === 'Assignment' || node.type === 'ParameterExpansion' ? node.index : undefined;
  if (subscript !== undefined && /\$\(|`/.test(readWord(subscript).text)) return true;
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
    case 'Default':
      return [node.operand];
    case 'Slice':
      return node.length === undefined ? [node.offset] : [node.offset, node.length];
    case 'ArithmeticWord':
      return [{ ...node, type: 'Word', text: node.value }];
    case 'TestUnary':
      return [node.operand];
    case 'TestBinary':
      return [node.left, node.right];
    default:
      return [];
  }
}
