// Run by test/engine/crash.test.ts as a process that is killed: node engine-child.ts ADDRESS WAY
import { writeSync } from 'node:fs';
import { claimRun } from '../../src/engine/claim.ts';
import { finishDelivery, receiveDelivery, takeDelivery } from '../../src/engine/inbox.ts';
import { reserve } from '../../src/engine/spend.ts';
import { openAt } from './stores.ts';

const [address = '', way = ''] = process.argv.slice(2);
const db = openAt(address);
const say = (line: string) => writeSync(1, `${line}\n`);

/** Acknowledges each write on standard output, once it is durable, for as long as it lives. */
async function receiveForEver(): Promise<void> {
  for (let n = 0; ; n++) {
    const id = `${process.pid}-${n}`;
    await receiveDelivery(db, { id, event: 'ping', payload: JSON.stringify({ n, filler: 'x'.repeat(8000) }) });
    say(id);
  }
}

async function handleForEver(): Promise<void> {
  for (;;) {
    const delivery = await takeDelivery(db, `child-${process.pid}`);
    if (!delivery) continue;
    await finishDelivery(db, delivery.id);
    say(delivery.id);
  }
}

/** Stands in the middle of a transaction that has written already, holding the claim lock. */
async function stayInTransaction(): Promise<void> {
  const keepAlive = setInterval(() => {}, 1000);
  await db.transaction(
    async (sql) => {
      await sql.run(`UPDATE deliveries SET event = 'half-written'`);
      say('inside');
      await new Promise(() => keepAlive);
    },
    { claimLock: true },
  );
}

async function claimAndReserve(): Promise<void> {
  const lease = await claimRun(db, { id: 'child', capacity: 1 }, { leaseMs: 500 });
  const budgets = [{ key: 'issue', limitUsd: 1, limitTokens: null }];
  await reserve(db, { runId: lease?.run.id ?? '', budgets, worstUsd: 0.75, worstTokens: 10 });
  say('claimed');
  setInterval(() => {}, 1000);
}

/** Many cents at once, each said once it is durable, until the day's budget has no room. */
async function reserveCents(): Promise<void> {
  const budgets = [
    { key: 'repo:shop', daily: true, limitUsd: 1, limitTokens: null },
    { key: 'org:acme', daily: true, limitUsd: null, limitTokens: null },
  ];
  const lane = async () => {
    for (;;) {
      const held = await reserve(db, { runId: `r${process.pid}`, budgets, worstUsd: 0.01, worstTokens: 1 });
      if (!held.ok) return;
      say(held.reservation);
    }
  };
  await Promise.all([lane(), lane(), lane()]);
  say('full');
  process.exit(0);
}

/** Until the store refuses; says how. */
async function receiveUntilRefused(): Promise<void> {
  for (let n = 0; ; n++) {
    try {
      await receiveDelivery(db, { id: `${n}`, event: 'ping', payload: JSON.stringify('x'.repeat(8000)) });
      say(`ok ${n}`);
    } catch (error) {
      say(`refused ${(error as { code?: string }).code}`);
      break;
    }
  }
  const [row] = await db.all<{ count: number }>('SELECT COUNT(*) AS count FROM deliveries');
  say(`count ${row?.count}`);
  process.exit(0);
}

const ways: Record<string, () => Promise<void>> = {
  receiveForEver,
  handleForEver,
  stayInTransaction,
  claimAndReserve,
  receiveUntilRefused,
  reserveCents,
};
await ways[way]?.();
