import type { Assignment, DoubleQuotedChild, Word, WordPart } from 'unbash';

/** Stands for text that is only known when the command runs. Commands with a real NUL are refused before. */
export const unknownText = '\0';

/** One word of a command after quoting, as far as it is known without running anything. */
export interface CommandWord {
  /** The value; unknown parts are `unknownText`. */
  text: string;
  /** Some part is only known at run time. */
  unknown: boolean;
  /** May become several words, or none. */
  many: boolean;
  /** As written, for people. */
  source: string;
}

/** What a command that runs another command runs. */
export type Wrapped =
  /** These words, as a command. */
  | { kind: 'words'; words: readonly CommandWord[] }
  /** This text, as a script; `unknown` when it is only known at run time. `fresh`: by a shell of its own. */
  | { kind: 'script'; text: string; unknown: boolean; fresh: boolean }
  /** Cannot be told. */
  | { kind: 'unclear'; reason: string }
  /** What comes in on standard input, by a shell of its own. */
  | { kind: 'stdin' };

/** A word whose value is known. */
export function knownWord(text: string): CommandWord {
  return { text, unknown: false, many: false, source: text };
}

/** Any words or none: what `xargs` adds. */
export const anyWords: CommandWord = { text: unknownText, unknown: true, many: true, source: '…' };

/** Reads a word of the syntax tree. */
export function readWord(word: Word): CommandWord {
  if (word.parts === undefined) return { text: word.value, unknown: false, many: false, source: word.text };
  const read: CommandWord = { text: '', unknown: false, many: false, source: word.text };
  for (const part of word.parts) addPart(read, part);
  return read;
}

/** Reads `NAME=value` where it stands among the arguments, as for `export` and `alias`. */
export function readAssignment(assignment: Assignment): CommandWord {
  const { name, value, index, append } = assignment;
  if (value.type === 'ArrayValue' || index !== undefined) {
    return { text: `${name}=${unknownText}`, unknown: true, many: false, source: assignment.text };
  }
  const read = readWord(value);
  return { ...read, text: `${name}${append ? '+=' : '='}${read.text}`, source: assignment.text };
}

function addPart(read: CommandWord, part: WordPart): void {
  switch (part.type) {
    case 'Literal':
    case 'SingleQuoted':
    case 'AnsiCQuoted':
      read.text += part.value;
      return;
    case 'DoubleQuoted':
    case 'LocaleString':
      for (const child of part.parts) addQuoted(read, child);
      return;
    case 'ProcessSubstitution':
      addUnknown(read, false);
      return;
    default:
      // Expansions outside quotes are split, globs and braces multiply.
      addUnknown(read, true);
  }
}

function addQuoted(read: CommandWord, part: DoubleQuotedChild): void {
  if (part.type === 'Literal') read.text += part.value;
  else addUnknown(read, /^\$\{?@|\[@\]|@\}$/.test(part.text));
}

function addUnknown(read: CommandWord, many: boolean): void {
  read.text += unknownText;
  read.unknown = true;
  read.many ||= many;
}
