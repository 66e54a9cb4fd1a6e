import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { search } from '../../src/agent/search-tool.ts';
import type { Sandbox } from '../../src/sandbox/sandbox.ts';
import { toolContext } from '../agent/task.ts';
import { docker, importBusyboxImage, importShellImage, type TestEngine, testEngine } from '../support/sandboxes.ts';

const call = (command: string) => ({ command, timeoutMs: 20_000 });

const files = {
  'README.md': 'hello\n',
  'src/a.txt': 'a\n',
  'lib/b.txt': 'b\n',
  'lib/c.txt': 'c\n',
  link: { link: 'lib/b.txt' },
};

/** Images of busybox alone, and of nothing but one shell: no `wc`, `head`, `mkdir` or `rm`. */
const images = [
  { image: 'millwright-test-files-busybox', make: importBusyboxImage },
  { image: 'millwright-test-files-dash', make: (name: string) => importShellImage(name, '/bin/dash') },
  { image: 'millwright-test-files-bash', make: (name: string) => importShellImage(name, '/bin/bash') },
];

describe.each(images)('files in a container of $image', ({ image, make }) => {
  let engine: TestEngine;
  let prepared: string;
  let sandbox: Sandbox;

  beforeAll(async () => {
    await make(image);
    engine = testEngine();
    prepared = (await engine.prepareOn(files, { image })).image;
    sandbox = await engine.openOn(files, { image: prepared });
  });
  afterAll(async () => {
    await engine[Symbol.asyncDispose]();
    await docker('rmi', '-f', image);
  });

  it('are read whole or in part, any bytes, wherever a link leads', async () => {
    const bytes = Buffer.from(Array.from({ length: 700_000 }, (_, index) => (index * 7 + (index >> 8)) % 256));
    await sandbox.writeFile('bytes.bin', bytes);
    await sandbox.writeFile('empty', Buffer.alloc(0));

    const whole = await sandbox.readFile('bytes.bin');
    const start = await sandbox.readFile('/workspace/bytes.bin', { maxBytes: 10 });

    expect(whole).toMatchObject({ kind: 'file', totalBytes: 700_000, truncated: false });
    expect(whole.kind === 'file' && Buffer.from(whole.bytes).equals(bytes)).toBe(true);
    expect(start).toEqual({ kind: 'file', bytes: bytes.subarray(0, 10), totalBytes: 700_000, truncated: true });
    expect(await sandbox.readFile('link')).toMatchObject({ kind: 'file', bytes: Buffer.from('b\n'), totalBytes: 2 });
    expect(await sandbox.readFile('empty')).toEqual({
      kind: 'file',
      bytes: Buffer.alloc(0),
      totalBytes: 0,
      truncated: false,
    });
  });

  it('are told apart from what is none', async () => {
    expect(await sandbox.readFile('missing')).toEqual({ kind: 'missing' });
    expect(await sandbox.readFile('src')).toEqual({ kind: 'directory' });
    expect(await sandbox.readFile('/dev/null')).toMatchObject({ kind: 'other' });
  });

  it('are written into folders that are made on the way, as the user of the commands', async () => {
    const written = await sandbox.writeFile("deep/it's $HOME/b.bin", Buffer.from([0, 255, 10, 39, 92]));
    const again = await sandbox.writeFile("deep/it's $HOME/more/c.txt", Buffer.from('c\n'));
    const read = await sandbox.readFile("deep/it's $HOME/b.bin");
    const mine = await sandbox.run(
      call(`cd deep/it*/more && echo more >>c.txt && while read -r x; do echo $x; done <c.txt`),
    );

    expect([written, again]).toEqual([{ kind: 'written' }, { kind: 'written' }]);
    expect(read).toMatchObject({ kind: 'file', bytes: Buffer.from([0, 255, 10, 39, 92]) });
    expect(mine.stdout.text).toBe('c\nmore\n');
  });

  it('are searched', async () => {
    const context = toolContext(sandbox);

    const found = await search.run({ pattern: '^(hel+o|b)$', glob: '*.md' }, context);
    const plain = await search.run({ pattern: 'b$', path: 'lib' }, context);

    // Only bash knows expressions; a shell alone without them says so.
    const alone = expect.objectContaining({ text: expect.stringMatching(/^Not searched[\s\S]*neither rg nor grep/) });
    expect(found).toEqual(image.endsWith('dash') ? alone : { kind: 'result', text: '1 match.\nREADME.md:1:hello' });
    expect(plain).toEqual({ kind: 'result', text: '1 match.\nlib/b.txt:1:b' });
  });

  it('are not written where a command could not write', async () => {
    expect(await sandbox.writeFile('/new/x', Buffer.from('x'))).toMatchObject({ kind: 'refused' });
    expect(await sandbox.writeFile('README.md/x', Buffer.from('x'))).toMatchObject({ kind: 'refused' });
    expect(await sandbox.writeFile('src', Buffer.from('x'))).toEqual({ kind: 'refused', what: 'not a regular file' });
  });

  it('come out as changes, beside the deletions that the container was opened with', async () => {
    const overlay = { writes: [], links: [], deletes: ['src/a.txt', 'lib/b.txt'] };
    await using fresh = await engine.openOn(files, { image: prepared, overlay });

    const gone = await fresh.readFile('src/a.txt');
    const folder = await fresh.run(call('test -e src || echo no folder; test -e lib/c.txt && echo c'));
    await fresh.writeFile('lib/d.txt', Buffer.from('d\n'));
    const changes = await fresh.changes({
      maxFiles: 9,
      maxFileBytes: 99,
      maxTotalBytes: 99,
      base: async () => Object.keys(files),
    });

    expect(gone).toEqual({ kind: 'missing' });
    expect(folder.stdout.text).toBe('no folder\nc\n');
    // The folder that was emptied, or the file in it: both say the same.
    const told = changes.map(({ kind, path }) => `${kind} ${path}`.replace(/^deleted src$/, 'deleted src/a.txt'));
    expect(told.sort()).toEqual(['deleted lib/b.txt', 'deleted src/a.txt', 'file lib/d.txt']);
  });
});
