import { expect, test } from 'vitest';
import { remembering } from '../../src/git/remember.ts';

/** Answers by name, and counts what it was asked. */
function counting() {
  const asked: string[] = [];
  let broken = false;
  const reading = remembering({
    async list(_repository, commit) {
      asked.push(`list ${commit}`);
      if (broken) throw new Error('no mirror');
      return [{ path: 'a', mode: '100644', blob: commit, sizeBytes: 1 }];
    },
    async log(_repository, { to }) {
      asked.push(`log ${to}`);
      return [];
    },
    async treeOf(_repository, commit) {
      asked.push(`tree ${commit}`);
      if (broken) throw new Error('no mirror');
      return `tree of ${commit}`;
    },
    async diff(_repository, base, head) {
      asked.push(`diff ${base} ${head}`);
      return { files: [], text: head.repeat(Number(base.split('-')[1] ?? 1)) };
    },
    async overlay(_repository, base, head) {
      asked.push(`overlay ${base} ${head}`);
      const bytes = new Uint8Array(Number(base.split('-')[1] ?? 1));
      return { writes: [{ path: head, bytes, executable: false }], links: [], deletes: [] };
    },
    async readBlobs(_repository, blobs) {
      const wanted = [...blobs];
      if (wanted.length > 0) asked.push(`blobs ${wanted.join(' ')}`);
      return new Map(wanted.map((blob) => [blob, new Uint8Array(Number(blob.split('-')[1] ?? 1)).fill(7)]));
    },
  });
  return {
    reading,
    asked,
    breakDown: (now: boolean) => {
      broken = now;
    },
  };
}

test('asks for a listing, a history and a blob once, and for each repository apart', async () => {
  const { reading, asked } = counting();

  for (const repository of ['h/a/one', 'h/a/one', 'h/a/two']) {
    await reading.list(repository, 'c1');
    await reading.log(repository, { to: 'c1', limit: 5 });
    await reading.readBlobs(repository, ['b1', 'b2']);
  }
  await reading.log('h/a/one', { to: 'c1', limit: 6 });
  const more = await reading.readBlobs('h/a/one', ['b2', 'b3']);

  const once = ['list c1', 'log c1', 'blobs b1 b2'];
  expect(asked).toEqual([...once, ...once, 'log c1', 'blobs b3']);
  expect([...more.keys()]).toEqual(['b2', 'b3']);
});

test('asks once for the tree of a commit and for what differs between two', async () => {
  const { reading, asked } = counting();

  for (const repository of ['h/a/one', 'h/a/one', 'h/a/two']) {
    expect(await reading.treeOf(repository, 'c1')).toBe('tree of c1');
    expect((await reading.diff(repository, 'c1', 'c2')).text).toBe('c2');
  }
  const others = [await reading.diff('h/a/one', 'c2', 'c1'), await reading.diff('h/a/one', 'c1', 'c3')];

  expect(others.map(({ text }) => text)).toEqual(['c1', 'c3']);
  expect(asked).toEqual(['tree c1', 'diff c1 c2', 'tree c1', 'diff c1 c2', 'diff c2 c1', 'diff c1 c3']);
});

test('asks once for what turns one tree into another, and keeps none that would fill the memory', async () => {
  const { reading, asked } = counting();

  for (const repository of ['h/a/one', 'h/a/one', 'h/a/two']) {
    const { writes } = await reading.overlay(repository, 'c1', 'c2');
    expect(writes.map(({ path }) => path)).toEqual(['c2']);
  }
  for (const _round of [1, 2]) await reading.overlay('h/a/one', `c-${1024 ** 2 + 1}`, 'c3');

  const large = `overlay c-${1024 ** 2 + 1} c3`;
  expect(asked).toEqual(['overlay c1 c2', 'overlay c1 c2', large, large]);
});

test('keeps no difference that would fill the memory', async () => {
  const { reading, asked } = counting();

  for (const _round of [1, 2]) await reading.diff('h/a/one', `c-${1024 ** 2}`, 'c2');

  expect(asked).toHaveLength(2);
});

test('what a caller does to an answer does not reach the next one', async () => {
  const { reading } = counting();

  (await reading.list('h/a/one', 'c1')).length = 0;
  ((await reading.overlay('h/a/one', 'c1', 'c2')).writes as unknown[]).length = 0;

  expect(await reading.list('h/a/one', 'c1')).toHaveLength(1);
  expect((await reading.overlay('h/a/one', 'c1', 'c2')).writes).toHaveLength(1);
});

test('asks again after a failure', async () => {
  const { reading, breakDown } = counting();
  breakDown(true);
  await expect(reading.list('h/a/one', 'c1')).rejects.toThrow('no mirror');
  breakDown(false);

  expect(await reading.list('h/a/one', 'c1')).toHaveLength(1);
});

test('keeps the latest commits only, and blobs within a bound of bytes, none that is large', async () => {
  const { reading, asked } = counting();
  const pieces = Array.from({ length: 200 }, (_, index) => `b${index}-200000`);

  for (const commit of ['c1', 'c2', 'c3', 'c4', 'c5', 'c1']) await reading.list('h/a/one', commit);
  await reading.readBlobs('h/a/one', ['large-300000']);
  await reading.readBlobs('h/a/one', ['large-300000']);
  await reading.readBlobs('h/a/one', pieces);
  asked.length = 0;
  await reading.readBlobs('h/a/one', pieces.slice(0, 1));
  await reading.readBlobs('h/a/one', pieces.slice(-1));

  expect(asked).toEqual(['blobs b0-200000']);
});
