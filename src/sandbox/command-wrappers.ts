import { shellRuns, sourceRuns } from './command-shells.ts';
import { anyWords, type CommandWord, knownWord, unknownText, type Wrapped } from './command-word.ts';

interface WrapperOptions {
  /** Short options without a value. */
  flags: string;
  /** Short options with a value, attached or as the next word. */
  valued: string;
  /** Short options whose value can only be attached. */
  attached?: string;
  /** Long options whose value is the next word when no `=` is there. */
  longValued?: readonly string[];
  /** Long options without a value. */
  long?: readonly string[];
  /** Words between the options and the command. */
  positionals?: number;
  /** `NAME=value` words before the command. */
  assignments?: boolean;
}

/** Programs that run the command given as their last words. Options by their manual pages (GNU, util-linux, sudo). */
const prefixes: Readonly<Record<string, WrapperOptions>> = {
  env: {
    flags: 'i0v',
    valued: 'uC',
    long: ['ignore-environment', 'null', 'debug', 'list-signal-handling'],
    longValued: ['unset', 'chdir'],
    assignments: true,
  },
  sudo: {
    flags: 'AbEeHnPSkKB',
    valued: 'CDghprRTtUu',
    long: ['preserve-env', 'non-interactive', 'stdin', 'set-home', 'background', 'askpass'],
    longValued: ['user', 'group', 'chdir', 'host', 'prompt', 'chroot'],
    assignments: true,
  },
  doas: { flags: 'n', valued: 'Cu' },
  nice: { flags: '0123456789', valued: 'n', longValued: ['adjustment'] },
  ionice: { flags: 't', valued: 'cn', long: ['ignore'], longValued: ['class', 'classdata'] },
  timeout: {
    flags: 'v',
    valued: 'ks',
    long: ['foreground', 'preserve-status', 'verbose'],
    longValued: ['kill-after', 'signal'],
    positionals: 1,
  },
  time: {
    flags: 'pavq',
    valued: 'fo',
    long: ['portability', 'append', 'verbose', 'quiet'],
    longValued: ['format', 'output'],
  },
  nohup: { flags: '', valued: '' },
  setsid: { flags: 'cfw', valued: '', long: ['ctty', 'fork', 'wait'] },
  stdbuf: { flags: '', valued: 'ioe', longValued: ['input', 'output', 'error'] },
  command: { flags: 'p', valued: '' },
  builtin: { flags: '', valued: '' },
  exec: { flags: 'cl', valued: 'a' },
  busybox: { flags: '', valued: '' },
};

const xargsOptions: WrapperOptions = {
  flags: '0prtxo',
  valued: 'adEILnPs',
  attached: 'eil',
  long: ['null', 'interactive', 'no-run-if-empty', 'verbose', 'exit', 'open-tty', 'replace', 'max-lines', 'eof'],
  longValued: ['arg-file', 'delimiter', 'max-args', 'max-procs', 'max-chars', 'process-slot-var'],
};

const watchOptions: WrapperOptions = {
  flags: 'bcdegprtwCfx',
  valued: 'nqs',
  long: ['beep', 'color', 'differences', 'errexit', 'chgexit', 'precise', 'no-rerun', 'no-title', 'no-wrap', 'exec'],
  longValued: ['interval', 'equexit'],
};

const shells = new Set(['sh', 'bash', 'dash', 'ash', 'ksh', 'mksh', 'zsh', 'rbash']);

/** Programs that run commands in ways of their own, which are not followed. */
const opaque = new Set([
  ...[
    'su',
    'runuser',
    'script',
    'flock',
    'chroot',
    'unshare',
    'nsenter',
    'setpriv',
    'strace',
    'ltrace',
    'gdb',
    'expect',
  ],
  ...[
    'parallel',
    'entr',
    'ssh',
    'at',
    'batch',
    'crontab',
    'fish',
    'csh',
    'tcsh',
    'pwsh',
    'systemd-run',
    'start-stop-daemon',
  ],
  ...['taskset', 'chrt', 'prlimit', 'numactl', 'unbuffer', 'fakeroot', 'faketime', 'xvfb-run', 'rlwrap', 'sg', 'capsh'],
  ...['setarch', 'linux32', 'linux64', 'i386', 'i686', 'x86_64', 'choom'],
  ...['proot', 'bwrap', 'firejail', 'toybox', 'screen', 'tmux', 'dbus-run-session', 'run-parts', 'chronic'],
  ...['mapfile', 'readarray', 'enable', 'bind', 'complete', 'compgen', 'fc', 'coproc', 'hash', 'shopt'],
]);

