import { spawn } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { createServer } from 'node:net';
import { fileURLToPath } from 'node:url';
import { pino } from 'pino';
import { Probot, Server } from 'probot';
import { startApp } from '../../src/app.ts';
import { Tally } from '../../src/tally.ts';
import { openSqliteStore } from '../support/stores.ts';
import { median } from '../support/timing.ts';
import type { BenchRow } from './row.ts';
import type { Load } from './scale-child.ts';

const child = fileURLToPath(new URL('./scale-child.ts', import.meta.url));
const atOnce = 50;
const rounds = 3;
const deliveries = 400;
const bodyBytes = 12_000;
const secret = 'bench';
const log = pino({ level: 'silent' });

/**
 * From a signed webhook to the answer that says it is durable, on a real store with every write forced to the disk, against a
 * Probot app with the same server that does nothing: 50 under way at once, sent by another process, in turns.
 */
export async function webhookBench(): Promise<BenchRow[]> {
  const { privateKey } = generateKeyPairSync('rsa', {
    modulusLength: 2048,
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
    publicKeyEncoding: { type: 'spki', format: 'pem' },
  });
  const store = await openSqliteStore();
  const address = { host: '127.0.0.1', port: 0 };
  const app = { appId: 1, privateKey, webhookSecret: secret, apiUrl: 'http://127.0.0.1:9' };
  const ours = await startApp({ ...address, ...app, log, tally: new Tally() }, store.db, []);
  const empty = await startEmpty(privateKey);
  const figures: number[][] = [];
  const floors: number[][] = [];
  try {
    // The first round warms both up.
    for (let round = 0; round <= rounds; round++) {
      const figure = await timesOf(ours.port, `ours-${round}`);
      const floor = await timesOf(empty.port, `empty-${round}`);
      if (round > 0) figures.push(figure) && floors.push(floor);
    }
    const [kept] = await store.db.all<{ count: number }>('SELECT COUNT(*) AS count FROM deliveries');
    const sent = deliveries * (rounds + 1);
    return [
      row('p50', 0.5, null, figures, floors),
      row('p99', 0.99, 3, figures, floors),
      {
        name: 'answered deliveries that are not stored',
        figure: sent - (kept?.count ?? 0),
        floor: sent,
        target: 0,
        unit: '',
      },
    ];
  } finally {
    await Promise.all([ours.stop(), empty.stop()]);
    await store.remove();
  }
}

function row(name: string, share: number, target: number | null, figures: number[][], floors: number[][]): BenchRow {
  const of = (times: number[][]) => median(times.map((one) => percentile(one, share)));
  return {
    name: `webhook → durable answer / empty handler, ${name}`,
    figure: of(figures),
    floor: of(floors),
    target,
    unit: 'ms',
  };
}

function percentile(values: number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

/** Probot as it is, with the options of `src/app.ts`. */
async function startEmpty(privateKey: string): Promise<{ port: number; stop: () => Promise<unknown> }> {
  const server = new Server({
    host: '127.0.0.1',
    port: await freePort(),
    log: log.child({}, { level: 'fatal' }),
    enablePing: false,
    enableStaticFiles: false,
    Probot: Probot.defaults({ appId: 1, privateKey, secret, baseUrl: 'http://127.0.0.1:9' }),
  });
  await server.load((probot) => {
    probot.onAny(async () => {});
  });
  await server.start();
  return { port: server.port, stop: () => server.stop() };
}

async function timesOf(port: number, name: string): Promise<number[]> {
  const load: Load = {
    url: `http://127.0.0.1:${port}/api/github/webhooks`,
    secret,
    deliveries,
    atOnce,
    name,
    bodyBytes,
  };
  const sender = spawn(process.execPath, [child, 'load', JSON.stringify(load)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let said = '';
  sender.stdout.on('data', (text) => {
    said += text;
  });
  const code = await new Promise((resolve) => sender.on('close', resolve));
  if (code !== 0) throw new Error(`the load generator ended with ${code}`);
  return JSON.parse(said) as number[];
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const probe = createServer().listen(0, '127.0.0.1', () => {
      const address = probe.address();
      probe.close(() => resolve(typeof address === 'object' && address ? address.port : 0));
    });
  });
}
