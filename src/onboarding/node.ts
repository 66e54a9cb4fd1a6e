import { z } from 'zod';
import type { RepositoryFiles } from './repository-files.ts';
import { type Detector, type FoundCheck, type FoundSetup, firstOfEachKind } from './toolchain.ts';

const manifest = z.looseObject({
  scripts: z.record(z.string(), z.unknown()).catch({}),
  dependencies: z.record(z.string(), z.unknown()).catch({}),
  devDependencies: z.record(z.string(), z.unknown()).catch({}),
  packageManager: z.string().catch(''),
  workspaces: z.unknown().optional(),
});
type Manifest = z.infer<typeof manifest>;

type PackageManager = 'npm' | 'pnpm' | 'yarn' | 'bun';

const lockFiles: readonly [string, PackageManager][] = [
  ['pnpm-lock.yaml', 'pnpm'],
  ['bun.lock', 'bun'],
  ['bun.lockb', 'bun'],
  ['yarn.lock', 'yarn'],
  ['package-lock.json', 'npm'],
  ['npm-shrinkwrap.json', 'npm'],
];

/** Names of scripts by kind, the best first. */
const scriptNames: Readonly<Record<string, readonly string[]>> = {
  format: ['format:check', 'check:format', 'format-check', 'fmt:check', 'check-format', 'prettier:check', 'format:ci'],
  lint: ['lint', 'lint:check', 'lint:ci', 'check:lint', 'eslint'],
  unit: ['test', 'test:unit', 'test:ci', 'test:run', 'unit'],
  types: ['typecheck', 'type-check', 'types', 'check-types', 'check:types', 'types:check', 'tsc'],
  build: ['build'],
  smoke: ['smoke', 'test:smoke', 'smoke-test'],
};

/** npm's own text for a package without tests; a runner that waits for changes; a tool that rewrites the files that it should judge. */
const unfit: Readonly<Record<string, RegExp>> = {
  unit: /no test specified|--watch(?!All=false|=false)|\bvitest (?:watch|dev)\b/,
  lint: /--fix\b|--write\b|--apply\b/,
  format: /--write\b|--fix\b/,
};

/** npm, pnpm, yarn and bun: a folder with a package.json. */
export const detectNode: Detector = async (files) => {
  if (!files.has('package.json')) return null;
  const found = parseManifest(await files.text('package.json'));
  if (found === null) return null;
  const locks = lockFiles.filter(([path]) => files.has(path));
  const named = /^(npm|pnpm|yarn|bun)@/.exec(found.packageManager)?.[1] as PackageManager | undefined;
  const manager = named ?? locks[0]?.[1] ?? 'npm';
  const runs = manager === 'bun' ? [bunTests(files)] : [];
  return {
    name: `Node.js (${manager})`,
    slug: 'node',
    setup: await setupOf(files, found, manager),
    checks: firstOfEachKind([...scriptChecks(found, manager), ...toolChecks(files, found, manager), ...runs]),
    lockFiles: locks.map(([path]) => path),
    lacks: manager === 'npm' ? null : manager,
  };
};