/** What the program runs, or null when it runs nothing of this kind. `name` is without its folder. */
export function wrappedBy(name: string, args: readonly CommandWord[]): Wrapped[] | null {
  if (shells.has(name)) return shellRuns(args);
  if (opaque.has(name)) return [{ kind: 'unclear', reason: `what ${name} runs cannot be followed` }];
  switch (name) {
    case 'eval':
      return evalRuns(args[0]?.text === '--' ? args.slice(1) : args);
    case 'source':
    case '.':
      return sourceRuns(args);
    case 'split':
      return splitRuns(args);
    case 'trap':
      return trapRuns(args);
    case 'find':
      return findRuns(args);
    case 'xargs':
      return xargsRuns(args);
    case 'watch':
      return watchRuns(args);
    default:
      return prefixRuns(name, args);
  }
}

function prefixRuns(name: string, args: readonly CommandWord[]): Wrapped[] | null {
  const options = prefixes[name];
  if (options === undefined || !Object.hasOwn(prefixes, name)) return null;
  if (name === 'command' && /^-[pvV]*[vV]/.test(args[0]?.text ?? '')) return [];
  if (name === 'env' && args.some((word) => /^(-[i0v]*S|--split-string)/.test(word.text))) return [envSplit(args)];
  return [commandAfter(name, args, options)];
}

/** `env -S 'words'`: read like a shell would, which is never less than what env does. */
function envSplit(args: readonly CommandWord[]): Wrapped {
  const at = args.findIndex((word) => /^(-[i0v]*S|--split-string)/.test(word.text));
  const option = args[at];
  if (option === undefined) return { kind: 'unclear', reason: 'the options of env are not clear' };
  const inline = option.text.replace(/^(-[i0v]*S|--split-string=?)/, '');
  const rest = args.slice(at + 1);
  const words = inline === '' ? rest : [{ ...option, text: inline }, ...rest];
  if (words[0]?.text.includes('\\')) return { kind: 'unclear', reason: 'env reads backslashes in its own way' };
  return joined([knownWord('env'), ...words], true);
}

/** The words after a wrapper's own options, or why they cannot be found. */
function commandAfter(name: string, args: readonly CommandWord[], options: WrapperOptions): Wrapped {
  let at = 0;
  for (; at < args.length; at += 1) {
    const word = args[at];
    if (word === undefined) break;
    if (word.unknown) return { kind: 'unclear', reason: `the options of ${name} are only known when it runs` };
    if (word.text === '--') {
      at += 1;
      break;
    }
    if (!word.text.startsWith('-') || word.text === '-') {
      // A lone dash is an option of env only.
      if (word.text === '-' && name === 'env') continue;
      break;
    }
    const step = optionSteps(word.text, options);
    if (step === null) return { kind: 'unclear', reason: `the option ${word.source} of ${name} is not known here` };
    at += step;
  }
  at += options.positionals ?? 0;
  // env takes every word with `=` for one, whatever the name.
  while (options.assignments && args[at]?.text.includes('=')) at += 1;
  return { kind: 'words', words: args.slice(at) };
}

/** How many further words belong to an option; null when the option is not known. */
function optionSteps(text: string, options: WrapperOptions): number | null {
  if (text.startsWith('--')) {
    const [name = '', value] = text.slice(2).split('=', 2);
    if (options.longValued?.includes(name)) return value === undefined ? 1 : 0;
    return options.long?.includes(name) ? 0 : null;
  }
  for (let index = 1; index < text.length; index += 1) {
    const letter = text[index] ?? '';
    if (options.attached?.includes(letter)) return 0;
    if (options.valued.includes(letter)) return index + 1 < text.length ? 0 : 1;
    if (!options.flags.includes(letter)) return null;
  }
  return 0;
}

