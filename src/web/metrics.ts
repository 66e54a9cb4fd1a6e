import type { IncomingMessage, ServerResponse } from 'node:http';
import { Gauge, Registry } from 'prom-client';
import type { Doors } from '../doors.ts';
import { readCounters } from '../engine/counters.ts';
import type { Database } from '../engine/database.ts';
import { listWorkers } from '../engine/workers.ts';
import { bucketsS, type GaugeName, type LabelsOf, type MetricName, metricTable } from '../metric-table.ts';
import { freeSpace } from '../pause.ts';
import { readCounterId } from '../tally.ts';
import { maySeeDetails } from './health.ts';
import { addLearningGauges } from './learning-gauges.ts';

type MetricDoors = Pick<Doors, 'db' | 'tally'> & Parameters<typeof freeSpace>[0];

/** Asked more often, the same answer is given: some of it counts every run. */
const keptMs = 2_000;

/** `GET /metrics` for Prometheus, from the store as it stands: for this machine, or with the token. */
export function metricsHandler(doors: MetricDoors, token: string | null) {
  let last: { atMs: number; text: Promise<string> } | null = null;
  return async (request: IncomingMessage, response: ServerResponse): Promise<boolean> => {
    const { pathname } = new URL(request.url ?? '/', 'http://localhost');
    if (pathname !== '/metrics' || request.method !== 'GET') return false;
    if (!maySeeDetails(request, token)) {
      response.writeHead(401, { 'www-authenticate': 'Bearer' }).end();
      return true;
    }
    if (last === null || performance.now() - last.atMs > keptMs) {
      last = { atMs: performance.now(), text: readMetrics(doors) };
      last.text.catch(() => {
        last = null;
      });
    }
    const text = await last.text;
    response.writeHead(200, { 'content-type': Registry.PROMETHEUS_CONTENT_TYPE, 'cache-control': 'no-store' });
    response.end(text);
    return true;
  };
}

type SetGauge = <Name extends GaugeName>(name: Name, labels: LabelsOf<Name>, value: number) => void;

/** Everything is read at the moment of the question, so that every process of a shared store tells the same. */
async function readMetrics(doors: MetricDoors): Promise<string> {
  const { db, sandbox, tally } = doors;
  await tally.flush(db);
  const registry = new Registry();
  const gauges = new Map<GaugeName, Gauge>();
  const set: SetGauge = (name, labels, value) => {
    const { labels: labelNames, help } = metricTable[name];
    const gauge = gauges.get(name) ?? new Gauge({ name, help, labelNames, registers: [registry] });
    gauges.set(name, gauge);
    gauge.set(labels, value);
  };
  await setQueue(db, set);
  await setDeliveries(db, set);
  await setSpend(db, set);
  await setWorkers(db, set);
  await addLearningGauges(registry, db);
  set('millwright_sandbox_available', {}, (await sandbox.status()).available ? 1 : 0);
  for (const { place, freeBytes } of await freeSpace(doors)) set('millwright_disk_free_bytes', { place }, freeBytes);
  set('millwright_store_bytes', {}, await db.sizeBytes());
  const counted = await readCounters(db);
  for (const { id, value, isFresh } of counted) {
    const { name, labels } = readCounterId(id);
    if (isFresh && metricTable[name as MetricName]?.type === 'gauge') set(name as GaugeName, labels as never, value);
  }
  return `${await registry.metrics()}\n${countersText(counted)}`;
}

async function setQueue(db: Database, set: SetGauge): Promise<void> {
  for (const { state, count } of await db.all<{ state: string; count: number }>(
    'SELECT state, COUNT(*) AS count FROM runs GROUP BY state',
  ))
    set('millwright_runs', { state }, count);
  const [queue] = await db.all<{ age_ms: number | null; delayed: number | null }>(
    `SELECT MAX(${db.nowMs} - run_after_ms) AS age_ms, SUM(CASE WHEN run_after_ms > ${db.nowMs} THEN 1 ELSE 0 END) AS delayed
     FROM runs WHERE state = 'queued'`,
  );
  set('millwright_queue_age_seconds', {}, Math.max(0, queue?.age_ms ?? 0) / 1000);
  set('millwright_queue_delayed', {}, queue?.delayed ?? 0);
  for (const { outcome, count } of await db.all<{ outcome: string | null; count: number }>(
    'SELECT outcome_code AS outcome, COUNT(*) AS count FROM runs WHERE ended_at_ms IS NOT NULL GROUP BY outcome_code',
  ))
    set('millwright_run_outcomes', { outcome: outcome ?? 'none' }, count);
}

