// Run by the scale benches as a process of its own: node scale-child.ts WAY JSON
import { createHmac } from 'node:crypto';
import { writeSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { claimRun, heartbeat, type Lease } from '../../src/engine/claim.ts';
import type { Database } from '../../src/engine/database.ts';
import { append } from '../../src/engine/ledger.ts';
import { moveRun, updateRun } from '../../src/engine/runs.ts';
import { createSteps } from '../../src/engine/steps.ts';
import { openAt } from '../support/stores.ts';

/** Signed deliveries to `url`, `atOnce` of them under way all the time. */
export interface Load {
  url: string;
  secret: string;
  deliveries: number;
  atOnce: number;
  /** Tells these deliveries from those of other loads. */
  name: string;
  bodyBytes: number;
}

/** A worker that carries runs whose stages wait, as they do for a model. */
export interface Work {
  address: string;
  id: string;
  capacity: number;
  waitMs: number;
}

const say = (line: string) => writeSync(1, `${line}\n`);
const beatMs = 2_500;
const pollMs = 1_000;

/** Says the milliseconds of each answer, as one JSON list. */
async function load({ url, secret, deliveries, atOnce, name, bodyBytes }: Load): Promise<void> {
  const agent = new Agent({ keepAlive: true, maxSockets: atOnce });
  const bodies = Array.from({ length: deliveries }, (_, n) => {
    const body = JSON.stringify({ action: 'edited', number: n, filler: 'x'.repeat(bodyBytes) });
    return { id: `${name}-${n}`, body, signature: createHmac('sha256', secret).update(body).digest('hex') };
  });
  const times: number[] = [];
  const lane = async () => {
    for (let next = bodies.pop(); next; next = bodies.pop()) {
      const startedMs = performance.now();
      const status = await send(agent, url, next);
      if (status !== 200) throw new Error(`${url} answered ${status}`);
      times.push(performance.now() - startedMs);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, lane));
  agent.destroy();
  say(JSON.stringify(times));
}

function send(agent: Agent, url: string, { id, body, signature }: { id: string; body: string; signature: string }) {
  const headers = {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(body),
    'x-github-event': 'issues',
    'x-github-delivery': id,
    'x-hub-signature-256': `sha256=${signature}`,
  };
  return new Promise<number>((resolve, reject) => {
    const call = request(url, { method: 'POST', agent, headers }, (answer) => {
      answer.resume().on('end', () => resolve(answer.statusCode ?? 0));
    });
    call.on('error', reject).end(body);
  });
}

/** Says each step that it has worked, until it is ended. */
async function work({ address, id, capacity, waitMs }: Work): Promise<void> {
  const db = openAt(address);
  const held = new Set<string>();
  let rung = Promise.withResolvers<void>();
  const ring = () => {
    rung.resolve();
    rung = Promise.withResolvers<void>();
  };
  db.onWake('runs', ring);
  await db.all('SELECT 1 AS one');
  say('ready');
  for (;;) {
    const ringing = rung.promise;
    const lease = held.size < capacity ? await claimRun(db, { id, capacity }) : null;
    if (lease) {
      held.add(lease.run.id);
      void carry(db, lease, waitMs).finally(() => {
        held.delete(lease.run.id);
        ring();
      });
    } else await Promise.race([ringing, sleep(pollMs)]);
  }
}

async function carry(db: Database, lease: Lease, waitMs: number): Promise<void> {
  const beating = setInterval(() => void heartbeat(db, lease), beatMs);
  const steps = createSteps(db, lease);
  for (const stage of ['plan', 'build', 'verify', 'review'] as const) {
    await updateRun(db, lease, { stage });
    await steps.step(stage, z.string(), async () => {
      // Not all alike, or all runs would end together.
      await sleep(waitMs * (0.5 + Math.random()));
      await append(db, { runId: lease.run.id, kind: 'model.call', data: { stage } });
      say(`${lease.run.id}/${stage}`);
      return stage;
    });
  }
  await moveRun(db, lease, 'done');
  clearInterval(beating);
}

const [way, given = '{}'] = process.argv.slice(2);
if (way === 'load') await load(JSON.parse(given) as Load);
if (way === 'work') await work(JSON.parse(given) as Work);
