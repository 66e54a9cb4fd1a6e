/** Parts of a package.json that decide how checks run, apart from its scripts. */
const checkingKeys = [
  'jest',
  'vitest',
  'mocha',
  'ava',
  'tap',
  'c8',
  'nyc',
  'eslintConfig',
  'eslintIgnore',
  'prettier',
  'babel',
  'stylelint',
  'xo',
  'standard',
  'lint-staged',
  'husky',
  'pre-commit',
  'type',
  'imports',
  'overrides',
  'resolutions',
  'pnpm',
  'packageManager',
  'workspaces',
  'tsd',
  'size-limit',
  'wireit',
  'volta',
];
/** Where importers of the package are led. */
const entryKeys = ['main', 'module', 'browser', 'exports'];
const lifecycle = /^(?:pre|post)?(?:install|prepare)$|^dependencies$/;
const dependencyKeys = ['dependencies', 'devDependencies', 'optionalDependencies', 'peerDependencies'];

/**
 * What a package.json change does to the definition of checks. New scripts that neither a check names nor npm runs by itself, and plain version
 * numbers, are no business of this.
 */
export function manifestChanges(
  { before, after }: { before: string | null; after: string | null },
  commands: readonly string[],
  around: ManifestSurroundings,
): string[] {
  const taken = after === null ? [] : takenNames(parse(before ?? '') ?? {}, record(parse(after)), commands, around);
  if (before === null) return after === null ? [] : [...taken, ...newManifest(record(parse(after)), around)];
  const old = parse(before);
  const now = after === null ? null : parse(after);
  if (old === null || now === null) return ['it was removed or can no longer be read'];
  const changed = checkingKeys.filter((key) => JSON.stringify(old[key]) !== JSON.stringify(now[key]));
  return [
    ...taken,
    ...scriptChanges(record(old.scripts), record(now.scripts)),
    ...newScripts(record(old.scripts), record(now.scripts), commands),
    ...changed.map((key) => `\`${key}\` changed`),
    ...entryKeys.flatMap((key) => ledElsewhere(key, old[key], now[key], around.isGone)),
    ...dependencyKeys.flatMap((key) => sourceChanges(record(old[key]), record(now[key]))),
  ];
}

/** What a manifest must know of the files around it. */
export interface ManifestSurroundings {
  /** Whether the patch takes away what an entry named. */
  isGone: (target: string) => boolean;
  /** Whether base has files in its folder: a new manifest changes how they are read. */
  standsOverOthers: boolean;
  /** Packages that base gets from elsewhere: one of the workspace with such a name takes its place. */
  dependencies: readonly string[];
}

/** A new package brings scripts of its own, none of which was a check's before. Over files that were there, it is a new setting for them. */
function newManifest(now: Record<string, unknown>, { standsOverOthers }: ManifestSurroundings): string[] {
  const settings = standsOverOthers ? checkingKeys.filter((key) => now[key] !== undefined) : [];
  return [...newScripts({}, record(now.scripts), []), ...settings.map((key) => `\`${key}\` added over existing files`)];
}