async function setDeliveries(db: Database, set: SetGauge): Promise<void> {
  for (const { state, count } of await db.all<{ state: string; count: number }>(
    'SELECT state, COUNT(*) AS count FROM deliveries GROUP BY state',
  ))
    set('millwright_deliveries', { state }, count);
  const [oldest] = await db.all<{ age_ms: number | null }>(
    `SELECT ${db.nowMs} - MIN(received_at_ms) AS age_ms FROM deliveries WHERE state = 'new'`,
  );
  set('millwright_delivery_age_seconds', {}, Math.max(0, oldest?.age_ms ?? 0) / 1000);
}

/** Ledgers of issues are kept for good, so these only grow. */
async function setSpend(db: Database, set: SetGauge): Promise<void> {
  const [sum] = await db.all<Record<'usd' | 'reserved' | 'tokens' | 'unpriced', number | null>>(
    `SELECT SUM(spent_micro_usd) AS usd, SUM(reserved_micro_usd) AS reserved, SUM(spent_tokens) AS tokens,
       SUM(unpriced_calls) AS unpriced FROM limits WHERE budget LIKE 'issue:%'`,
  );
  set('millwright_spend_dollars', {}, (sum?.usd ?? 0) / 1e6);
  set('millwright_spend_reserved_dollars', {}, (sum?.reserved ?? 0) / 1e6);
  set('millwright_spend_tokens', {}, sum?.tokens ?? 0);
  set('millwright_unpriced_calls', {}, sum?.unpriced ?? 0);
}

async function setWorkers(db: Database, set: SetGauge): Promise<void> {
  const workers = await listWorkers(db);
  const carrying = workers.filter(({ capacity }) => capacity > 0);
  set('millwright_workers', { kind: 'worker' }, carrying.length);
  set('millwright_workers', { kind: 'web' }, workers.length - carrying.length);
  set(
    'millwright_worker_capacity',
    {},
    carrying.reduce((sum, { capacity }) => sum + capacity, 0),
  );
  for (const reason of ['engine', 'disk'])
    set('millwright_workers_paused', { reason }, carrying.filter(({ info }) => info.paused === reason).length);
}

interface Series {
  name: string;
  labels: Record<string, string>;
  value: number;
}

/** Counters and histograms as all processes have counted them together: prom-client's own count in one process only. */
function countersText(counted: readonly { id: string; value: number }[]): string {
  const all: Series[] = counted.map(({ id, value }) => ({ ...readCounterId(id), value }));
  const lines = Object.entries(metricTable).flatMap(([name, { type, help }]) => {
    if (type === 'gauge') return [];
    const series = type === 'counter' ? all.filter((each) => each.name === name) : histogramSeries(name, all);
    return [`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`, ...series.map(lineOf)];
  });
  return `${lines.join('\n')}\n`;
}

/** Buckets are kept apart and told added up, as Prometheus wants them. */
function histogramSeries(name: string, all: readonly Series[]): Series[] {
  const bounds = [...bucketsS.map(String), '+Inf'];
  return all
    .filter((each) => each.name === `${name}_count`)
    .flatMap((count) => {
      const own = JSON.stringify(count.labels);
      const inBucket = (le: string) =>
        all.find(({ name: other, labels: { le: bound, ...labels } }) => {
          return other === `${name}_bucket` && bound === le && JSON.stringify(labels) === own;
        })?.value ?? 0;
      let sum = 0;
      const buckets = bounds.map((le) => {
        sum += inBucket(le);
        return { name: `${name}_bucket`, labels: { ...count.labels, le }, value: sum };
      });
      const total = all.find((each) => each.name === `${name}_sum` && JSON.stringify(each.labels) === own);
      return [...buckets, ...(total ? [total] : []), count];
    });
}

function lineOf({ name, labels, value }: Series): string {
  const shown = Object.entries(labels).map(([label, text]) => `${label}=${JSON.stringify(text)}`);
  return `${name}${shown.length === 0 ? '' : `{${shown.join(',')}}`} ${value}`;
}
