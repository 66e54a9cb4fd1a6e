import type { CommandWord } from './command-word.ts';
import { unknownText } from './command-word.ts';

/**
 * Command patterns, as `commands.allow` and `commands.deny` hold them: words separated by blanks.
 * A word `*` stands for any words or none (`npm test *` matches `npm test` and `npm test -- x`); `*` inside a word stands for
 * any characters (`node --test-*`). Everything else is meant as written, letter case included.
 */
export function allows(pattern: string, words: readonly CommandWord[]): boolean {
  const wanted = pattern.trim().split(/\s+/);
  return pattern.trim() !== '' && matchesAllowed(wanted, words);
}

/** The last row first: whether the rest of the pattern matches the rest of the words. */
function matchesAllowed(wanted: readonly string[], words: readonly CommandWord[]): boolean {
  let row: boolean[] = words.map(() => false).concat(true);
  for (const word of wanted.toReversed()) {
    const next: boolean[] = new Array<boolean>(words.length + 1).fill(false);
    for (let at = words.length; at >= 0; at -= 1) {
      const given = words[at];
      if (word === '*') next[at] = row[at] === true || (at < words.length && next[at + 1] === true);
      // A word that may become several, or none, is only safe where any words are.
      else next[at] = given !== undefined && !given.many && row[at + 1] === true && globsMeet(word, given.text, false);
    }
    row = next;
  }
  return row[0] === true;
}

/**
 * Whether a deny pattern may meet the command, on the safe side: parts that are only known when the command runs stand for
 * anything, options may stand between and after the pattern's words (`npm publish` meets `npm --silent publish`), and the
 * program may be called by its path.
 */
export function mayMeet(pattern: string, words: readonly CommandWord[]): boolean {
  const wanted = pattern.trim().split(/\s+/);
  const [program, ...rest] = words;
  if (pattern.trim() === '' || program === undefined) return false;
  const base = { ...program, text: program.text.slice(program.text.lastIndexOf('/') + 1) };
  return meetsFrom(wanted, words) || meetsFrom(wanted, [base, ...rest]);
}

function meetsFrom(wanted: readonly string[], words: readonly CommandWord[]): boolean {
  const known = new Map<number, boolean>();
  const meets = (at: number, place: number): boolean => {
    const key = at * (words.length + 1) + place;
    const before = known.get(key);
    if (before !== undefined) return before;
    known.set(key, false);
    const met = meetsHere(at, place);
    known.set(key, met);
    return met;
  };
  const meetsHere = (at: number, place: number): boolean => {
    const word = wanted[at];
    const given = words[place];
    if (given === undefined) return word === undefined || (word === '*' && meets(at + 1, place));
    if (place > 0 && isOption(given)) {
      if (meets(at, place + 1)) return true;
      // The word after an option may be its value.
      if (place + 1 < words.length && meets(at, place + 2)) return true;
    }
    if (given.many && (meets(at, place + 1) || (word !== undefined && meets(at + 1, place)))) return true;
    if (word === undefined) return false;
    if (word === '*') return meets(at + 1, place) || meets(at, place + 1);
    return globsMeet(word, given.text, true) && meets(at + 1, place + 1);
  };
  return meets(0, 0);
}

const isOption = (word: CommandWord) => word.text.startsWith('-') && word.text !== '-';

/** Whether one text fits both: `*` of the pattern stands for any characters, and so does the unknown part of a word if `loose`. */
function globsMeet(pattern: string, text: string, loose: boolean): boolean {
  let row: boolean[] = new Array<boolean>(text.length + 1).fill(false);
  row[text.length] = true;
  // Trailing unknown parts may be empty.
  for (let at = text.length - 1; loose && at >= 0 && text[at] === unknownText; at -= 1) row[at] = true;
  for (let index = pattern.length - 1; index >= 0; index -= 1) {
    const next: boolean[] = new Array<boolean>(text.length + 1).fill(false);
    for (let at = text.length; at >= 0; at -= 1) {
      const unknown = loose && text[at] === unknownText;
      if (pattern[index] === '*') next[at] = row[at] === true || next[at + 1] === true;
      else if (unknown) next[at] = row[at] === true || next[at + 1] === true;
      else next[at] = text[at] === pattern[index] && row[at + 1] === true;
    }
    row = next;
  }
  return row[0] === true;
}
