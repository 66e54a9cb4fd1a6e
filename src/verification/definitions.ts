import { posix } from 'node:path';
import type { WallCheck } from '../contract/walls.ts';
import { isDefinitionFile, isOwnConfiguration, namedByCommand } from './definition-files.ts';
import type { FileVersions } from './file-versions.ts';
import { hidesModule } from './hidden-modules.ts';
import { isIgnoreFile, newlyIgnored } from './ignore-files.ts';
import type { Objection } from './outcomes.ts';
import { lockChanges, manifestChanges } from './package-manifest.ts';
import { isFixture, isTestCode } from './test-paths.ts';

/** Tables of a TOML or INI file that configure checks: the rest (name, version, dependencies) may change freely. */
const checkingTable =
  /^\[+\s*(?:tool\.(?!poetry\.dependencies|poetry\.group)[\w.-]+|lints?(?:\.|\])|profile\.|build-system|\[?test\]?|\[?bench\]?|patch|replace|workspace\.lints|workspace|project\.entry-points\.["']?pytest11)/;
/** Keys outside of these tables by which Cargo is told what to test. */
const testingKeys = /^(?:autotests|autobins|test|doctest|harness|default)\s*=.*$/;

export interface DefinitionInput {
  files: readonly FileVersions[];
  checks: readonly WallCheck[];
  /** What base's scripts and recipes run: they name further files that define checks. */
  baseScripts: readonly string[];
  /** Every file of base. */
  basePaths: readonly string[];
  /** What base's package.json needs. */
  baseDependencies: readonly string[];
}

interface Surroundings {
  dependencies: readonly string[];
  commands: readonly string[];
  files: readonly FileVersions[];
  basePaths: readonly string[];
  /** Folders in which base has files, anywhere below. */
  folders: ReadonlySet<string>;
}

/** Objects to changes of anything that defines a check: scripts, runner configuration, Makefile, conftest and their like. */
export function judgeDefinitions(input: DefinitionInput): Objection[] {
  const { files, checks, baseScripts, basePaths, baseDependencies: dependencies } = input;
  const commands = [...checks.flatMap((check) => check.command ?? []), ...baseScripts];
  const around = { dependencies, commands, files, basePaths, folders: foldersOf(basePaths) };
  return files.flatMap((file) => {
    const reason = reasonFor(file, around);
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

function reasonFor(file: FileVersions, around: Surroundings): string | null {
  const paths = [file.path, ...(file.from === undefined ? [] : [file.from])];
  // A fixture looks like a project and is none.
  if (paths.every(isFixture)) return null;
  const folder = file.path.slice(0, Math.max(0, file.path.lastIndexOf('/')));
  const name = file.path.slice(folder === '' ? 0 : folder.length + 1);
  const { commands, files, folders } = around;
  const standsOverOthers = folders.has(folder);
  if (name === 'package.json' && !paths.some((path) => path.includes('node_modules/'))) {
    const isGone = (target: string) =>
      files.some(({ path, from, after }) => (after === null ? path : from) === posix.join(folder, target));
    return list(manifestChanges(file, commands, { isGone, standsOverOthers, dependencies: around.dependencies }));
  }
  if (name === 'package-lock.json' || name === 'npm-shrinkwrap.json') {
    const manifestChanged = files.some(({ path }) => path.endsWith('package.json'));
    return list(lockChanges(file.before, file.after, manifestChanged));
  }
  // A part of the repository that is new as a whole may say how it is to be read: nothing was read otherwise before.
  if (file.before === null && !standsOverOthers && isOwnConfiguration(name)) return null;
  if (/^(?:pyproject|Cargo)\.toml$|^Pipfile$/.test(name)) return tablesChanged(file) ?? programTaken(file, commands);
  if (name === 'go.mod') return replaceDirectives(file);
  if (paths.some(isDefinitionFile))
    return `${file.path} ${file.before === null ? 'was added' : file.after === null ? 'was deleted' : 'changed'}`;
  if (isIgnoreFile(name)) return list(newlyIgnored(file, folder, around.basePaths));
  const named = paths.find((path) => commands.some((command) => namedByCommand(command, path, isTestCode)));
  if (named !== undefined) return `${named} is run by a check's command`;
  return file.before === null ? hiding(file.path, around) : null;
}

/** What a new file hides by its mere name: a module that Python or its tools would load, or a target that make would build. */
function hiding(path: string, { commands, files, basePaths, folders }: Surroundings): string | null {
  const isPackage = (folder: string) =>
    [...basePaths, ...files.map((file) => file.path)].includes(`${folder === '' ? '' : `${folder}/`}__init__.py`);
  if (hidesModule(path, commands, isPackage)) return `${path} hides a module of that name`;
  const [top = ''] = path.split('/');
  const isNew = top !== path && !folders.has(top);
  const target =
    isNew && commands.some((command) => /\bmake\b/.test(command) && command.split(/[\s;&|]+/).includes(top));
  return target ? `the folder ${top} makes make believe that its target is built` : null;
}

function foldersOf(paths: readonly string[]): Set<string> {
  const folders = new Set(['']);
  for (const path of paths) {
    for (let at = path.lastIndexOf('/'); at > 0; at = path.lastIndexOf('/', at - 1)) {
      const folder = path.slice(0, at);
      if (folders.has(folder)) break;
      folders.add(folder);
    }
  }
  return folders;
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

/** Programs that Python would install under the name of one that a command runs. */
function programTaken(file: FileVersions, commands: readonly string[]): string | null {
  const programs = (text: string | null) =>
    (tables(text ?? '').get('[project.scripts]') ?? '').split('\n').map((line) => line.split('=')[0]?.trim() ?? '');
  const words = new Set(commands.flatMap((command) => command.split(/[\s;&|()"']+/)));
  const old = programs(file.before);
  const taken = programs(file.after).find((name) => name !== '' && !old.includes(name) && words.has(name));
  return taken === undefined ? null : `${file.path} installs a program named ${taken}`;
}

function tables(text: string): Map<string, string> {
  const found = new Map<string, string>();
  let name = '';
  for (const line of text.split('\n')) {
    if (/^\s*\[/.test(line)) name = line.trim();
    else if (testingKeys.test(line.trim()))
      found.set(`[[test]] ${name}`, `${found.get(`[[test]] ${name}`) ?? ''}${line.trim()}\n`);
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
