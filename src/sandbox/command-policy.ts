import { type Command, forEachChild, type ParsedScript, parse, type Redirection, type SyntaxNode } from 'unbash';
import { allows, mayMeet } from './command-pattern.ts';
import { evaluatesText } from './command-subscript.ts';
import { reroutingVariable, variableSetBy, variablesSetBy } from './command-variables.ts';
import { type CommandWord, readAssignment, readWord, type Wrapped } from './command-word.ts';
import { wrappedBy } from './command-wrappers.ts';

/** Patterns as `command-pattern.ts` documents them. */
export interface CommandPolicy {
  /** One list per layer that has one: every command must match a pattern of each. Empty: everything that is not denied. */
  allow: readonly (readonly string[])[];
  deny: readonly string[];
}

type CommandJudgement =
  | { allowed: true; commands: string[] }
  | { allowed: false; reason: string /** The part that was refused, as written. */; command: string };

/** One simple command that a shell text would run. */
interface Found {
  words: readonly CommandWord[];
  /** Runs nothing by itself that an allow list would care for: shell built-ins, wrappers around a judged command. */
  harmless: boolean;
  /** Why it cannot be told what it runs. Counts only where something is restricted. */
  unclear: string | null;
}

interface Walk {
  found: Found[];
  /** What is wrong whatever the policy says. */
  broken: { reason: string; command: string } | null;
  /** Functions that the text itself defines, unconditionally. Their bodies are judged where they stand. */
  functions: Set<string>;
  aliases: Map<string, string>;
  depth: number;
}

const maxDepth = 12;
const maxCommands = 5_000;
const maxCommandChars = 512 * 1024;

/** Built-ins that only touch the shell itself or print: with `cd sub && npm test` nobody means to forbid `cd`. */
const harmlessBuiltins = new Set([
  ...[':', 'true', 'false', 'cd', 'pwd', 'pushd', 'popd', 'dirs', 'echo', 'printf', 'test', '[', 'export', 'readonly'],
  ...['declare', 'typeset', 'local', 'set', 'shift', 'unset', 'read', 'return', 'exit', 'break', 'continue', 'wait'],
  ...['jobs', 'umask', 'getopts', 'times', 'type', 'let'],
]);

/**
 * Judges a shell text by what it would run: every simple command of it, also inside substitutions, subscripts, pipes, functions, aliases,
 * `sh -c`, `eval`, `xargs`, `find -exec` and the like. Text that cannot be parsed is refused; a command that is only known at
 * run time is refused where anything is restricted. This is guidance for an honest agent and not a wall: an allowed program may
 * run whatever it likes. The wall is the container. Never throws.
 */
export function judgeCommand(command: string, policy: CommandPolicy): CommandJudgement {
  if (command.includes('\0')) return refuse('a command has no NUL characters', command);
  if (command.length > maxCommandChars)
    return refuse('the command is over 512 KB: put the script into a file', command);
  const walk: Walk = { found: [], broken: null, functions: new Set(), aliases: new Map(), depth: 0 };
  try {
    walkText(command, walk, true);
  } catch (error) {
    // The parser bounds its own nesting, our walk does not: the stack is the bound.
    const reason = error instanceof RangeError ? 'it is nested too deeply' : 'the shell syntax cannot be read';
    return refuse(reason, command);
  }
  if (walk.broken !== null) return refuse(walk.broken.reason, walk.broken.command);
  const allow = policy.allow.map((list) => [...list]);
  const restricted = allow.length > 0 || policy.deny.some((pattern) => pattern.trim() !== '');
  for (const found of walk.found) {
    const reason = restricted ? objection(found, allow, policy.deny) : null;
    if (reason !== null) return refuse(reason, sourceOf(found.words) || command);
  }
  return {
    allowed: true,
    commands: walk.found.map((found) => sourceOf(found.words)).filter((source) => source !== ''),
  };
}

function refuse(reason: string, command: string): CommandJudgement {
  return { allowed: false, reason, command: command.slice(0, 1_000) };
}

function objection(found: Found, allow: readonly string[][], deny: readonly string[]): string | null {
  const source = sourceOf(found.words).slice(0, 200);
  const denying = deny.find((pattern) => mayMeet(pattern, found.words));
  if (denying !== undefined) return `\`${source}\` meets the denied pattern \`${denying}\``;
  const allowed = allow.every((list) => list.some((pattern) => allows(pattern, found.words)));
  if (found.unclear !== null && !(allow.length > 0 && allowed)) {
    return source === '' ? found.unclear : `\`${source}\`: ${found.unclear}`;
  }
  if (found.harmless || allowed) return null;
  const missing = allow.find((list) => !list.some((pattern) => allows(pattern, found.words))) ?? [];
  return `\`${source}\` matches none of the allowed patterns: ${missing.slice(0, 20).join(', ') || '(none)'}`;
}

