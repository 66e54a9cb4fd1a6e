import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { childrenFirst } from '../../src/sandbox/image-cache.ts';
import type { SetupRequest } from '../../src/sandbox/sandbox.ts';
import {
  docker,
  importImage,
  importShellImage,
  noNetwork,
  productImage,
  type TestEngine,
  tarOf,
  testEngine,
} from '../support/sandboxes.ts';

const files = {
  'README.md': 'hello\n',
  'bin/run': { executable: '#!/bin/sh\necho ran\n' },
  link: { link: 'README.md' },
  'a/deep/file.txt': 'deep\n',
};

const setupOf = (request: Partial<SetupRequest> = {}): SetupRequest => ({
  command: 'mkdir deps && cp package.json deps/ && ls -A >deps/seen',
  root: false,
  hosts: [],
  inputs: () => tarOf({ 'package.json': '{}\n' }),
  inputsHash: 'inputs-1',
  shared: true,
  network: noNetwork,
  timeoutMs: 20_000,
  ...request,
});

let engine: TestEngine;
const made: string[] = [];

beforeAll(() => {
  engine = testEngine();
});
afterAll(async () => {
  await engine[Symbol.asyncDispose]();
  if (made.length > 0) await docker('rmi', '-f', ...made);
});

const call = (command: string) => ({ command, timeoutMs: 20_000 });

describe('a checkout', () => {
  it('holds the files with their modes and links, owned by the agent', async () => {
    await using sandbox = await engine.openOn(files);

    const { stdout } = await sandbox.run(
      call('id -u; bin/run; readlink link; cat a/deep/file.txt; touch a/deep/new . && echo may'),
    );

    expect(stdout.text).toBe('1000\nran\nREADME.md\ndeep\nmay\n');
  });

  it('is made once, also when two runs ask for it at the same time', async () => {
    let asked = 0;
    const request = {
      commit: 'asked-twice',
      files: () => {
        asked += 1;
        return tarOf(files);
      },
    };

    const [first, second] = await Promise.all([engine.prepareOn(files, request), engine.prepareOn(files, request)]);
    const third = await engine.prepareOn(files, request);

    expect(asked).toBe(1);
    expect(new Set([first.image, second.image, third.image]).size).toBe(1);
  });

  it('is never shared between repositories or commits', async () => {
    const [mine, other, later] = await Promise.all([
      engine.prepareOn(files),
      engine.prepareOn(files, { repository: 'test.example/acme/other' }),
      engine.prepareOn(files, { commit: 'later' }),
    ]);

    expect(new Set([mine.image, other.image, later.image]).size).toBe(3);
  });

  it('takes an overlay: new files, links, deletions, folders for files and files for folders', async () => {
    await using sandbox = await engine.openOn(files, {
      overlay: {
        writes: [
          { path: 'new/run', bytes: Buffer.from('#!/bin/sh\necho new\n'), executable: true },
          { path: 'README.md/inside', bytes: Buffer.from('in\n'), executable: false },
          { path: 'a', bytes: Buffer.from('was a folder\n'), executable: false },
        ],
        links: [{ path: 'bin/run', target: '../new/run' }],
        deletes: ['a/deep/file.txt', 'link', 'README.md'],
      },
    });

    const { stdout } = await sandbox.run(
      call('cat README.md/inside a; bin/run; ls -A; touch new/may README.md/may && echo may'),
    );

    expect(stdout.text).toBe('in\nwas a folder\nnew\nREADME.md\na\nbin\nnew\nmay\n');
  });

  it('loses folders that a deletion left empty', async () => {
    await using sandbox = await engine.openOn(files, {
      overlay: { writes: [], links: [], deletes: ['a/deep/file.txt'] },
    });

    expect((await sandbox.run(call('ls -A'))).stdout.text).toBe('README.md\nbin\nlink\n');
  });

  it('goes when the budget is used up, the longest unused first', async () => {
    await using own = testEngine();
    const old = await own.prepareOn({ 'old.bin': Buffer.alloc(3_000_000) });
    const recent = await own.prepareOn({ 'recent.bin': Buffer.alloc(3_000_000) });
    await own.prepareOn({ 'old.bin': Buffer.alloc(3_000_000) });

    const removed = await own.evict(4_000_000);

    expect(removed).toBe(1);
    await expect(docker('image', 'inspect', recent.image)).rejects.toThrow();
    expect(await docker('image', 'inspect', '--format', '{{.Size}}', old.image)).toMatch(/^\d+$/);
  });
});

