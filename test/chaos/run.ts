import { parseArgs } from 'node:util';
import {
  deployAtEachBoundary,
  killAtEachBoundary,
  killAtRandom,
  killOneOfTwo,
  type Seen,
  stopBeyondLease,
} from './kills.ts';
import { makeImage } from './site.ts';
import { fullDisk, killContainer, readOnlyDatabase, restartDatabase, restartEngine } from './surroundings.ts';

/** `npm run chaos`: every scenario once, then kills at random until there were `--kills` of them; the same `--seed` does the same. */
const { values } = parseArgs({
  options: {
    kills: { type: 'string', default: '0' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    only: { type: 'string', default: '' },
  },
});
const seed = Number(values.seed);
const wantedKills = Number(values.kills);
/** More in one life would be taken for a run that kills its worker. */
const killsOfALife = 8;
/** Lives with random kills side by side: they wait for processes to start most of the time. */
const livesAtOnce = 3;

type Scenario = [name: string, act: (random: () => number) => Promise<Seen>];

const scenarios: Scenario[] = [
  ['kill -9 at each stage, SQLite', () => killAtEachBoundary('SQLite')],
  ['kill -9 at each stage, PostgreSQL', () => killAtEachBoundary('PostgreSQL')],
  ['kill -9 of one of two workers', killOneOfTwo],
  ['SIGSTOP beyond the lease', stopBeyondLease],
  ['deploy at each stage, SQLite', () => deployAtEachBoundary('SQLite')],
  ['container killed', killContainer],
  ['database crash', restartDatabase],
  ['read-only database', readOnlyDatabase],
  ['disk full', fullDisk],
  ['Docker engine restart', restartEngine],
];

/** A small generator of even numbers in [0, 1) (mulberry32): the same for the same seed, on every machine. */
function generator(start: number): () => number {
  let state = start >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

let kills = 0;
let failed = 0;

async function play([name, act]: Scenario, index: number): Promise<void> {
  const startedAtMs = performance.now();
  // Each has numbers of its own, so that one alone does what it did among the others.
  const seen = await act(generator(seed + index)).catch(
    (error: unknown): Seen => ({ kills: 0, violations: [error instanceof Error ? error.message : String(error)] }),
  );
  kills += seen.kills;
  if (seen.violations.length > 0) failed += 1;
  const cells = [
    name.padEnd(38),
    String(seen.kills).padStart(5),
    `${((performance.now() - startedAtMs) / 1000).toFixed(1)} s`.padStart(8),
    seen.measured ? `${seen.measured.what} ${(seen.measured.ms / 1000).toFixed(1)} s`.padEnd(20) : ''.padEnd(20),
    seen.violations.length === 0 ? 'holds' : seen.violations.join('; '),
  ];
  console.log(cells.join('  '));
}

console.log(`seed ${seed}`);
console.log(['scenario'.padEnd(38), 'kills', '    took', ''.padEnd(20), 'invariants'].join('  '));
await makeImage();
for (const [index, scenario] of scenarios.entries()) if (scenario[0].includes(values.only)) await play(scenario, index);

const lives: Scenario[] = [];
for (let left = wantedKills - kills; left > 0; left -= killsOfALife) {
  const store = lives.length % 2 === 0 ? 'SQLite' : 'PostgreSQL';
  const ofThis = Math.min(killsOfALife, left);
  lives.push([`kill -9 at random, ${store}`, (random) => killAtRandom(store, ofThis, random)]);
}
const left = lives.entries();
const lane = async () => {
  for (const [index, life] of left) await play(life, scenarios.length + index);
};
await Promise.all(Array.from({ length: livesAtOnce }, lane));
console.log(
  `${kills} kills; ${failed === 0 ? 'everything holds' : `${failed} scenarios fail: repeat with --seed ${seed}`}`,
);
process.exit(failed === 0 ? 0 : 1);
