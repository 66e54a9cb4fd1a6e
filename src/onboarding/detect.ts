import { detectGo, detectGradle, detectMaven, detectRust } from './compiled.ts';
import { detectMake } from './make.ts';
import { detectNode } from './node.ts';
import { detectPython } from './python.ts';
import type { RepositoryFiles } from './repository-files.ts';
import type { Detector, FoundCheck, FoundSetup, Toolchain } from './toolchain.ts';

/** What a repository holds, as far as its first policy file is concerned. */
export interface Detected {
  toolchains: { name: string; folder: string }[];
  setup: FoundSetup | null;
  checks: FoundCheck[];
  /** Globs of folders and files that hold sources, tests and documents. */
  allow: string[];
  companions: string[];
  /** What the default sandbox image lacks. */
  lacks: string[];
}

/** Most specific first: a check that two of them have is the first one's. */
const detectors: readonly Detector[] = [detectNode, detectPython, detectGo, detectRust, detectMaven, detectGradle];

const manifest =
  /(?:^|\/)(?:package\.json|pyproject\.toml|setup\.py|requirements\.txt|Pipfile|go\.mod|Cargo\.toml|pom\.xml|build\.gradle(?:\.kts)?)$/;
/** Folders whose manifests are examples, copies or test data. */
const notOurs =
  /(?:^|\/)(?:node_modules|vendor|third_party|examples?|samples?|fixtures?|testdata|tests?|spec|docs?|dist|build|target|\.[^/]+)(?:\/|$)/;
/** Toolchains told apart by folder; more than these belong to a person's judgment. */
const mostFolders = 4;
/** Names that stand in a command and a glob as they are, and are no options there. */
const plainFolder = /^[\w.][\w.-]{0,99}(?:\/[\w.-]{1,100})*$/;
/** Folders of sources that a draft names: where there are more, a person has to say which ones are meant. */
const mostWorkFolders = 40;

/** Looks for tools at the top; where a language has none there, in the folders just below. */
export async function detect(files: RepositoryFiles): Promise<Detected> {
  const found: { folder: string; chain: Toolchain }[] = [];
  for (const detector of detectors) {
    const chain = await detector(files);
    if (chain) found.push({ folder: '', chain });
  }
  if (found.length === 0) {
    for (const folder of foldersWithManifest(files)) {
      for (const detector of detectors) {
        const chain = await detector(files.under(folder));
        if (chain) found.push({ folder, chain });
      }
    }
  }
  const make = await detectMake(files);
  if (make && make.checks.length > 0) found.push({ folder: '', chain: make });
  return {
    toolchains: found.map(({ folder, chain }) => ({ name: chain.name, folder })),
    setup: joinSetups(found),
    checks: joinChecks(found),
    allow: allowedPaths(files),
    companions: companionsOf(files, found),
    lacks: [...new Set(found.flatMap(({ chain }) => chain.lacks ?? []))],
  };
}

function foldersWithManifest(files: RepositoryFiles): string[] {
  const folders = files.paths
    .filter((path) => path.includes('/') && manifest.test(path))
    .map((path) => path.slice(0, path.lastIndexOf('/')))
    .filter((folder) => folder.split('/').length <= 2 && plainFolder.test(folder) && !notOurs.test(folder));
  const shallowest = Math.min(...folders.map((folder) => folder.split('/').length));
  return [...new Set(folders.filter((folder) => folder.split('/').length === shallowest))].slice(0, mostFolders);
}

type Found = readonly { folder: string; chain: Toolchain }[];

function joinSetups(found: Found): FoundSetup | null {
  const setups = found.flatMap(({ folder, chain }) => (chain.setup ? [{ folder, setup: chain.setup }] : []));
  if (setups.length === 0) return null;
  const commands = setups.map(({ folder, setup }) =>
    folder === '' ? setup.command : `(cd ${folder} && ${setup.command})`,
  );
  const notes = setups.flatMap(({ setup }) => setup.note ?? []);
  return {
    command: commands.join(' && '),
    hosts: [...new Set(setups.flatMap(({ setup }) => setup.hosts))],
    inputs: [...new Set(setups.flatMap(({ folder, setup }) => setup.inputs.map((path) => inFolder(folder, path))))],
    ...(notes.length === 0 ? {} : { note: notes.join(' ') }),
  };
}

/** Each kind once under its own name; a second toolchain's under a name of its own. Make only fills what is left open. */
function joinChecks(found: Found): FoundCheck[] {
  const checks = new Map<string, FoundCheck>();
  for (const { folder, chain } of found) {
    for (const check of chain.checks) {
      if (checks.has(check.kind) && chain.slug === 'make') continue;
      const kind = [check.kind, `${check.kind}-${chain.slug}`, `${check.kind}-${slugOf(folder)}`].find(
        (name) => !checks.has(name),
      );
      if (kind === undefined) continue;
      checks.set(kind, {
        kind,
        command: folder === '' ? check.command : `cd ${folder} && ${check.command}`,
        from: folder === '' ? check.from : `${folder}: ${check.from}`,
        ...(check.report === undefined ? {} : { report: inFolder(folder, check.report) }),
      });
    }
  }
  return [...checks.values()];
}

/** Such as `apps-web`, as a part of a check's kind. */
function slugOf(folder: string): string {
  const words = folder.toLowerCase().split(/[^a-z0-9]+/);
  return (
    words
      .filter((word) => word !== '')
      .join('-')
      .slice(0, 20)
      .replace(/-+$/, '') || 'more'
  );
}

function inFolder(folder: string, path: string): string {
  return folder === '' ? path : `${folder}/${path}`;
}

/** Top folders that hold what people work on, by the names that they usually bear. */
const workFolders = new Set(
  [
    'src lib app apps packages pkg cmd internal crates server client frontend backend web api core modules components',
    'pages source sources include public assets styles scripts bin benches examples functions services libs tools',
    'test tests spec specs __tests__ e2e integration testing docs doc documentation',
  ].flatMap((line) => line.split(' ')),
);
const sourceFile = /^[\w-][\w.-]*\.(?:py|go|rs|c|h|cc|cpp|hpp|rb|[cm]?[jt]sx?)$/;
const configFile = /(?:^|\.)(?:config|conf|setup|rc)\.[cm]?[jt]s$|^(?:setup|conftest|noxfile)\.py$/;

function allowedPaths(files: RepositoryFiles): string[] {
  const folders = new Set(
    files.paths.flatMap((path) => (path.includes('/') ? [path.slice(0, path.indexOf('/'))] : [])),
  );
  const work = [...folders].filter(
    (name) => plainFolder.test(name) && (workFolders.has(name.toLowerCase()) || files.has(`${name}/__init__.py`)),
  );
  const manifests = foldersWithManifest(files).map((folder) => folder.split('/')[0] ?? folder);
  const endings = new Set(
    files.paths.flatMap((path) =>
      sourceFile.test(path) && !configFile.test(path) ? [path.slice(path.lastIndexOf('.'))] : [],
    ),
  );
  return [
    ...[...new Set([...work, ...manifests])]
      .sort()
      .slice(0, mostWorkFolders)
      .map((name) => `${name}/**`),
    ...[...endings].sort().map((ending) => `*${ending}`),
  ];
}

function companionsOf(files: RepositoryFiles, found: Found): string[] {
  const locks = found.flatMap(({ folder, chain }) => chain.lockFiles.map((path) => inFolder(folder, path)));
  const snapshots = files.paths.some((path) => path.endsWith('.snap')) ? ['**/*.snap'] : [];
  return [...new Set([...locks, ...snapshots])];
}