describe('images', () => {
  it('are removed before those that they were made from, in whatever order the engine lists them', () => {
    const base = { id: 'setup', parent: 'policy image' };
    const middle = { id: 'checkout', parent: 'setup' };
    const top = { id: 'a further layer', parent: 'checkout' };

    expect(childrenFirst([base, middle, top])).toEqual([top, middle, base]);
    expect(childrenFirst([middle, top, base])).toEqual([top, middle, base]);
    expect(childrenFirst([])).toEqual([]);
  });

  it('that were used lately stay however little room there is, those unused for long go however much there is', async () => {
    await using own = testEngine();
    const { image } = await own.prepareOn({ 'a.bin': Buffer.alloc(1_000_000) });

    expect(await own.evict(0, { keepUsedForMs: 60_000 })).toBe(0);
    expect(await own.evict(2 ** 40, { unusedForMs: 60_000 })).toBe(0);
    expect(await docker('image', 'inspect', '--format', '{{.Size}}', image)).toMatch(/^\d+$/);
    expect(await own.evict(2 ** 40, { unusedForMs: -1 })).toBe(1);
  });

  it('that were flattened because of their volumes are bounded as well, and made anew when they are gone', async () => {
    await using own = testEngine();
    const image = `millwright-test-volume:${own.instance}`;
    await importShellImage(image, '/bin/dash', ['VOLUME /data']);
    try {
      await own.prepareOn({ 'a.txt': 'a\n' }, { image });

      expect(await own.evict(-1)).toBe(2);
      expect(await docker('images', '--quiet', '--filter', `label=millwright.instance=${own.instance}`)).toBe('');
      await using again = await own.openOn({}, { image: (await own.prepareOn({ 'b.txt': 'b\n' }, { image })).image });
      expect((await again.run(call('echo *'))).stdout.text).toBe('b.txt\n');
    } finally {
      await docker('rmi', '--force', image);
    }
  });

  it("of others, a person's and another installation's, are never removed", async () => {
    await using own = testEngine();
    await using other = testEngine();
    const foreign = await other.prepareOn({ 'b.bin': Buffer.alloc(1_000) });
    const name = `millwright-test-person-${process.pid}`;
    // As a person may do who looks into an image of ours: a container and a tag of their own.
    const { image } = await own.prepareOn({ 'c.bin': Buffer.alloc(1_000) });
    await docker('tag', productImage, `${name}:mine`);
    await docker('create', '--name', name, `${name}:mine`, 'sleep', '600');
    try {
      expect(await own.evict(-1)).toBe(1);
      expect(await own.reap({})).toBe(0);

      await expect(docker('image', 'inspect', image)).rejects.toThrow();
      expect(await docker('image', 'inspect', '--format', '{{.Id}}', foreign.image)).toMatch(/^sha256:/);
      expect(await docker('image', 'inspect', '--format', '{{.Id}}', `${name}:mine`)).toMatch(/^sha256:/);
      expect(await docker('container', 'inspect', '--format', '{{.Name}}', name)).toBe(`/${name}`);
    } finally {
      await docker('rm', '--force', name);
      await docker('rmi', `${name}:mine`);
    }
  });
});

describe('a policy image', () => {
  it('that does not exist anywhere is unknown', async () => {
    const image = '127.0.0.1:9/no/such:image';

    await expect(engine.prepareOn(files, { image })).rejects.toMatchObject({ code: 'request.image-unknown' });
  });

  it('made by the app from another repository is refused, by name and by id', async () => {
    const own = await engine.prepareOn(files);
    const id = await docker('image', 'inspect', '--format', '{{.Id}}', own.image);

    await expect(engine.prepareOn(files, { image: own.image })).rejects.toMatchObject({
      code: 'request.image-refused',
    });
    await expect(engine.prepareOn(files, { image: id })).rejects.toMatchObject({ code: 'request.image-refused' });
  });

  it('without a shell is refused', async () => {
    const image = `millwright-test-empty:${engine.instance}`;
    await importImage(image, 'mkdir /tmp/r; echo x >/tmp/r/x; tar -C /tmp/r -c .');
    made.push(image);

    const opening = engine
      .prepareOn(files, { image })
      .then((prepared) => engine.openOn(files, { image: prepared.image }));

    await expect(opening).rejects.toMatchObject({
      code: 'request.image-refused',
      detail: expect.stringContaining('/bin/sh'),
    });
  });

  it.each(['../containers/json', 'a b', '-x', ''])('named %j is refused', async (image) => {
    await expect(engine.prepareOn(files, { image })).rejects.toMatchObject({ code: 'request.image-refused' });
  });

  it('cannot bring its user, entry point, health check, volumes or shell start-up along, but its tools', async () => {
    const image = `millwright-test-hostile:${engine.instance}`;
    const changes = ['USER 0', 'ENTRYPOINT ["/bin/false"]', 'VOLUME /workspace', 'VOLUME /data', 'WORKDIR /data'];
    const env = 'ENV BASH_ENV=/etc/hosts HTTP_PROXY=http://proxy.invalid TOOL_HOME=/opt/tool';
    await importShellImage(image, '/bin/bash', [...changes, 'HEALTHCHECK CMD true', env]);
    made.push(image);
    const { image: prepared } = await engine.prepareOn(files, { image });
    await using sandbox = await engine.openOn(files, { image: prepared });

    const { stdout } = await sandbox.run(call('echo "$UID"; echo *; echo "[$BASH_ENV][$HTTP_PROXY][$TOOL_HOME]"'));
    const facts = await docker('inspect', '--format', '{{json .Mounts}} {{json .Config.Healthcheck}}', sandbox.name);

    expect(stdout.text).toBe('1000\nREADME.md a bin link\n[][][/opt/tool]\n');
    expect(facts).toBe('[] {"Test":["NONE"]}');
  });

  it('cannot bring another encoding along: texts are UTF-8', async () => {
    const image = `millwright-test-german:${engine.instance}`;
    const container = await docker('create', productImage);
    await docker('commit', '--change', 'ENV LANG=de_DE.ISO-8859-1', container, image);
    await docker('rm', container);
    made.push(image);
    const { image: prepared } = await engine.prepareOn(files, { image });
    await using sandbox = await engine.openOn(files, { image: prepared });

    const { stdout } = await sandbox.run(call(`echo "[$LANG]"; locale charmap; python3 -c "print(len('é'))"`));

    expect(stdout.text).toBe('[]\nUTF-8\n1\n');
  });
});

