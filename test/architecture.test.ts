import { readdirSync, readFileSync } from 'node:fs';
import { cruise, type ICruiseResult, type IModule } from 'dependency-cruiser';
import { beforeAll, describe, expect, it } from 'vitest';

/** One import: the file that has it, what it reaches (a file below `src`, or a package), whether types are all it takes, and whether it waits until it is needed. */
interface Import {
  from: string;
  to: string;
  types: boolean;
  later: boolean;
}

let modules: IModule[];
let imports: Import[];
let cycles: string[];

beforeAll(async () => {
  const { output } = await cruise(['src'], {
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    doNotFollow: { path: 'node_modules' },
    validate: true,
    ruleSet: { forbidden: [{ name: 'no-cycle', severity: 'error', from: {}, to: { circular: true } }] },
  });
  const result = output as ICruiseResult;
  modules = result.modules.filter(({ source }) => source.startsWith('src/'));
  imports = modules.flatMap(({ source, dependencies }) =>
    dependencies.map(({ module, resolved, dependencyTypes }) => ({
      from: source.slice('src/'.length),
      to: targetOf(module, resolved, dependencyTypes.includes('core')),
      types: dependencyTypes.includes('type-only'),
      later: dependencyTypes.includes('dynamic-import'),
    })),
  );
  cycles = result.summary.violations.map(({ from, cycle }) =>
    [from, ...(cycle ?? []).map(({ name }) => name)].join(' → '),
  );
}, 120_000);

