import type { IncomingMessage, ServerResponse } from 'node:http';
import { Gauge, Registry } from 'prom-client';
import type { Database } from '../engine/database.ts';
import type { SandboxEngine } from '../sandbox/sandbox.ts';
import { maySeeDetails } from './health.ts';
import { addLearningGauges } from './learning-gauges.ts';

/** `GET /metrics` for Prometheus, from the store as it stands: for this machine, or with the token. */
export function metricsHandler(doors: { db: Database; sandbox: Pick<SandboxEngine, 'status'> }, token: string | null) {
  return async (request: IncomingMessage, response: ServerResponse): Promise<boolean> => {
    const { pathname } = new URL(request.url ?? '/', 'http://localhost');
    if (pathname !== '/metrics' || request.method !== 'GET') return false;
    if (!maySeeDetails(request, token)) {
      response.writeHead(401, { 'www-authenticate': 'Bearer' }).end();
      return true;
    }
    const registry = await readMetrics(doors);
    response.writeHead(200, { 'content-type': registry.contentType, 'cache-control': 'no-store' });
    response.end(await registry.metrics());
    return true;
  };
}

/** Everything is read at the moment of the question, so that every process of a shared store tells the same. */
async function readMetrics({
  db,
  sandbox,
}: {
  db: Database;
  sandbox: Pick<SandboxEngine, 'status'>;
}): Promise<Registry> {
  const registry = new Registry();
  const gauge = <Label extends string>(name: string, help: string, labelNames: readonly Label[]) =>
    new Gauge({ name, help, labelNames: [...labelNames], registers: [registry] });

  const runs = gauge('millwright_runs', 'Runs by state.', ['state']);
  for (const row of await db.all<{ state: string; count: number }>(
    'SELECT state, COUNT(*) AS count FROM runs GROUP BY state',
  )) {
    runs.set({ state: row.state }, Number(row.count));
  }
  const [oldest] = await db.all<{ age_ms: number | null }>(
    `SELECT ${db.nowMs} - MIN(run_after_ms) AS age_ms FROM runs WHERE state = 'queued'`,
  );
  gauge('millwright_queue_age_seconds', 'How long the queued run that waits longest has waited.', []).set(
    Math.max(0, Number(oldest?.age_ms ?? 0)) / 1000,
  );
  const deliveries = gauge('millwright_deliveries', 'Webhook deliveries by state.', ['state']);
  for (const row of await db.all<{ state: string; count: number }>(
    'SELECT state, COUNT(*) AS count FROM deliveries GROUP BY state',
  )) {
    deliveries.set({ state: row.state }, Number(row.count));
  }
  const [workers] = await db.all<{ count: number }>('SELECT COUNT(*) AS count FROM workers');
  gauge('millwright_workers', 'Processes that have reported lately.', []).set(Number(workers?.count ?? 0));
  const outcomes = gauge('millwright_run_outcomes', 'Runs that have ended, by outcome.', ['outcome']);
  for (const row of await db.all<{ outcome: string; count: number }>(
    'SELECT outcome, COUNT(*) AS count FROM runs WHERE ended_at_ms IS NOT NULL GROUP BY outcome',
  )) {
    const { code } = JSON.parse(row.outcome ?? '{"code":"none"}') as { code: string };
    outcomes.inc({ outcome: code }, Number(row.count));
  }
  await addLearningGauges(registry, db);
  const available = gauge('millwright_sandbox_available', 'Whether a sandbox engine answers: 1 or 0.', []);
  available.set((await sandbox.status()).available ? 1 : 0);
  return registry;
}
