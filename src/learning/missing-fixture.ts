import { policyPath } from '../policy-source.ts';
import { code } from '../report/escape.ts';
import type { Proposal, ReadFile } from './proposal.ts';

/** How runtimes and shells tell of a file that is not there. */
const missing = [
  /ENOENT: no such file or directory, (?:open|stat|access|scandir) '([^']+)'/,
  /FileNotFoundError: \[Errno 2\] No such file or directory: '([^']+)'/,
  /(?:^|[\s:])([\w./-]+): No such file or directory/,
  /can't open (?:file )?'?([\w./-]+)'?/,
];
/** Data, by its name; nothing hidden, and nothing that could be run. An empty one is well-formed. */
const emptyOf: Readonly<Record<string, string>> = {
  json: '{}\n',
  yml: '{}\n',
  yaml: '{}\n',
  csv: '\n',
  tsv: '\n',
  txt: '\n',
  sql: '\n',
  toml: '\n',
  ndjson: '\n',
  jsonl: '\n',
};

/** The data file that checks of several runs wanted and that is not in the repository, to be filled by a person. Null where that is not what was wrong. */
export async function missingFixture(
  check: string,
  lines: readonly string[],
  read: ReadFile,
): Promise<Proposal | null> {
  for (const path of lines.flatMap(pathsIn)) {
    const text = emptyOf[path.slice(path.lastIndexOf('.') + 1)];
    if (text === undefined || !isPlain(path) || (await read(path)) !== null) continue;
    const rule = `The check ${code(check)} could not run for want of ${code(path)}. The file that is proposed is empty: put into it what the check needs, or have \`setup\` of \`${policyPath}\` make it.`;
    return { path, text, what: 'a fixture', rule };
  }
  return null;
}

const pathsIn = (line: string): string[] =>
  missing.flatMap((pattern) => {
    const path = pattern.exec(line)?.[1]?.replace(/^\.\//, '');
    return path === undefined ? [] : [path];
  });

/** Within the repository, with no hidden part. */
const isPlain = (path: string): boolean =>
  path.length <= 200 && path.split('/').every((part) => /^[A-Za-z0-9_][\w.-]*$/.test(part));
