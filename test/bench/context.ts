import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { emptyContract } from '../../src/contract/contract.ts';
import { createGit } from '../../src/git/create-git.ts';
import { selectContext } from '../../src/stages/context.ts';
import type { BenchRow } from './row.ts';

const files = 5_000;
const commits = 5_000;
const rounds = 5;
const median = (values: number[]) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;

/** The context stage on 5,000 files and 5,000 commits, against the listing and the log that it cannot do without. */
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
    const whole: number[] = [];
    const floor: number[] = [];
    await selectContext(needs, { git });
    for (let round = 0; round < rounds; round++) {
      floor.push(await timed(async () => leastWork(origin, base)));
      whole.push(await timed(() => selectContext(needs, { git })));
    }
    const figure = median(whole);
    return [
      {
        name: 'context, 5,000 files and commits / listing and log',
        figure,
        floor: median(floor),
        target: 4,
        unit: 'ms',
      },
      { name: 'context, 5,000 files and commits / one second', figure, floor: 1_000, target: 1, unit: 'ms' },
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
  run(['ls-tree', '-r', '-z', '--long', base]);
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
