import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  deferDelivery,
  failDelivery,
  finishDelivery,
  maxDeliveryAttempts,
  receiveDelivery,
  takeDelivery,
} from '../../src/engine/inbox.ts';
import { stores, type TestStore } from '../support/stores.ts';
import { until } from '../support/until.ts';

describe.each(stores)('the inbox on %s', (_engine, open) => {
  let store: TestStore;
  beforeEach(async () => {
    store = await open();
  });
  afterEach(() => store.remove());

  const receive = (id: string, full_name: string | null = 'acme/shop', number = 1) =>
    receiveDelivery(store.db, {
      id,
      event: 'issues.labeled',
      payload: JSON.stringify(
        full_name ? { repository: { full_name }, issue: { number } } : { zen: 'Keep it simple.' },
      ),
    });
  const take = () => takeDelivery(store.db, 'w1');
  /** As if its handler had died a minute ago. */
  const expireLeases = () => store.db.run(`UPDATE deliveries SET lease_until_ms = 1 WHERE lease_until_ms IS NOT NULL`);

  test('counts the same delivery once, though it arrives twenty times at once', async () => {
    const other = store.another();
    const delivery = { id: 'd1', event: 'ping', payload: '{}' };

    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, index) => receiveDelivery(index % 2 ? store.db : other, delivery)),
    );

    expect(answers.filter((answer) => answer === 'new')).toHaveLength(1);
    expect(await take()).toMatchObject({ id: 'd1', event: 'ping', payload: '{}', attempts: 1 });
    expect(await take()).toBeNull();
    await finishDelivery(store.db, 'd1');
    expect(await receiveDelivery(store.db, delivery)).toBe('duplicate');
    expect(await take()).toBeNull();
  });

  test('puts a delivery off as if it had not been tried', async () => {
    await receive('d1');
    await take();

    await deferDelivery(store.db, 'd1', 60_000.4);

    expect(await take()).toBeNull();
    await store.db.run('UPDATE deliveries SET due_at_ms = 1');
    expect(await take()).toMatchObject({ id: 'd1', attempts: 1 });
  });

  test('tells who waits for deliveries', async () => {
    let heard = 0;
    store.db.onWake('deliveries', () => heard++);

    await receive('d1');

    await until(() => heard > 0);
  });

  test('hands out a repository’s deliveries in order, while other repositories’ go ahead', async () => {
    await receive('first');
    await receive('second', 'Acme/Shop', 2);
    await receive('elsewhere', 'acme/other');
    await receive('installation', null);

    expect([(await take())?.id, (await take())?.id, (await take())?.id, await take()]).toEqual([
      'first',
      'elsewhere',
      'installation',
      null,
    ]);
    await finishDelivery(store.db, 'first');
    expect((await take())?.id).toBe('second');
  });

  test('never hands one delivery to two takers, nor two of one repository', async () => {
    const other = store.another();
    for (let n = 0; n < 4; n++)
      for (const repository of ['a/a', 'b/b', 'c/c']) await receive(`${repository}${n}`, repository, n);

    const taken = await Promise.all(
      Array.from({ length: 16 }, (_, index) => takeDelivery(index % 2 ? store.db : other, `w${index}`)),
    );

    expect(taken.flatMap((delivery) => delivery?.id ?? []).sort()).toEqual(['a/a0', 'b/b0', 'c/c0']);
  });

  test('takes back a delivery whose handler died', async () => {
    await receive('d1');
    await take();

    await expireLeases();

    expect(await take()).toMatchObject({ id: 'd1', attempts: 2 });
  });

  test('tries a failed delivery again when it is due, and only those of its issue wait behind it', async () => {
    await receive('d1');
    await receive('same issue');
    await receive('other issue', 'acme/shop', 2);
    await take();

    expect(await failDelivery(store.db, 'd1', 'GitHub did not answer', 60_000.4)).toBe('retry');

    expect((await take())?.id).toBe('other issue');
    await finishDelivery(store.db, 'other issue');
    expect(await take()).toBeNull();
    await store.db.run(`UPDATE deliveries SET due_at_ms = 1 WHERE id = 'd1'`);
    expect(await take()).toMatchObject({ id: 'd1', attempts: 2 });
  });

  test('parks a delivery that cannot be handled, with its error, and lets those behind it go on', async () => {
    await receive('d1');
    await receive('d2');
    await take();

    expect(await failDelivery(store.db, 'd1', 'no such\0thing', null)).toBe('parked');

    expect((await take())?.id).toBe('d2');
    expect(await store.db.all(`SELECT state, error FROM deliveries WHERE id = 'd1'`)).toEqual([
      { state: 'parked', error: expect.stringMatching(/^no such.thing$/s) },
    ]);
  });

  test('parks a poisonous delivery after so many tries, whether its handler fails or dies', async () => {
    await receive('fails', 'a/a');
    await receive('dies', 'b/b');

    for (let attempt = 1; attempt <= maxDeliveryAttempts; attempt++) {
      expect((await take())?.attempts).toBe(attempt);
      expect((await take())?.attempts).toBe(attempt);
      await failDelivery(store.db, 'fails', 'boom', 0);
      await expireLeases();
    }

    expect(await take()).toBeNull();
    expect(await store.db.all('SELECT id, state FROM deliveries ORDER BY id')).toEqual([
      { id: 'dies', state: 'parked' },
      { id: 'fails', state: 'parked' },
    ]);
  });
});
