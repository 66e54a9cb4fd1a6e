import { rmSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { createGit } from '../../src/git/create-git.ts';
import { deleted, fetched, file, link, shape, wideRules } from './workbench.ts';

const binary = Buffer.from(Array.from({ length: 4096 }, (_, index) => (index * 7919) % 256));

describe('a patch as text', () => {
  it('gives the very tree again on a mirror that was made anew, whatever kind of file it changes', async () => {
    const { git, base, repository, remote, mirrorsDir } = await fetched({
      '.gitattributes': '* text=auto eol=lf\n*.bin filter=evil diff=evil\n',
      'a.txt': 'one\ntwo\n',
      'b.txt': 'b',
      'run.sh': '#!/bin/sh\n',
      'turns-link': 'x',
      'turns-folder': 'x',
      'old.bin': binary,
      'latin1.txt': Buffer.from([0xe9, 10]),
    });
    const written = await git.writePatch(
      repository,
      base,
      [
        file('a.txt', 'one\r\nzwei  \n\tthree'),
        deleted('b.txt'),
        file('run.sh', '#!/bin/sh\n', 0o755),
        deleted('turns-link'),
        link('turns-link', 'a.txt'),
        deleted('turns-folder'),
        file('turns-folder/inside.txt', 'x'),
        file('old.bin', Buffer.concat([binary, Buffer.from([0])])),
        file('new.bin', binary.toReversed() as unknown as Buffer),
        file('latin1.txt', Buffer.from([0xe8, 10])),
        file('empty', ''),
        file('a folder/name with ünicode.txt', 'x\n'),
        file('diff --git a/x b/x', 'diff --git a/a.txt b/a.txt\n--- a/a.txt\n+++ /dev/null\n'),
      ],
      wideRules,
    );
    if (!written.ok) throw new Error(JSON.stringify(written));

    const patch = await git.patchText(repository, base, written.tree);
    rmSync(mirrorsDir, { recursive: true });
    const fresh = createGit({ mirrorsDir, env: { PATH: process.env.PATH } });
    await fresh.fetch(remote, base);
    const tree = await fresh.applyPatch(repository, base, patch);

    expect(tree).toBe(written.tree);
    expect((await shape(fresh, repository, tree)).length).toBe(11);
    expect(await fresh.patchText(repository, base, tree)).toEqual(patch);
  });

  it('of no change is empty, and gives the base again', async () => {
    const { git, base, repository } = await fetched({ 'a.txt': 'a' });

    const patch = await git.patchText(repository, base, base);

    expect(patch.length).toBe(0);
    expect(await git.applyPatch(repository, base, patch)).toBe(await git.treeOf(repository, base));
  });

  it('that does not fit its base is an error, and so is one that leaves the repository', async () => {
    const { git, base, repository } = await fetched({ 'a.txt': 'a\n' });
    const to = (path: string) =>
      Buffer.from(
        `diff --git a/${path} b/${path}\nnew file mode 100644\n--- /dev/null\n+++ b/${path}\n@@ -0,0 +1 @@\n+x\n`,
      );
    const wrong = Buffer.from('diff --git a/a.txt b/a.txt\n--- a/a.txt\n+++ b/a.txt\n@@ -1 +1 @@\n-other\n+new\n');

    for (const patch of [wrong, to('../out.txt'), to('.git/config')])
      await expect(git.applyPatch(repository, base, patch)).rejects.toMatchObject({ code: 'outside.git' });
  });
});
