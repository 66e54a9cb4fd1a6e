import { type CounterChange, changeCounters } from './engine/counters.ts';
import type { Database } from './engine/database.ts';
import { bucketsS, type CounterName, type GaugeName, type HistogramName, type LabelsOf } from './metric-table.ts';

/** Most different counters of one process between two writes: labels that run away must not fill memory or store. */
const mostCounters = 5_000;

/**
 * What this process counts for `/metrics`, kept in memory and written to the store now and then, so that every process
 * of a store tells the counts of all. A killed process loses what it counted since its last write.
 */
export class Tally {
  private readonly changes = new Map<string, CounterChange>();

  count<Name extends CounterName>(name: Name, labels: LabelsOf<Name>, by = 1): void {
    this.change(counterId(name, labels), by, 'add');
  }

  /** A reading of something that goes up and down. */
  read<Name extends GaugeName>(name: Name, labels: LabelsOf<Name>, value: number): void {
    this.change(counterId(name, labels), value, 'set');
  }

  observe<Name extends HistogramName>(name: Name, labels: LabelsOf<Name>, seconds: number): void {
    const bucket = bucketsS.find((bound) => seconds <= bound);
    this.change(counterId(`${name}_bucket`, { ...labels, le: bucket === undefined ? '+Inf' : `${bucket}` }), 1, 'add');
    this.change(counterId(`${name}_sum`, labels), seconds, 'add');
    this.change(counterId(`${name}_count`, labels), 1, 'add');
  }

  /** Errors: `outside.database`; what was counted is kept for the next time. */
  async flush(db: Database): Promise<void> {
    const changes = [...this.changes.values()];
    this.changes.clear();
    try {
      await changeCounters(db, changes);
    } catch (error) {
      for (const { id, value, how } of changes) if (how === 'add' || !this.changes.has(id)) this.change(id, value, how);
      throw error;
    }
  }

  private change(id: string, value: number, how: CounterChange['how']): void {
    const known = this.changes.get(id);
    if (!known && this.changes.size >= mostCounters) return;
    this.changes.set(id, { id, value: how === 'add' ? (known?.value ?? 0) + value : value, how });
  }
}

/** One spelling for a name with its labels, sorted: `name{"a":"1"}`. */
export function counterId(name: string, labels: Readonly<Record<string, string>>): string {
  const sorted = Object.entries(labels).toSorted(([a], [b]) => (a < b ? -1 : 1));
  // Whoever chose a label's text, it is bounded.
  const bounded = sorted.map(([key, value]) => [key, value.slice(0, 100)]);
  return `${name}${JSON.stringify(Object.fromEntries(bounded))}`;
}

/** The other way round. */
export function readCounterId(id: string): { name: string; labels: Record<string, string> } {
  const start = id.indexOf('{');
  return { name: id.slice(0, start), labels: JSON.parse(id.slice(start)) as Record<string, string> };
}
