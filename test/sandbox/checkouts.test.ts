import { expect, it } from 'vitest';
import { type CheckoutFacts, createCheckouts } from '../../src/checkout.ts';
import { wallsWith } from '../bench/bench-walls.ts';
import { fetched, file, shape, wideRules } from '../git/workbench.ts';
import { testEngine } from '../support/sandboxes.ts';

it('work goes on from a tree whose set-up inputs a patch changed, and nothing of that patch is lost', async () => {
  await using engine = testEngine();
  const { git, repository, base } = await fetched({ 'package.json': 'one\n', 'src/a.txt': 'a\n', 'src/b.txt': 'b\n' });
  const earlier = await git.writePatch(
    repository,
    base,
    [file('package.json', 'two\n'), file('src/new.txt', 'new\n'), { kind: 'deleted', path: 'src/b.txt' }],
    wideRules,
  );
  if (!earlier.ok) throw new Error('the earlier patch was refused');
  const setup = { command: 'cp package.json installed', hosts: [], inputs: ['package.json'], root: false };
  const facts: CheckoutFacts = {
    run: { id: 'run-1' },
    lease: { epoch: 1 },
    walls: wallsWith([], { setup }),
    repository,
    base: { branch: 'main', commit: base },
    secrets: {},
    deadlineMs: Date.now() + 600_000,
    signal: new AbortController().signal,
  };
  const checkouts = createCheckouts(facts, { git, sandbox: engine });

  await using sandbox = await checkouts.open('build', earlier.tree);
  const { stdout } = await sandbox.run({
    command: 'cat installed package.json; ls src; echo more >src/more.txt',
    timeoutMs: 20_000,
  });
  const changes = await sandbox.changes({
    maxFiles: 100,
    maxFileBytes: 1e6,
    maxTotalBytes: 1e6,
    base: async () => (await git.list(repository, base)).map(({ path }) => path),
  });
  const patch = await git.writePatch(repository, base, changes, wideRules);

  expect(stdout.text).toBe('two\ntwo\na.txt\nnew.txt\n');
  expect(patch.ok && (await shape(git, repository, patch.tree))).toEqual([
    '100644 package.json',
    '100644 src/a.txt',
    '100644 src/more.txt',
    '100644 src/new.txt',
  ]);
});

it('a file whose name image layers read as a deletion hides nothing from a container', async () => {
  await using engine = testEngine();
  const { git, repository, base } = await fetched({
    'a.txt': 'a\n',
    'src/.wh.hidden.txt': '',
    'src/hidden.txt': 'hidden\n',
    'src/.wh..wh..opq': '',
  });
  const { image } = await engine.prepareOn({}, { commit: base, files: () => git.tar(repository, base) });
  await using sandbox = await engine.openOn({}, { image });

  const { stdout } = await sandbox.run({ command: 'find . -type f | sort; echo >>src/hidden.txt', timeoutMs: 20_000 });
  const changes = await sandbox.changes({
    maxFiles: 100,
    maxFileBytes: 1e6,
    maxTotalBytes: 1e6,
    base: async () => (await git.list(repository, base)).map(({ path }) => path),
  });

  expect(stdout.text).toBe('./a.txt\n./src/hidden.txt\n');
  expect(changes.map(({ kind, path }) => `${kind} ${path}`)).toEqual(['file src/hidden.txt']);
});