/** Names under which a workspace would put its own package or program in the place of one that checks use. */
function takenNames(
  before: Record<string, unknown>,
  now: Record<string, unknown>,
  commands: readonly string[],
  { dependencies }: ManifestSurroundings,
): string[] {
  const words = new Set([...dependencies, ...commands.flatMap((command) => command.split(/[\s;&|()"']+/))]);
  const old = programs(before);
  const bins = programs(now).filter((name) => !old.includes(name) && words.has(name));
  const { name } = now;
  const named = typeof name === 'string' && name !== before.name && dependencies.includes(name) ? [name] : [];
  return [...new Set([...bins, ...named])].map(
    (each) => `\`${each}\` of the repository takes the place of another one`,
  );
}

function programs({ bin, name }: Record<string, unknown>): string[] {
  if (typeof bin === 'string') return typeof name === 'string' ? [name] : [];
  return Object.keys(record(bin));
}

/** What a package.json says that it needs. */
export function dependencyNames(manifest: string | null): string[] {
  const parsed = manifest === null ? null : parse(manifest);
  return parsed === null ? [] : dependencyKeys.flatMap((key) => Object.keys(record(parsed[key])));
}

/** Entries that importers, tests among them, now find elsewhere although what they named before is still there. */
function ledElsewhere(key: string, before: unknown, after: unknown, isGone: (target: string) => boolean): string[] {
  const now = targets(key, after);
  return targets(key, before).flatMap(({ at, target }) => {
    const led = now.filter((each) => each.at === at || each.at.startsWith(`${at} `));
    const elsewhere = led.some((each) => each.target !== target && !/ types$/.test(each.at));
    return elsewhere && !isGone(target) ? [`\`${key}\` leads elsewhere than to ${target.slice(0, 80)}`] : [];
  });
}

function targets(at: string, value: unknown): { at: string; target: string }[] {
  if (typeof value === 'string') return [{ at, target: value }];
  return Object.entries(record(value)).flatMap(([name, inner]) => targets(`${at} ${name}`, inner));
}

function scriptChanges(before: Record<string, unknown>, after: Record<string, unknown>): string[] {
  return Object.keys(before)
    .filter((name) => before[name] !== after[name])
    .map((name) => `script \`${name}\` ${after[name] === undefined ? 'removed' : 'changed'}`);
}

/** Scripts that run by themselves before or after others, and those that a check names and that did not exist. */
function newScripts(
  before: Record<string, unknown>,
  after: Record<string, unknown>,
  commands: readonly string[],
): string[] {
  const isHook = (name: string) => {
    const hooked = /^(?:pre|post)(.+)$/.exec(name)?.[1];
    return lifecycle.test(name) || (hooked !== undefined && after[hooked] !== undefined);
  };
  const isNamed = (name: string) =>
    commands.some((command) => /\b(?:npm|pnpm|yarn|bun)\b/.test(command) && command.split(/[\s;&|]+/).includes(name));
  return Object.keys(after)
    .filter((name) => before[name] === undefined && (isHook(name) || isNamed(name)))
    .map((name) => `script \`${name}\` added, which ${isHook(name) ? 'runs by itself' : 'a check runs'}`);
}

/** Dependencies that now come from elsewhere than the registry: a link, a path, an alias. */
function sourceChanges(before: Record<string, unknown>, after: Record<string, unknown>): string[] {
  const odd = (value: unknown) =>
    typeof value === 'string' &&
    /^(?:file|link|portal|git|git\+\w+|github|https?|npm|patch|workspace):|^[\w-]+\/[\w.-]+$/.test(value);
  return Object.keys(after)
    .filter((name) => after[name] !== before[name] && odd(after[name]))
    .map((name) => `dependency \`${name}\` comes from ${String(after[name]).slice(0, 80)}`);
}

/** Bodies of the scripts of a package.json: they name further files that checks run. */
export function scriptBodies(manifest: string | null): string[] {
  const scripts = manifest === null ? {} : record(parse(manifest)?.scripts);
  return Object.values(scripts).filter((body) => typeof body === 'string');
}

/**
 * Packages of a package-lock.json that were swapped without the manifest saying so: same version with another address or checksum, or a direct
 * dependency whose version moved while its range did not.
 */
export function lockChanges(before: string | null, after: string | null, manifestChanged: boolean): string[] {
  if (before === null || after === null) return [];
  const old = record(parse(before)?.packages);
  const now = record(parse(after)?.packages);
  return Object.keys(now).flatMap((path) => {
    const was = record(old[path]);
    const is = record(now[path]);
    if (path === '' || old[path] === undefined) return [];
    const swapped = was.version === is.version && (was.resolved !== is.resolved || was.integrity !== is.integrity);
    if (swapped) return [`\`${path}\` was swapped under the same version`];
    const direct = path.lastIndexOf('node_modules/') === 0;
    return direct && !manifestChanged && was.version !== is.version && is.dev === true
      ? [`\`${path}\` moved to another version while the manifest stayed`]
      : [];
  });
}

function parse(text: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : null;
  } catch {
    // Not JSON: an expected answer about an untrusted file, told to the caller as null.
    return null;
  }
}

function record(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}