/** A file below `src`, a package, or a module of Node with its prefix (which the walk takes off). */
function targetOf(module: string, resolved: string, ofNode: boolean): string {
  if (ofNode) return `node:${module.replace(/^node:/, '')}`;
  return module.startsWith('.') ? resolved.replace(/^src\//, '') : module;
}

const roomOf = (file: string): string | null => (/^[\w-]+\//.test(file) ? (file.split('/')[0] ?? null) : null);
const isOwnFile = (target: string): boolean => /\.(?:tsx?|m[jt]s|md|yml)$/.test(target);
const shown = ({ from, to, types }: Import): string => `${from} → ${to}${types ? ' (types)' : ''}`;
const violations = (broken: (each: Import) => boolean): string[] => imports.filter(broken).map(shown);

/** What may be imported from outside of the own room: patterns of files, apart for types. */
interface Reach {
  values: readonly RegExp[];
  types: readonly RegExp[];
}

const errors = /^errors\.ts$/;
const clock = /^clock\.ts$/;
const run = /^run\.ts$/;
const inOrder = /^in-order\.ts$/;
const contract = /^contract\//;
const doorTypes = /^(?:(git|github|mcp|model|sandbox)\/\1|engine\/database|clock|doors)\.ts$/;

const rooms: Record<string, Reach> = {
  contract: { values: [], types: [] },
  report: { values: [/^contract\/money\.ts$/], types: [contract, /^verification\/verdict\.ts$/] },
  engine: { values: [errors, run], types: [] },
  github: { values: [errors], types: [clock] },
  git: { values: [errors], types: [doorTypes] },
  mcp: { values: [errors], types: [] },
  model: { values: [errors], types: [clock, /^contract\/walls\.ts$/] },
  sandbox: { values: [errors, inOrder], types: [clock] },
  agent: {
    values: [errors, contract, /^model\/(?:context-window|prices|json-text)\.ts$/, /^sandbox\/command-policy\.ts$/],
    types: [doorTypes],
  },
  verification: { values: [errors, contract, inOrder], types: [doorTypes] },
  context: {
    values: [errors, contract, /^model\/context-window\.ts$/, /^verification\/test-paths\.ts$/],
    types: [doorTypes],
  },
  stages: {
    values: [
      errors,
      run,
      contract,
      /^(?:agent|context|verification|report)\//,
      /^model\/context-window\.ts$/,
      /^sandbox\/command-policy\.ts$/,
      // The ledger and the row of the run itself, under its lease; claims and steps are the worker's.
      /^engine\/(?:ledger|runs)\.ts$/,
      /^publish-commit\.ts$/,
    ],
    types: [doorTypes, /^(?:attempt|checkout|policy-source)\.ts$/],
  },
  onboarding: { values: [contract, /^labels\.ts$/, /^report\/escape\.ts$/], types: [doorTypes] },
};

/** Rooms that work for the service as a whole: like the files at the top of `src`, they may import every other room. */
const freeRooms = ['cli', 'doctor', 'rollback', 'web', 'learning'];

const homes: Record<string, RegExp> = {
  '@modelcontextprotocol/sdk': /^mcp\//,
  '@octokit/auth-app': /^github\//,
  '@octokit/rest': /^github\//,
  '@octokit/webhooks': /^deliveries\.ts$/,
  '@secretlint/core': /^verification\/secrets\.ts$/,
  '@secretlint/secretlint-rule-preset-recommend': /^verification\/secrets\.ts$/,
  commander: /^cli/,
  dockerode: /^sandbox\//,
  hono: /^web\//,
  openai: /^model\//,
  pg: /^engine\/postgres\.ts$/,
  pino: /^(?:wiring|app|doors|cli)/,
  probot: /^(?:app|cli\/init)\.ts$/,
  'prom-client': /^(?:web|learning)\//,
  'tar-stream': /^sandbox\//,
  unbash: /^sandbox\/command-/,
  yaml: /^(?:contract\/|doctor\/manifest\.ts$)/,
  zod: /./,
};

describe('the walk over the sources', () => {
  it('saw the modules and their imports', () => {
    const files = modules.map(({ source }) => source);
    const known = violations(() => true);

    expect(files.length).toBeGreaterThan(150);
    expect(files).toEqual(expect.arrayContaining(['src/main.ts', 'src/pipeline.ts', 'src/sandbox/docker-sandbox.ts']));
    expect(files.length).toBe(sourceFiles().length);
    expect(known).toEqual(
      expect.arrayContaining([
        'pipeline.ts → stages/intake.ts',
        'doors.ts → git/git.ts (types)',
        'sandbox/docker-client.ts → dockerode',
        'git/git-command.ts → node:child_process',
      ]),
    );
  });

  it('knows a rule for every room', () => {
    const seen = new Set(modules.map(({ source }) => roomOf(source.slice('src/'.length))));
    seen.delete(null);

    expect([...seen].filter((room) => !(String(room) in rooms) && !freeRooms.includes(String(room)))).toEqual([]);
  });
});

describe('imports', () => {
  it('form no cycle, not even of types', () => {
    expect(cycles).toEqual([]);
  });

  it('never lead out of src to tests or scripts', () => {
    expect(violations(({ to }) => /(?:^|\/)(?:test|script|dist)\//.test(to))).toEqual([]);
  });

  it.each(Object.entries(rooms))('of %s/ reach what its rule allows, and its own files', (room, reach) => {
    const broken = violations((each) => {
      if (roomOf(each.from) !== room || !isOwnFile(each.to) || roomOf(each.to) === room) return false;
      const allowed = each.types ? [...reach.values, ...reach.types] : reach.values;
      return !allowed.some((pattern) => pattern.test(each.to));
    });

    expect(broken).toEqual([]);
  });

  it('of implementations are made by wiring.ts alone, those of the store by open-store.ts', () => {
    const implementations =
      /^(?:engine\/(?:sqlite|postgres)|github\/(?:octokit|local)-github|git\/create-git|mcp\/http-mcp|model\/openai-model|sandbox\/docker-sandbox)\.ts$/;
    const broken = ({ from, to }: Import) =>
      implementations.test(to) &&
      from !== (to.startsWith('engine/') ? 'open-store.ts' : 'wiring.ts') &&
      roomOf(from) !== roomOf(to);

    expect(violations(broken)).toEqual([]);
  });

  it('of wiring.ts come from the command line alone', () => {
    expect(violations(({ from, to }) => to === 'wiring.ts' && !/^cli/.test(from))).toEqual([]);
  });

  it('of commands that look at runs bring no client of Docker, GitHub or a model along: loading them takes seconds', () => {
    const reached = reachableFrom(['cli.ts', 'cli/commands.ts', 'cli/runs.ts', 'cli/metrics.ts'], { atOnce: true });

    expect([...reached]).toContain('engine/sqlite.ts');
    expect([...reached].filter((to) => /^(?:dockerode|openai|pg|@octokit|@modelcontextprotocol)/.test(to))).toEqual([]);
  });

  it('let what arrives from GitHub become facts, and never run a stage', () => {
    const reached = reachableFrom(['app.ts', 'deliveries.ts', 'commands.ts', 'reconcile.ts', 'onboarding.ts']);

    expect([...reached].filter((file) => /^(?:pipeline|turn|worker)\.ts$/.test(file))).toEqual([]);
  });

  it('among stages lead to earlier ones: their results and how these read as text, never their work', () => {
    const order = ['intake', 'context', 'plan', 'build', 'verify', 'review', 'learn'];
    const place = (file: string) => order.indexOf(/^stages\/(\w+)\.ts$/.exec(file)?.[1] ?? '');
    const work = ['intake', 'selectContext', 'plan', 'build', 'verifyTree', 'review', 'learn'];

    const backwards = violations(({ from, to }) => place(from) >= 0 && place(to) >= place(from));
    const started = sourceFiles()
      .filter((file) => !['pipeline.ts', 'turn.ts', 'record.ts'].includes(file))
      .flatMap((file) =>
        namesFromStages(file)
          .filter((name) => work.includes(name))
          .map((name) => `${file}: ${name}`),
      );

    expect(namesFromStages('pipeline.ts')).toEqual(expect.arrayContaining(['intake', 'review']));
    expect(backwards).toEqual([]);
    expect(started).toEqual([]);
  });
});

describe('the outside', () => {
  it('each package has its home, and is imported from nowhere else', () => {
    const broken = violations(({ from, to }) => {
      if (isOwnFile(to) || to.startsWith('node:')) return false;
      const name = to
        .split('/')
        .slice(0, to.startsWith('@') ? 2 : 1)
        .join('/');
      return homes[name]?.test(from) !== true;
    });

    expect(broken).toEqual([]);
  });

  it('processes of the host are started by git/git-command.ts alone', () => {
    expect(violations(({ from, to }) => to === 'node:child_process' && from !== 'git/git-command.ts')).toEqual([]);
  });

  it('SQLite is opened by the engine, and for the lock of a mirror', () => {
    const broken = ({ from, to }: Import) =>
      to === 'node:sqlite' && roomOf(from) !== 'engine' && from !== 'git/mirror-lock.ts';

    expect(violations(broken)).toEqual([]);
  });

  it('the environment of the process is read by settings.ts alone', () => {
    const readers = sourceFiles().filter((file) => /process\s*\.\s*env\b|process\[/.test(sourceOf(file)));

    expect(readers).toEqual(['settings.ts']);
    expect(violations(({ to }) => to === 'node:process')).toEqual([]);
  });
});

describe('a file', () => {
  it('is at most 300 lines long', () => {
    const long = sourceFiles().filter((file) => sourceOf(file).trimEnd().split('\n').length > 300);

    expect(long).toEqual([]);
  });
});

function sourceFiles(): string[] {
  return readdirSync('src', { recursive: true, encoding: 'utf8' })
    .filter((file) => /\.(?:tsx?|m[jt]s)$/.test(file))
    .sort();
}

const sourceOf = (file: string): string => readFileSync(`src/${file}`, 'utf8');

/** Names that a file imports as values from a stage. */
function namesFromStages(file: string): string[] {
  const own = file.startsWith('stages/')
    ? '\\./(?:intake|context|plan|build|verify|review|learn)'
    : '\\.{1,2}/stages/[\\w-]+';
  const found = sourceOf(file).matchAll(new RegExp(`import \\{([^}]*)\\} from '${own}\\.ts'`, 'g'));
  return [...found].flatMap(([, names = '']) =>
    names
      .split(',')
      .map((name) => name.trim())
      .filter((name) => name !== '' && !name.startsWith('type '))
      .map((name) => name.split(/\s/)[0] ?? ''),
  );
}

/** Every file that these lead to, by imports of values. */
/** `atOnce`: without what is imported only when it is needed. */
function reachableFrom(starts: readonly string[], { atOnce = false } = {}): Set<string> {
  const reached = new Set(starts);
  const open = [...starts];
  for (let file = open.pop(); file !== undefined; file = open.pop()) {
    for (const { from, to, types, later } of imports) {
      if (from !== file || types || (atOnce && later) || reached.has(to)) continue;
      reached.add(to);
      open.push(to);
    }
  }
  return reached;
}
