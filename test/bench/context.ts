import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { emptyContract } from '../../src/contract/contract.ts';
import { createGit } from '../../src/git/create-git.ts';
import type { Git } from '../../src/git/git.ts';
import { selectContext } from '../../src/stages/context.ts';
import type { BenchRow } from './row.ts';

const files = 5_000;
const commits = 5_000;
const rounds = 5;
const median = (values: number[]) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;

/** The context stage on 5,000 files and 5,000 commits, against the listing, the log and the blobs that it cannot do without. */
export async function contextBench(): Promise<BenchRow[]> {
  const folder = mkdtempSync(join(tmpdir(), 'millwright-bench-context-'));
  try {
    const origin = join(folder, 'origin.git');
    makeRepository(origin);
    const git = createGit({ mirrorsDir: join(folder, 'mirrors'), env: { PATH: process.env.PATH } });
    const repository = 'host.example/acme/large';
    const base = await git.fetch({ repository, url: origin, token: null }, 'main');
    const contract = {
      ...emptyContract(),
      goal: '`formatPart1234` keeps the sign of a part.',
      criteria: [{ id: 'AC1', text: 'Given a negative part, when formatted, then it starts with a minus' }],
      context: { files: ['src/area12/part1212.ts'], tests: [], docs: [], decisions: [] },
    };
    const needs = { repository, base, contract, decisions: new Map<string, string>() };
    const [whole, next, floor]: number[][] = [[], [], []];
    const select = (door: Git, commit: string) => timed(() => selectContext({ ...needs, base: commit }, { git: door }));
    await select(git, base);
    for (let round = 0; round < rounds; round++) {
      floor?.push(await timed(async () => leastWork(origin, base)));
      // A process that has read nothing yet, then the commit after the one that it knows.
      const fresh = createGit({ mirrorsDir: join(folder, 'mirrors'), env: { PATH: process.env.PATH } });
      whole?.push(await select(fresh, base));
      const later = await fresh.fetch({ repository, url: origin, token: null }, addCommit(origin, round));
      next?.push(await select(fresh, later));
    }
    const leastMs = median(floor ?? []);
    const name = 'context, 5,000 files and commits';
    const figure = median(whole ?? []);
    return [
      { name: `${name} / listing, log and blobs`, figure, floor: leastMs, target: 2.5, unit: 'ms' },
      {
        name: `${name}, one commit later / the same`,
        figure: median(next ?? []),
        floor: leastMs,
        target: 1.5,
        unit: 'ms',
      },
      { name: `${name} / one second`, figure, floor: 1_000, target: 1, unit: 'ms' },
    ];
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now();
  await work();
  return performance.now() - startedAt;
}

function leastWork(origin: string, base: string): void {
  const run = (args: string[]) => execFileSync('git', args, { cwd: origin, maxBuffer: 2 ** 28 });
  const listed = run(['ls-tree', '-r', '-z', '--long', base]).toString();
  const blobs = [...listed.matchAll(/ blob ([0-9a-f]+) /g)].map(([, blob]) => blob);
  execFileSync('git', ['cat-file', '--batch', '--buffer'], {
    cwd: origin,
    input: blobs.join('\n'),
    maxBuffer: 2 ** 28,
  });
  run(['log', '--format=%H%x00%s', '--name-only', '-z', base]);
}

/** Two sources for each test, each with an import of a neighbour, some two hundred lines long; every later commit touches one to three. */
function makeRepository(origin: string): void {
  execFileSync('git', ['init', '--bare', '--quiet', '--initial-branch=main', origin]);
  const paths = Array.from({ length: files }, (_, index) => pathOf(index));
  const lines: string[] = [commitOf(1, 'start')];
  for (const [index, path] of paths.entries()) lines.push(...modify(path, sourceOf(index, 0)));
  for (let commit = 2; commit <= commits; commit++) {
    lines.push(commitOf(commit, `Change part ${commit % files}`));
    const at = (commit * 7919) % files;
    for (let index = at; index <= at + (commit % 3); index++)
      lines.push(...modify(pathOf(index % files), sourceOf(index % files, commit)));
  }
  execFileSync('git', ['fast-import', '--quiet'], { cwd: origin, input: `${lines.join('\n')}\n` });
}

/** One more commit on the branch, as a merge brings it; returns its name. */
function addCommit(origin: string, round: number): string {
  const lines = [commitOf(commits + round + 1, `Later ${round}`), 'from refs/heads/main^0'];
  for (let index = 0; index < 3; index++)
    lines.push(...modify(pathOf(round * 7 + index), sourceOf(index, commits + round)));
  execFileSync('git', ['fast-import', '--quiet'], { cwd: origin, input: `${lines.join('\n')}\n` });
  return execFileSync('git', ['rev-parse', 'main'], { cwd: origin, encoding: 'utf8' }).trim();
}

function pathOf(index: number): string {
  const area = `area${Math.floor(index / 100)}`;
  return index % 3 === 2 ? `test/${area}/part${index - 1}.test.ts` : `src/${area}/part${index}.ts`;
}

function sourceOf(index: number, version: number): string {
  const other = index % 3 === 0 ? index + 1 : Math.max(0, index - 1);
  const from = index % 3 === 2 ? `../../src/area${Math.floor(other / 100)}/part${other}.ts` : `./part${other}.ts`;
  const body = Array.from(
    { length: 60 },
    (_, line) => `  if (part.length === ${line + index}) {\n    return \`\${part}-${line}-${version}\`;\n  }`,
  );
  return [
    `import { formatPart${other} } from '${from}';`,
    '',
    `/** Formats part ${index}. */`,
    `export function formatPart${index}(part: string): string {`,
    ...body,
    `  return formatPart${other}(part);`,
    '}',
    '',
  ].join('\n');
}

const commitOf = (number: number, message: string) =>
  `commit refs/heads/main\ncommitter Ada <ada@example.org> ${1_700_000_000 + number * 60} +0000\ndata ${message.length}\n${message}`;
const modify = (path: string, text: string) => [`M 100644 inline ${path}`, `data ${Buffer.byteLength(text)}`, text];
