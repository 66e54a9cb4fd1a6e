import type { Walls } from './walls.ts';

export const defaultImage = 'millwright/sandbox';

/** Files that change along with others: lock files and recorded snapshots. */
export const defaultCompanions: readonly string[] = [
  '**/package-lock.json',
  '**/npm-shrinkwrap.json',
  '**/yarn.lock',
  '**/pnpm-lock.yaml',
  '**/bun.lock',
  '**/bun.lockb',
  '**/deno.lock',
  '**/Cargo.lock',
  '**/go.sum',
  '**/poetry.lock',
  '**/uv.lock',
  '**/Pipfile.lock',
  '**/pdm.lock',
  '**/Gemfile.lock',
  '**/composer.lock',
  '**/mix.lock',
  '**/gradle.lockfile',
  '**/packages.lock.json',
  '**/__snapshots__/**',
  '**/*.snap',
];

/** What a set-up may see when its `inputs` name nothing: manifests, lock files and their rc files. */
export const defaultSetupInputs: readonly string[] = [
  ...defaultCompanions.filter((glob) => !glob.includes('snap')),
  '**/package.json',
  '**/.npmrc',
  '**/.yarnrc',
  '**/.yarnrc.yml',
  '**/pnpm-workspace.yaml',
  '**/.nvmrc',
  '**/.tool-versions',
  '**/requirements*.txt',
  '**/constraints*.txt',
  '**/pyproject.toml',
  '**/setup.py',
  '**/setup.cfg',
  '**/Pipfile',
  '**/.python-version',
  '**/go.mod',
  '**/go.work',
  '**/Cargo.toml',
  '**/rust-toolchain*',
  '**/Gemfile',
  '**/.ruby-version',
  '**/*.gemspec',
  '**/composer.json',
  '**/mix.exs',
  '**/pom.xml',
  '**/build.gradle*',
  '**/settings.gradle*',
  '**/gradle.properties',
  '**/gradle/wrapper/*',
];

export const defaultLimits: Walls['limits'] = {
  minutes: 30,
  turns: 60,
  rounds: 3,
  tokens: 1_000_000,
  dollars: null,
  files: 20,
  lines: 800,
  memoryBytes: 2 * 1024 ** 3,
  cpus: 2,
  pids: 512,
  diskBytes: 4 * 1024 ** 3,
  outputBytes: 64 * 1024 ** 2,
  toolTimeoutMs: 2 * 60_000,
  checkTimeoutMs: 10 * 60_000,
  waitDays: 14,
  findings: 5,
};

export const defaultConcurrency: Walls['concurrency'] = {
  repository: 1,
  organization: 4,
  checks: 1,
  global: null,
  worker: 2,
};

export const defaultRoles: Walls['roles'] = {
  start: 'write',
  command: 'write',
  stop: 'triage',
  waive: 'maintain',
  bots: [],
};

export const defaultRetention = { days: 90, bytes: 20 * 1024 ** 3, freeBytes: 2 * 1024 ** 3 };
