import type { Annotation } from './verdict.ts';

/** GitHub takes 50 in one call. */
const annotationLimit = 50;
const messageChars = 500;
/** No compiler points from a longer line, and patterns must not be made to search one again and again. */
const longestLineChars = 1000;

/** `path:line:col: message` and its kin: compilers, linters and runners that tell place and message in one line. Groups: path, line, message. */
const oneLine: readonly RegExp[] = [
  // tsc, MSBuild.
  /^\s*(\S.*?)\((\d+),\d+\): ((?:error|warning)\b.+)$/,
  // Maven.
  /^(?:\[\w+\] )?(\S[^:()]*\.\w+):\[(\d+),\d+\] (.+)$/,
  // gcc, clang, go, ruff, flake8, mypy, swiftc, golangci-lint, biome, RuboCop, ShellCheck and many more.
  /^(\S[^:()]*\.\w+):(\d+):(?:\d+)(?::| -| ✖|\s)\s*(.+)$/,
  /^(\S[^:()]*\.\w+|(?:\S*\/)?[Mm]akefile):(\d+): (.+)$/,
  // go test, with the name of the file alone.
  /^\s+(\S+_test\.go):(\d+): (.+)$/,
  // Kotlin.
  /^[ew]: (?:file:\/\/)?(\S+\.kts?):(\d+):\d+:? (.+)$/,
  // ESLint and stylelint, compact.
  /^(\S.*\.\w+): line (\d+), col \d+, (.+)$/,
  // PHP.
  /^(?:PHP )?(?=(?:Parse|Fatal) error: )(?:.*) in (\S+\.php)(?: on line |:)(\d+)()$/,
  // CMake.
  /^CMake (?:Error|Warning).* at (\S+):(\d+)() ?\(.*\):?$/,
  // Formatters: Prettier, Black, rustfmt.
  /^\[(?:warn|error)\] (\S+\.\w+)()$/,
  /^would reformat (\S+\.\w+)()$/,
  /^Diff in (\S+\.rs)(?: at line |:)(\d+):?$/,
];

/** Places that are told apart from the message: stack traces, pointers. Groups: path, line. */
const places: readonly RegExp[] = [
  /\(?(?:file:\/\/)?([^\s()'"]+\.[cm]?[jt]sx?):(\d+):\d+\)?$/,
  /^\s*File "([^"]+)", line (\d+)/,
  /^\s*-->\s+(\S+):(\d+):\d+/,
  /^\s*❯\s+(\S+):(\d+):\d+/,
  /^\s*# (?:at )?(\S+\.rb):(\d+)/,
  /\[(\S+\.rb):(\d+)\]:?$/,
  /^\s*at [\w$.<>]+\(([\w./-]+\.(?:java|kt|scala)):(\d+)\)/,
  /^\s*(\S+\.(?:php|exs?)):(\d+)$/,
  /\bpanicked at (?:'.*', )?(\S+\.rs):(\d+):\d+:?$/,
  /^In (\S+) line (\d+):$/,
];

const messageLine =
  /^\s*(?:E\s{3}.*|[A-Z]{1,4}\d{3,4}\b.*|.*(?:Error|Exception|\berror(?:\[\w+\])?|\bFAIL(?:ED)?|\b[Ff]ailure|\bFailed asserting)\b.*)$/;
/** Under a path that stands alone: ESLint, stylelint. Groups: line, message. */
const listed = /^\s+(\d+):\d+\s+((?:error|warning|[✖×⚠])\s+.+)$/;
const panicked = /\bpanicked at .*\.rs:\d+:\d+:$/;

interface Source {
  kind: string;
  output: string;
  /** Absolute path of the work tree inside the container. */
  workdir: string;
}

/** Places in the tree that a check's output points at, in its order. Only files of the tree count: output is not trusted to name others. */
export function readAnnotations(source: Source, tree: TreePaths): Annotation[] {
  const found = new Map<string, Annotation>();
  let message = '';
  let pathAbove: string | null = null;
  const add = (name: string | undefined, line: string | undefined, told: string) => {
    const path = inTree(name ?? '', source.workdir, tree);
    if (path === null || found.size >= annotationLimit) return;
    const at = Math.max(1, Number(line ?? 1) || 1);
    const key = `${path}:${at}`;
    if (!found.has(key))
      found.set(key, { kind: source.kind, path, line: at, message: told.trim().slice(0, messageChars) || 'failed' });
  };
  const lines = source.output.split('\n').map((line) => (line.length > longestLineChars ? '' : line));
  for (const [index, line] of lines.entries()) {
    const one = firstMatch(oneLine, line);
    if (one !== null) {
      add(one[1], one[2], one[3] === undefined ? 'differs from the required format' : one[3] || line);
      continue;
    }
    const item = listed.exec(line);
    if (item !== null && pathAbove !== null) add(pathAbove, item[1], item[2] ?? '');
    else if (/^\/?\S+\.\w+$/.test(line)) pathAbove = line.trim();
    const place = firstMatch(places, line);
    // Rust tells what went wrong in the line after the place.
    if (place !== null) add(place[1], place[2], panicked.test(line) ? (lines[index + 1] ?? '') : message || line);
    else if (messageLine.test(line)) message = line;
  }
  return [...found.values()];
}

function firstMatch(patterns: readonly RegExp[], line: string): RegExpExecArray | null {
  for (const pattern of patterns) {
    const match = pattern.exec(line);
    if (match !== null) return match;
  }
  return null;
}

/** The paths of a tree, findable by their last part: some runners tell no more of them. */
export interface TreePaths {
  has(path: string): boolean;
  /** The one path that ends so; null when there is none or there are several. */
  endingWith(name: string): string | null;
}

export function treePaths(paths: readonly string[]): TreePaths {
  const all = new Set(paths);
  const byName = new Map<string, string[]>();
  for (const path of all) {
    const name = lastPart(path);
    byName.set(name, [...(byName.get(name) ?? []), path]);
  }
  return {
    has: (path) => all.has(path),
    endingWith(name) {
      const ending = (byName.get(lastPart(name)) ?? []).filter((path) => path.endsWith(`/${name}`));
      return ending.length === 1 ? (ending[0] ?? null) : null;
    },
  };
}

function lastPart(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

function inTree(name: string, workdir: string, tree: TreePaths): string | null {
  const plain = name.replace(/^file:\/\//, '').trim();
  if (plain.startsWith(`${workdir}/`)) return within(plain.slice(workdir.length + 1), tree);
  if (plain.startsWith('/') || plain.split('/').includes('..')) return null;
  const relative = plain.replace(/^\.\//, '');
  return within(relative, tree) ?? tree.endingWith(relative);
}

function within(path: string, tree: TreePaths): string | null {
  return tree.has(path) ? path : null;
}
