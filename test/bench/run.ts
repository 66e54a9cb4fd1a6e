import { readdir } from 'node:fs/promises';
import { type BenchRow, isGood, ratioOf } from './row.ts';

/**
 * Runs every `*Bench` of the files beside it, or those whose file is named as an argument (`scale` names all `scale-*`), one
 * after the other, and prints floor, figure and ratio. Exit code 1 when a target is missed.
 */
const wanted = process.argv.slice(2);
const files = (await readdir(new URL('.', import.meta.url))).filter(
  (name) => name.endsWith('.ts') && name !== 'row.ts' && name !== 'run.ts',
);
let missed = 0;
for (const file of files.filter((name) => wanted.length === 0 || wanted.some((part) => isPart(name, part)))) {
  const benches = Object.entries((await import(`./${file}`)) as Record<string, unknown>).filter(([name]) =>
    name.endsWith('Bench'),
  );
  for (const [, bench] of benches) {
    for (const row of await (bench as () => Promise<BenchRow[]>)()) print(row);
  }
}
process.exit(missed > 0 ? 1 : 0);

function isPart(file: string, part: string): boolean {
  return file === `${part}.ts` || (part === 'scale' && file.startsWith('scale-'));
}

function print(row: BenchRow): void {
  const ratio = ratioOf(row);
  const good = isGood(row);
  if (!good) missed += 1;
  const target =
    row.target === null
      ? '  no target'
      : `  target ${row.atLeast ? '≥' : '≤'} ${row.target}  ${good ? 'ok' : 'MISSED'}`;
  console.log(
    `${row.name.padEnd(52)} ${row.figure.toFixed(2).padStart(10)} / ${row.floor.toFixed(2).padStart(10)} ${row.unit}  = ${ratio.toFixed(3)}${target}`,
  );
}