function parseManifest(text: string): Manifest | null {
  try {
    const parsed = manifest.safeParse(JSON.parse(text));
    return parsed.success ? parsed.data : null;
  } catch (error) {
    // A package.json that is no JSON says nothing; the only thing that JSON.parse throws.
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}

function scriptChecks({ scripts }: Manifest, manager: PackageManager): FoundCheck[] {
  return Object.entries(scriptNames).flatMap(([kind, candidates]) => {
    const name = candidates.find((candidate) => {
      const script = scripts[candidate];
      return typeof script === 'string' && script.trim() !== '' && !unfit[kind]?.test(script);
    });
    if (name === undefined) return [];
    const short = name === 'test' && manager !== 'bun';
    return [{ kind, command: `${manager} ${short ? '' : 'run '}${name}`, from: `package.json: scripts.${name}` }];
  });
}

/** Tools that are configured but have no script of their own. */
function toolChecks(files: RepositoryFiles, found: Manifest, manager: PackageManager): FoundCheck[] {
  const installed = { ...found.dependencies, ...found.devDependencies };
  const has = (name: string) => Object.hasOwn(installed, name);
  const configured = (pattern: RegExp) => files.paths.some((path) => !path.includes('/') && pattern.test(path));
  const run = { npm: 'npx --no-install', pnpm: 'pnpm exec', yarn: 'yarn', bun: 'bun run' }[manager];
  const check = (kind: string, command: string, tool: string) => ({ kind, command: `${run} ${command}`, from: tool });
  return [
    ...(has('prettier') && configured(/^\.prettierrc|^prettier\.config\./)
      ? [check('format', 'prettier --check .', 'the configuration of prettier')]
      : []),
    ...(has('@biomejs/biome') && configured(/^biome\.jsonc?$/)
      ? [
          check('format', 'biome format .', 'the configuration of biome'),
          check('lint', 'biome lint .', 'the configuration of biome'),
        ]
      : []),
    ...(has('eslint') && configured(/^\.eslintrc|^eslint\.config\./)
      ? [check('lint', 'eslint .', 'the configuration of eslint')]
      : []),
    ...(has('typescript') && files.has('tsconfig.json') ? [check('types', 'tsc --noEmit', 'tsconfig.json')] : []),
    ...(has('vitest') ? [check('unit', 'vitest run', 'the dependency vitest')] : []),
    ...(has('jest') ? [check('unit', 'jest', 'the dependency jest')] : []),
    ...(has('mocha') ? [check('unit', 'mocha', 'the dependency mocha')] : []),
  ];
}

function bunTests(files: RepositoryFiles): FoundCheck | null {
  const test = files.paths.find((path) => /(?:\.|_)(?:test|spec)\.[cm]?[jt]sx?$/.test(path));
  return test === undefined ? null : { kind: 'unit', command: 'bun test', from: 'test files' };
}

/** What npm runs of the repository's own while it installs: it would run without the sources that it needs. */
const ownInstallScripts = ['preinstall', 'install', 'postinstall', 'prepare'];

async function setupOf(files: RepositoryFiles, found: Manifest, manager: PackageManager): Promise<FoundSetup | null> {
  const isLocked = lockFiles.some(([path, owner]) => owner === manager && files.has(path));
  const count = Object.keys(found.dependencies).length + Object.keys(found.devDependencies).length;
  const workspaces = found.workspaces !== undefined || files.has('pnpm-workspace.yaml');
  if (count === 0 && !isLocked && !workspaces) return null;
  const isBerry = files.has('.yarnrc.yml');
  const install = {
    npm: isLocked ? 'npm ci' : 'npm install --no-package-lock',
    pnpm: `pnpm install${isLocked ? ' --frozen-lockfile' : ''}`,
    yarn: `yarn install${isLocked ? (isBerry ? ' --immutable' : ' --frozen-lockfile') : ''}`,
    bun: `bun install${isLocked ? ' --frozen-lockfile' : ''}`,
  }[manager];
  const own = ownInstallScripts.filter((name) => typeof found.scripts[name] === 'string');
  const skips = own.length > 0 && !(manager === 'yarn' && isBerry);
  const inputs = [
    'package.json',
    ...lockFiles.map(([path]) => path),
    '.npmrc',
    '.yarnrc',
    '.yarnrc.yml',
    'pnpm-workspace.yaml',
    'bunfig.toml',
    '.pnpmfile.cjs',
  ].filter((path) => files.has(path));
  const more = [
    workspaces ? '**/package.json' : null,
    files.paths.some((path) => path.startsWith('.yarn/releases/')) ? '.yarn/releases/**' : null,
    files.paths.some((path) => path.startsWith('patches/')) ? 'patches/**' : null,
  ].filter((path) => path !== null);
  const note = `\`--ignore-scripts\`: the repository's own ${own.join(', ')} would run without its sources. It leaves out those of dependencies too.`;
  return {
    command: skips ? `${install} --ignore-scripts` : install,
    hosts: await registries(files),
    inputs: [...inputs, ...more],
    ...(skips ? { note } : {}),
  };
}

const mostRegistries = 10;

/** The registries that the repository itself names; which one is usual is for its people to say. */
async function registries(files: RepositoryFiles): Promise<string[]> {
  const rc = `${await files.text('.npmrc')}\n${await files.text('.yarnrc.yml')}`;
  const addresses = [
    ...rc.matchAll(/^\s*(?:@[\w.-]+:)?(?:registry|npmRegistryServer)\s*[=:]\s*["']?(https?:\/\/[^\s"']+)/gm),
  ];
  const named = addresses.flatMap(([, address]) => hostOf(address ?? ''));
  return [...new Set(named)].slice(0, mostRegistries);
}

function hostOf(address: string): string[] {
  if (!URL.canParse(address)) return [];
  const { hostname, port, protocol } = new URL(address);
  return /^[a-z0-9.-]+$/.test(hostname) ? [`${hostname}:${port || (protocol === 'http:' ? 80 : 443)}`] : [];
}
