import type { Annotation } from './verdict.ts';

/** GitHub takes 50 in one call. */
const annotationLimit = 50;
const messageChars = 500;

/** `path:line:col: message` and its kin: compilers, linters and runners that tell place and message in one line. Groups: path, line, message. */
const oneLine: readonly RegExp[] = [
  /^(.+?)\((\d+),\d+\): ((?:error|warning)\b.+)$/,
  /^(?:\[\w+\] )?(\S[^:()]*\.\w+):\[(\d+),\d+\] (.+)$/,
  /^(\S[^:()]*\.\w+):(\d+):(?:\d+)(?::| -| ✖|\s)\s*(.+)$/,
  /^(\S[^:()]*\.\w+):(\d+): (.+)$/,
  /^\s+(\S+_test\.go):(\d+): (.+)$/,
  /^\[warn\] (\S+\.\w+)()$/,
];

/** Places that are told apart from the message: stack traces, pointers. Groups: path, line. */
const places: readonly RegExp[] = [
  /\(?(?:file:\/\/)?([^\s()'"]+\.[cm]?[jt]sx?):(\d+):\d+\)?$/,
  /^\s*File "([^"]+)", line (\d+)/,
  /^\s*-->\s+(\S+):(\d+):\d+/,
  /^\s*❯\s+(\S+):(\d+):\d+/,
  /^\s*# (?:at )?(\S+\.rb):(\d+)/,
  /^\s*at [\w$.<>]+\(([\w./-]+\.(?:java|kt)):(\d+)\)/,
];

const messageLine =
  /^\s*(?:E\s{3}.*|.*\b(?:Error|Exception|error(?:\[\w+\])?|panicked at|FAIL(?:ED)?|AssertionError)\b.*)$/;

interface Source {
  kind: string;
  output: string;
  /** Absolute path of the work tree inside the container. */
  workdir: string;
}

/** Places in the tree that a check's output points at, in its order. Only files of the tree count: output is not trusted to name others. */
export function readAnnotations(source: Source, isFile: (path: string) => boolean): Annotation[] {
  const found = new Map<string, Annotation>();
  let message = '';
  let eslintPath: string | null = null;
  const add = (name: string | undefined, line: string | undefined, told: string) => {
    const path = inTree(name ?? '', source.workdir, isFile);
    if (path === null || found.size >= annotationLimit) return;
    const at = Math.max(1, Number(line ?? 1) || 1);
    const key = `${path}:${at}`;
    if (!found.has(key))
      found.set(key, { kind: source.kind, path, line: at, message: told.trim().slice(0, messageChars) || 'failed' });
  };
  for (const line of source.output.split('\n')) {
    const one = firstMatch(oneLine, line);
    if (one !== null) {
      add(one[1], one[2], one[3] ?? 'differs from the required format');
      continue;
    }
    const listed = /^\s+(\d+):\d+\s+((?:error|warning)\s+.+)$/.exec(line);
    if (listed !== null && eslintPath !== null) add(eslintPath, listed[1], listed[2] ?? '');
    else if (/^\/?\S+\.\w+$/.test(line)) eslintPath = line.trim();
    const place = firstMatch(places, line);
    if (place !== null) add(place[1], place[2], message === '' ? line : message);
    else if (messageLine.test(line)) message = line;
  }
  return [...found.values()];
}

function firstMatch(patterns: readonly RegExp[], line: string): RegExpExecArray | null {
  if (line.length > 2000) return null;
  for (const pattern of patterns) {
    const match = pattern.exec(line);
    if (match !== null) return match;
  }
  return null;
}

function inTree(name: string, workdir: string, isFile: (path: string) => boolean): string | null {
  const plain = name.replace(/^file:\/\//, '').trim();
  const relative = plain.startsWith(`${workdir}/`) ? plain.slice(workdir.length + 1) : plain.replace(/^\.\//, '');
  return isFile(relative) ? relative : null;
}