function sourceOf(words: readonly CommandWord[]): string {
  return words.map((word) => word.source).join(' ');
}

/** `outermost`: a function defined at its top is there for every later command. */
function walkText(text: string, walk: Walk, outermost: boolean): void {
  walk.depth += 1;
  if (walk.depth > maxDepth) walk.broken ??= { reason: 'it is nested too deeply', command: text };
  else walkScript(parse(text), text, walk, outermost);
  walk.depth -= 1;
}

function walkScript(script: ParsedScript, text: string, walk: Walk, outermost: boolean): void {
  const [error] = script.errors ?? [];
  if (error !== undefined) {
    walk.broken ??= { reason: `the shell syntax cannot be read: ${error.message}`, command: text };
    return;
  }
  forEachChild(script, (statement) => {
    walkNode(statement, text, walk);
    const defined = statement.type === 'Statement' && !statement.background ? statement.command : null;
    if (outermost && defined?.type === 'Function') walk.functions.add(defined.name.value);
  });
}

function walkNode(node: SyntaxNode, text: string, walk: Walk): void {
  if (walk.broken !== null) return;
  if (node.type === 'Script') {
    walkScript(node, text, walk, false);
    return;
  }
  const doubt = doubtAbout(node);
  if (doubt !== null) note(walk, [], doubt);
  const variable = variableSetBy(node);
  if (variable !== null) noteVariable(walk, variable, variable);
  if (node.type === 'Command') walkCommand(node, walk);
  forEachChild(node, (child) => {
    walkNode(child, text, walk);
  });
}

/** Syntax that runs text nobody sees here, or that plain sh (dash, busybox) takes apart in another way than the parser. */
function doubtAbout(node: SyntaxNode): string | null {
  if (evaluatesText(node)) return 'bash runs what stands in a subscript, quoted or not';
  switch (node.type) {
    case 'Transform':
      return 'a parameter transformation may run text that is not known';
    case 'ArithmeticCommand':
      return 'sh runs what stands in `((…))`: write `$((…))` or `[ … ]`';
    case 'TestLogical':
      return 'sh runs what follows `&&` and `||` inside `[[…]]`: join several `[ … ]` instead';
    case 'TestBinary':
      return node.operator === '=~' ? 'sh reads `|` after `=~` as a pipe: use grep or case' : null;
    case 'Redirect':
      return node.operator.startsWith('&>') ? 'sh reads `&>` as two commands: write `>file 2>&1`' : null;
    case 'HereDoc':
      return node.body.parts?.some((part) => part.type === 'ParameterExpansion' && quotesCommand(part.text))
        ? 'sh finds no quotes inside an expansion of a here-document: quote its delimiter'
        : null;
    case 'AnsiCQuoted':
      return node.text.includes("\\'") ? "sh ends `$'…'` at the first quote: use plain quotes" : null;
    default:
      return null;
  }
}