describe('a set-up', () => {
  it('sees its inputs alone, and what it made is there beside the files, with no second run', async () => {
    const first = await engine.prepareOn(files, { setup: setupOf() });
    const nextCommit = await engine.prepareOn(files, { setup: setupOf(), commit: 'next' });
    await using sandbox = await engine.openOn(files, { image: nextCommit.image });

    const { stdout } = await sandbox.run(call('cat deps/seen; ls; touch deps/may && echo may'));

    expect(first.setup).toBe('ran');
    expect(nextCommit.setup).toBe('cached');
    expect(stdout.text).toBe('deps\npackage.json\nREADME.md\na\nbin\ndeps\nlink\npackage.json\nmay\n');
  });

  it('runs again for other inputs, another command or another repository', async () => {
    const base = { setup: setupOf() };
    await engine.prepareOn(files, base);

    const runs = await Promise.all([
      engine.prepareOn(files, { setup: setupOf({ inputsHash: 'inputs-2' }) }),
      engine.prepareOn(files, { setup: setupOf({ command: 'true' }) }),
      engine.prepareOn(files, { ...base, repository: 'test.example/acme/other' }),
    ]);

    expect(runs.map(({ setup }) => setup)).toEqual(['ran', 'ran', 'ran']);
  });

  it('that fails shows its output and leaves nothing behind', async () => {
    const setup = setupOf({ command: 'echo looking; echo "no such package" >&2; exit 5' });

    const failing = engine.prepareOn(files, { setup, run: 'failing' });

    await expect(failing).rejects.toMatchObject({
      code: 'request.setup-failed',
      detail: expect.stringMatching(/exit code 5[\s\S]*looking[\s\S]*no such package/),
    });
    expect(await docker('ps', '-aq', '--filter', 'label=millwright.run=failing')).toBe('');
  });

  it('runs as root only when asked, and the agent may still change what it made', async () => {
    const command = 'id -u >made; mkdir deps; echo x >deps/file; echo tool >/usr/local/bin/tool';
    const { image } = await engine.prepareOn(files, { setup: setupOf({ command, root: true }) });
    await using sandbox = await engine.openOn(files, { image });

    const { stdout } = await sandbox.run(call('cat made /usr/local/bin/tool; id -u; echo y >>deps/file && echo may'));

    expect(stdout.text).toBe('0\ntool\n1000\nmay\n');
  });

  it('of a patch runs without root and serves its run alone, until that is released', async () => {
    const setup = setupOf({ command: 'id -u >made', root: true, shared: false });
    const first = await engine.prepareOn(files, { setup, run: 'patched' });
    const again = await engine.prepareOn(files, { setup, run: 'patched' });
    const other = await engine.prepareOn(files, { setup, run: 'other' });
    {
      await using sandbox = await engine.openOn(files, { image: first.image });
      expect((await sandbox.run(call('cat made'))).stdout.text).toBe('1000\n');
    }

    const released = await engine.releaseImages('patched');

    expect([first.setup, again.setup, other.setup]).toEqual(['ran', 'cached', 'ran']);
    expect(released).toBe(2);
    expect((await engine.prepareOn(files, { setup, run: 'patched' })).setup).toBe('ran');
    expect((await engine.prepareOn(files, { setup, run: 'other' })).setup).toBe('cached');
  });

  it('ends when the run is cancelled', async () => {
    const cancel = new AbortController();
    const setup = setupOf({ command: 'sleep 60' });
    const preparing = engine.prepareOn(files, { setup, run: 'cancelled', signal: cancel.signal });
    setTimeout(() => cancel.abort(), 500);

    await expect(preparing).rejects.toMatchObject({ code: 'run.cancelled' });
  });

  it('that asks for hosts is refused when there is no wall to let it through', async () => {
    const setup = setupOf({ hosts: ['registry.example.org:443'], command: 'echo hosts' });

    await expect(engine.prepareOn(files, { setup })).rejects.toMatchObject({ code: 'bug.unexpected' });
  });
});