function evalRuns(words: readonly CommandWord[]): Wrapped[] {
  return words.length === 0 ? [] : [joined(words, false)];
}

/** GNU programs take the beginning of a long option for it. */
const filterOption = /^--f(?:i(?:l(?:t(?:er?)?)?)?)?(?:=|$)/;

/** `split --filter` gives each piece to a shell command. */
function splitRuns(args: readonly CommandWord[]): Wrapped[] | null {
  const at = args.findIndex((word) => filterOption.test(word.text));
  const option = args[at];
  if (option === undefined) return null;
  const script = option.text.includes('=') ? { ...option, text: option.text.replace(filterOption, '') } : args[at + 1];
  return script === undefined ? [] : [joined([script], true)];
}

function joined(words: readonly CommandWord[], fresh: boolean): Wrapped {
  const text = words.map((word) => word.text).join(' ');
  return { kind: 'script', text, unknown: words.some((word) => word.unknown), fresh };
}

function trapRuns(args: readonly CommandWord[]): Wrapped[] {
  const operands = args[0]?.text === '--' ? args.slice(1) : args;
  const [action] = operands;
  if (action === undefined || operands.length < 2 || /^-[lp]?$/.test(action.text)) return [];
  return [{ kind: 'script', text: action.text, unknown: action.unknown, fresh: false }];
}

function findRuns(args: readonly CommandWord[]): Wrapped[] | null {
  const runs: Wrapped[] = [];
  for (let at = 0; at < args.length; at += 1) {
    const word = args[at];
    if (word?.many) return [{ kind: 'unclear', reason: 'the arguments of find are only known when it runs' }];
    if (!/^-(exec|execdir|ok|okdir)$/.test(word?.text ?? '')) continue;
    const from = at + 1;
    while (at < args.length && args[at]?.text !== ';' && !(args[at]?.text === '+' && args[at - 1]?.text === '{}'))
      at += 1;
    runs.push({ kind: 'words', words: args.slice(from, at).map((part) => withPlaceholder(part, '{}')) });
  }
  return runs.length > 0 ? runs : null;
}

function xargsRuns(args: readonly CommandWord[]): Wrapped[] {
  const found = commandAfter('xargs', args, xargsOptions);
  if (found.kind !== 'words' || found.words.length === 0)
    return [found.kind === 'words' ? { kind: 'words', words: [] } : found];
  const options = args.slice(0, args.length - found.words.length);
  const placeholder = replaceString(options);
  const words = placeholder === null ? found.words : found.words.map((word) => withPlaceholder(word, placeholder));
  return [{ kind: 'words', words: placeholder === null ? [...words, anyWords] : words }];
}

/** What `-I`, `-i` or `--replace` names, or null. */
function replaceString(options: readonly CommandWord[]): string | null {
  for (const [index, word] of options.entries()) {
    const short = /^-[0prtxo]*[Ii](.*)$/.exec(word.text);
    if (short !== null) {
      if (short[1]) return short[1];
      return /I$/.test(word.text) ? (options[index + 1]?.text ?? '{}') : '{}';
    }
    const long = /^--replace(?:=(.*))?$/.exec(word.text);
    if (long !== null) return long[1] || '{}';
  }
  return null;
}

function withPlaceholder(word: CommandWord, placeholder: string): CommandWord {
  if (!word.text.includes(placeholder)) return word;
  return { ...word, text: word.text.replaceAll(placeholder, unknownText), unknown: true };
}

function watchRuns(args: readonly CommandWord[]): Wrapped[] {
  const found = commandAfter('watch', args, watchOptions);
  if (found.kind !== 'words') return [found];
  // Without -x the words are joined and given to a shell.
  return [joined(found.words, true)];
}