function quotesCommand(text: string): boolean {
  const quote = text.indexOf("'");
  return quote >= 0 && /\$\(|`/.test(text.slice(quote));
}

function walkCommand(command: Command, walk: Walk): void {
  const args = command.args.map((argument) =>
    argument.type === 'Assignment' ? readAssignment(argument) : readWord(argument),
  );
  const words = command.name === undefined ? args : [readWord(command.name), ...args];
  for (const part of command.prefix) if (part.type === 'Assignment') noteVariable(walk, part.name, part.text);
  judgeWords(words, walk, () => hereDocument(command));
}

/** Takes one command apart: itself, and what it runs. `stdin` gives the text that a here-document feeds it, when known. */
function judgeWords(words: readonly CommandWord[], walk: Walk, stdin: () => string | null): void {
  const [program, ...args] = words;
  if (program === undefined) return;
  if (walk.found.length >= maxCommands) {
    walk.broken ??= { reason: `it has more than ${maxCommands} commands`, command: program.source };
    return;
  }
  if (program.unknown) {
    note(walk, words, 'the name of the command is only known when it runs');
    return;
  }
  const alias = walk.aliases.get(program.text);
  if (alias !== undefined) expandAlias(program.text, alias, args, walk);
  const base = program.text.slice(program.text.lastIndexOf('/') + 1);
  const wrapped = wrappedBy(base, args);
  // A program in the repository that only bears the name is not that program.
  const genuine = !program.text.includes('/') || /^\/(usr\/)?(local\/)?s?bin\/[^/]+$/.test(program.text);
  const transparent = wrapped !== null && base !== 'find' && base !== 'split' && genuine;
  const harmless =
    harmlessBuiltins.has(program.text) || walk.functions.has(program.text) || alias !== undefined || transparent;
  walk.found.push({ words, harmless, unclear: unclearOf(wrapped, stdin) });
  for (const run of wrapped ?? []) follow(run, walk, stdin);
  noteBuiltin(program.text, args, walk);
}

/** Within its own text an alias means the program of that name. */
function expandAlias(name: string, value: string, args: readonly CommandWord[], walk: Walk): void {
  walk.aliases.delete(name);
  const sources = args.map((word) => word.source);
  // Where a value ends in a blank, the next word is looked up as an alias too.
  let last: string | undefined = value;
  for (let at = 0; last !== undefined && /\s$/.test(last); at += 1) {
    last = walk.aliases.get(sources[at] ?? '');
    if (last !== undefined) sources[at] = last;
  }
  walkText(`${value} ${sources.join(' ')}`, walk, false);
  walk.aliases.set(name, value);
}

function unclearOf(wrapped: readonly Wrapped[] | null, stdin: () => string | null): string | null {
  for (const run of wrapped ?? []) {
    if (run.kind === 'unclear') return run.reason;
    if (run.kind === 'script' && run.unknown) return 'the script is only known when it runs';
    if (run.kind === 'stdin' && stdin() === null) return 'a shell would run what it reads, which is not known';
  }
  return null;
}

function follow(run: Wrapped, walk: Walk, stdin: () => string | null): void {
  if (run.kind === 'words') judgeWords(run.words, walk, () => null);
  const text = run.kind === 'script' && !run.unknown ? run.text : run.kind === 'stdin' ? stdin() : null;
  if (text === null) return;
  if (run.kind === 'script' && !run.fresh) {
    walkText(text, walk, false);
    return;
  }
  // A shell of its own knows nothing of this one's functions and aliases.
  const { functions, aliases } = walk;
  walk.functions = new Set();
  walk.aliases = new Map();
  walkText(text, walk, true);
  walk.functions = functions;
  walk.aliases = aliases;
}

/** Built-ins that change what later words mean. */
function noteBuiltin(name: string, args: readonly CommandWord[], walk: Walk): void {
  if (name === 'unset') walk.functions.clear();
  if (name === 'alias') for (const word of args) noteAlias(word, walk);
  for (const variable of variablesSetBy(name, args)) noteVariable(walk, variable, sourceOf(args));
}

function noteAlias(word: CommandWord, walk: Walk): void {
  const [, name, value] = /^([^=\s]+)=([\s\S]*)$/.exec(word.text) ?? [];
  if (name === undefined || value === undefined) return;
  if (word.unknown) note(walk, [word], 'what the alias stands for is only known when it runs');
  else walk.aliases.set(name, value);
}

function noteVariable(walk: Walk, name: string, source: string): void {
  if (!reroutingVariable.test(name)) return;
  const words = [{ text: source, unknown: true, many: false, source }];
  note(walk, words, `setting ${name} changes which programs run`);
}

function note(walk: Walk, words: readonly CommandWord[], unclear: string): void {
  walk.found.push({ words, harmless: true, unclear });
}

/** What a here-document feeds the command, when it holds nothing that is expanded at run time. */
function hereDocument(command: Command): string | null {
  const inputs = command.redirects.filter(
    (redirect) => redirect.type !== 'Redirect' || redirect.operator.startsWith('<'),
  );
  const input = inputs.at(-1);
  if (inputs.length !== 1 || input === undefined || !isStandardInput(input)) return null;
  if (input.type === 'HereString') {
    const word = input.target === undefined ? null : readWord(input.target);
    return word === null || word.unknown ? null : word.text;
  }
  if (input.type !== 'HereDoc') return null;
  const fixed = input.delimiter?.quoted || (input.body.parts ?? []).every((part) => part.type === 'Literal');
  return fixed ? input.body.text : null;
}

const isStandardInput = ({ descriptor }: Redirection) =>
  descriptor === undefined || (descriptor.type === 'FileDescriptor' && descriptor.value === 0);
