import type { WallCheck } from '../contract/walls.ts';
import { isDefinitionFile, namedByCommand } from './definition-files.ts';
import type { FileVersions } from './file-versions.ts';
import type { Objection } from './outcomes.ts';
import { lockChanges, manifestChanges } from './package-manifest.ts';
import { isFixture, isTestCode } from './test-paths.ts';

/** Tables of a TOML or INI file that configure checks: the rest (name, version, dependencies) may change freely. */
const checkingTable =
  /^\[+\s*(?:tool\.(?!poetry\.dependencies|poetry\.group)[\w.-]+|lints?(?:\.|\])|profile\.|build-system|\[?test\]?|\[?bench\]?|patch|replace|workspace\.lints|workspace)/;

/** Objects to changes of anything that defines a check: scripts, runner configuration, Makefile, conftest and their like. */
export function judgeDefinitions(
  files: readonly FileVersions[],
  checks: readonly WallCheck[],
  /** What base's scripts and recipes run: they name further files that define checks. */
  baseScripts: readonly string[],
): Objection[] {
  const commands = [...checks.flatMap((check) => check.command ?? []), ...baseScripts];
  return files.flatMap((file) => {
    const reason = reasonFor(file, commands, files);
    return reason === null
      ? []
      : [
          {
            gate: 'definitions' as const,
            name: 'definitions',
            message: `What defines a check was changed: ${reason}.`,
            paths: [file.path],
          },
        ];
  });
}

function reasonFor(file: FileVersions, commands: readonly string[], files: readonly FileVersions[]): string | null {
  const paths = [file.path, ...(file.from === undefined ? [] : [file.from])];
  // A fixture looks like a project and is none.
  if (paths.every(isFixture)) return null;
  const name = file.path.slice(file.path.lastIndexOf('/') + 1);
  if (name === 'package.json' && !paths.some((path) => path.includes('node_modules/')))
    return list(manifestChanges(file.before, file.after, commands));
  if (name === 'package-lock.json' || name === 'npm-shrinkwrap.json') {
    return list(
      lockChanges(
        file.before,
        file.after,
        files.some(({ path }) => path.endsWith('package.json')),
      ),
    );
  }
  if (/^(?:pyproject|Cargo)\.toml$|^Pipfile$/.test(name)) return tablesChanged(file);
  if (name === 'go.mod') return replaceDirectives(file);
  if (paths.some(isDefinitionFile))
    return `${file.path} ${file.before === null ? 'was added' : file.after === null ? 'was deleted' : 'changed'}`;
  const named = paths.find((path) => commands.some((command) => namedByCommand(command, path, isTestCode)));
  return named === undefined ? null : `${named} is run by a check's command`;
}

function list(reasons: readonly string[]): string | null {
  return reasons.length === 0 ? null : reasons.slice(0, 8).join(', ');
}

function tablesChanged(file: FileVersions): string | null {
  const before = tables(file.before ?? '');
  const after = tables(file.after ?? '');
  const changed = [...new Set([...before.keys(), ...after.keys()])].filter(
    (name) => checkingTable.test(name) && before.get(name) !== after.get(name),
  );
  return changed.length === 0 ? null : `${changed.slice(0, 8).join(', ')} in ${file.path}`;
}

function tables(text: string): Map<string, string> {
  const found = new Map<string, string>();
  let name = '';
  for (const line of text.split('\n')) {
    if (/^\s*\[/.test(line)) name = line.trim();
    else if (line.trim() !== '') found.set(name, `${found.get(name) ?? ''}${line.trim()}\n`);
  }
  return found;
}

function replaceDirectives(file: FileVersions): string | null {
  const directives = (text: string | null) =>
    (text ?? '')
      .split('\n')
      .filter((line) => /^\s*(?:replace|exclude|toolchain)\b|=>/.test(line))
      .join('\n');
  return directives(file.before) === directives(file.after) ? null : `replacements in ${file.path}`;
}
