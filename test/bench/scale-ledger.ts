import type { Database } from '../../src/engine/database.ts';
import { append, eventsOf } from '../../src/engine/ledger.ts';
import { enqueueRun } from '../../src/engine/runs.ts';
import { newRun } from '../support/new-run.ts';
import { stores, type TestStore } from '../support/stores.ts';
import { interleaved } from '../support/timing.ts';
import type { BenchRow } from './row.ts';
import { fillEvents } from './scale-store.ts';

const rounds = 80;
const sizes = [0, 100_000, 500_000] as const;

/** Appending to the ledger and reading a run's page of it, as the ledger grows, on both engines. */
export async function ledgerBench(): Promise<BenchRow[]> {
  const rows: BenchRow[] = [];
  for (const [engine, open] of stores) {
    const opened: TestStore[] = [];
    try {
      const works: Record<string, () => Promise<unknown>> = {};
      const bytes: number[] = [];
      for (const size of sizes) {
        const store = await open();
        opened.push(store);
        const before = await store.db.sizeBytes();
        await fillEvents(store.db, size);
        bytes.push((await store.db.sizeBytes()) - before);
        Object.assign(works, await worksOn(store.db, size));
      }
      const times = await interleaved(rounds, works);
      for (const what of ['append', 'read']) {
        for (const size of sizes.slice(1)) {
          const name = `ledger ${what}, ${engine}: ${size} events / none`;
          const figure = times[`${what} ${size}`] ?? Number.NaN;
          rows.push({ name, figure, floor: times[`${what} 0`] ?? Number.NaN, target: null, unit: 'ms' });
        }
      }
      rows.push(sizeRow(engine, bytes.at(-1) ?? 0));
    } finally {
      for (const store of opened) await store.remove();
    }
  }
  return rows;
}

async function worksOn(db: Database, size: number): Promise<Record<string, () => Promise<unknown>>> {
  const { run } = await enqueueRun(db, newRun(1));
  const data = { text: 'x'.repeat(200) };
  for (let n = 0; n < 100; n++) await append(db, { runId: run.id, kind: 'tool.call', data });
  return {
    [`append ${size}`]: () => append(db, { runId: run.id, kind: 'tool.call', data }),
    [`read ${size}`]: () => eventsOf(db, run.id, { limit: 100 }),
  };
}

/** Bytes of an event on the disk beside those of its text. */
function sizeRow(engine: string, bytes: number): BenchRow {
  const count = sizes.at(-1) ?? 1;
  return {
    name: `an event on the disk, ${engine} / its text`,
    figure: bytes / count,
    floor: 211,
    target: null,
    unit: 'B',
  };
}
