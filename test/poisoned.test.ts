import { afterEach, expect, onTestFinished, test } from 'vitest';
import { MillwrightError } from '../src/errors.ts';
import type { OpenRequest } from '../src/sandbox/sandbox.ts';
import { FolderEngine } from './doubles/sandbox-engine.ts';
import { type GateSite, gateContract, openSite, writes } from './support/gate-site.ts';
import type { ChatRequest, Reply } from './support/model-stand-in.ts';
import { createPostgresDatabase } from './support/postgres.ts';
import { scripted } from './support/scripted.ts';
import { until } from './support/until.ts';

let site: GateSite;
afterEach(() => site[Symbol.asyncDispose]());

/** No container opens for the first run that asks for one. */
class PoisonedEngine extends FolderEngine {
  tries = 0;
  private poisoned: string | null = null;

  override async open(request: OpenRequest) {
    this.poisoned ??= request.run;
    if (request.run !== this.poisoned) return await super.open(request);
    this.tries += 1;
    throw new MillwrightError('outside.sandbox', { message: 'no container starts' });
  }
}

test.each(['SQLite', 'PostgreSQL'])(
  'an issue whose containers never start is given up after five tries, on %s, and another one goes on between them',
  async (store) => {
    const engine = new PoisonedEngine();
    const server = store === 'PostgreSQL' ? await createPostgresDatabase() : null;
    onTestFinished(async () => server?.drop());
    const env = { WORKER_CONCURRENCY: '1', ...(server ? { DATABASE_URL: server.url } : {}) };
    site = await openSite({ env, replace: () => ({ sandbox: engine }) });
    const { factory, labelled, reaches, status } = site;
    const poisoned = await labelled();
    await until(() => engine.tries === 1);

    const healthy = await labelled();
    await reaches(healthy, 'agent:review');
    expect(engine.tries).toBeLessThan(5);
    await until(async () => {
      // The back-off of minutes is over.
      await factory.doors.db.run(`UPDATE runs SET run_after_ms = 0 WHERE issue = $1 AND state = 'queued'`, poisoned);
      return site.labels(poisoned).includes('agent:failed');
    });

    expect(engine.tries).toBe(5);
    expect(status(poisoned)).toContain('sandbox');
  },
);

test('an issue that ends its worker each time is parked after twelve, and another one goes on', async () => {
  site = await openSite({ env: { WORKER_CONCURRENCY: '4' }, script: hangsFor('poison') });
  const { factory, labelled, reaches, status } = site;
  const { db } = factory.doors;
  const poisoned = await labelled(gateContract.replace('write the sum', 'poison'));
  await until(() => site.engine.opened > 0);
  await until(async () => {
    // As it is when heartbeats have ended long ago.
    await db.run(
      `UPDATE runs SET lease_until_ms = 1 WHERE issue = $1 AND state = 'running' AND failures < 12`,
      poisoned,
    );
    return site.labels(poisoned).includes('agent:failed');
  }, 60_000);

  const [row] = await db.all<{ failures: number }>('SELECT failures FROM runs WHERE issue = $1', poisoned);
  expect(row?.failures).toBe(12);
  expect(status(poisoned)).toContain('failed');
  await reaches(await labelled(), 'agent:review');
}, 90_000);

/** Never answers the build of an issue with this word. */
function hangsFor(word: string) {
  const others = scripted(writes()) as (request: ChatRequest, index: number) => Promise<Reply>;
  return async (request: ChatRequest, index: number): Promise<Reply> => {
    const isPoison = request.messages.some(({ content }) => JSON.stringify(content).includes(word));
    return isPoison && !request.response_format ? { hang: true } : await others(request, index);
  };
}
