import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { PatchResult } from '../../src/git/git.ts';
import { fetched, wideRules } from '../git/workbench.ts';
import { type TestEngine, testEngine } from '../support/sandboxes.ts';

const files = {
  'README.md': 'hello\n',
  'src/a.ts': 'a\n',
  'src/b.ts': 'b\n',
  'docs/café.md': 'caf\n',
  '.gitignore': 'dist/\n',
};
const names = Object.keys(files);
const limits = { maxFiles: 5_000, maxFileBytes: 1_000_000, maxTotalBytes: 5_000_000 };

let engine: TestEngine;
beforeAll(() => {
  engine = testEngine();
});
afterAll(() => engine[Symbol.asyncDispose]());

/** What an agent does with its whole power, taken out as the product does it; `OWNED` names a file of the host that must never appear. */
async function takeOut(command: string, script?: string) {
  const { git, base, repository, folder } = await fetched(files);
  const owned = join(folder, 'owned');
  await using sandbox = await engine.openOn(files);
  if (script) await sandbox.writeFile('/tmp/attack.py', Buffer.from(script));
  const ran = await sandbox.run({
    command: `echo work >>src/a.ts; ${command.replaceAll('OWNED', owned)}`,
    timeoutMs: 60_000,
  });
  const changes = await sandbox.changes({
    ...limits,
    base: async () => names,
    ignored: (paths) => git.ignored(repository, base, paths),
  });
  const result = await git.writePatch(repository, base, changes, {
    ...wideRules,
    isProtected: (path) => path === '.gitattributes' || path === '.gitmodules' || path.startsWith('.github/'),
  });
  const alive = await sandbox.run({ command: 'echo alive', timeoutMs: 10_000 });
  return {
    result,
    output: ran.stdout.text + ran.stderr.text,
    differs: result.ok ? await differences(git, repository, base, result) : null,
    host: { owned: existsSync(owned), folder: readdirSync(folder).sort() },
    alive: alive.stdout.text,
    status: await engine.status(),
  };
}

async function differences(
  git: Awaited<ReturnType<typeof fetched>>['git'],
  repository: string,
  base: string,
  result: PatchResult & { ok: true },
) {
  const { files: changed } = await git.diff(repository, base, result.tree);
  return changed.map(({ status, path, newMode }) => `${status} ${path}${newMode === '100755' ? ' *' : ''}`).sort();
}

const deepPath = `
import os
os.chdir('/workspace')
for level in range(30):
    os.mkdir('d' * 200)
    os.chdir('d' * 200)
open('bottom', 'w').write('x')`;

const honest = 'modified src/a.ts';
const everyGitSetting = [
  'git init -q',
  'git add -A 2>/dev/null',
  'for key in core.fsmonitor core.sshCommand core.pager core.editor gpg.program diff.external uploadpack.packObjectsHook; do git config $key "touch OWNED"; done',
  'git config core.worktree /',
  'git config core.hooksPath /workspace/.git/hooks',
  'git config url.ext::sh.insteadOf https://',
  'git config filter.x.clean "touch OWNED"; git config filter.x.smudge "touch OWNED"',
  'mkdir -p .git/info; echo "* filter=x diff=x" >.git/info/attributes; echo "*" >.git/info/exclude',
  'echo /etc >.git/objects/info/alternates',
  'for hook in pre-commit pre-push post-index-change post-checkout reference-transaction; do printf "#!/bin/sh\\ntouch OWNED\\n" >.git/hooks/$hook; chmod +x .git/hooks/$hook; done',
].join('; ');
/** A repository of the agent's own, with all of its work committed. Where git would fail, a file more shows it. */
const ownGit =
  '{ git init -q -b main && git config user.email a@test.example && git config user.name a && git add -A && git commit -qm own; } || touch failed';
const bentDiffs = [
  ...['diff.noprefix true', 'diff.mnemonicPrefix true', 'diff.relative true', 'diff.renames copies', 'color.ui always'],
  ...['core.autocrlf true', 'core.ignoreCase true', 'core.fileMode false'],
]
  .map((setting) => `git config ${setting}`)
  .join('; ');

describe('an attack from inside a container, taken out as a patch', () => {
  it.each<[string, string, string[], string?]>([
    ['every setting, hook, attribute and alternate of its own git', everyGitSetting, [honest]],
    ['a file in the place of .git', 'echo "gitdir: /proc/1/root" >.git', [honest]],
    ['a link in the place of .git', 'ln -s /etc .git', [honest]],
    [
      'commits of its own that move main and leave a clean status',
      `${ownGit}; git checkout -qb other; git commit -qam more; git branch -f main; echo more >>src/b.ts; git commit -qam last; git status`,
      [honest, 'modified src/b.ts'],
    ],
    [
      'commits of its own that it resets away, files and all',
      `${ownGit}; echo more >>src/b.ts; git commit -qam more; git reset -q --hard HEAD~1`,
      [honest],
    ],
    [
      'settings by which a diff loses its prefixes, gains colours, paths and line ends',
      `${ownGit}; ${bentDiffs}; chmod +x src/b.ts`,
      [honest, 'modified src/b.ts *'],
    ],
    [
      'an index that calls everything unchanged',
      'git init -q; git add -A; git update-index --skip-worktree --assume-unchanged src/a.ts src/b.ts; echo more >>src/b.ts',
      [honest, 'modified src/b.ts'],
    ],
    [
      'ignore rules that hide what it adds',
      'echo "*" >>.gitignore; echo c >src/c.ts',
      ['added src/c.ts', 'modified .gitignore', honest],
    ],
    ['thousands of files where the base ignores them', 'mkdir dist; cd dist; seq 3000 | xargs touch', [honest]],
    [
      'a second name of its own files',
      'ln src/b.ts src/hard.ts; ln src/a.ts src/hard-a.ts',
      ['added src/hard-a.ts', 'added src/hard.ts', honest],
    ],
    ['the bits that make a program another user’s', 'chmod 6777 src/b.ts', [honest, 'modified src/b.ts *']],
    ['a pipe where nothing was', 'mkfifo src/pipe', [honest]],
    [
      'a folder made anew without one of its files',
      'cp -r src /tmp/s; rm -r src; mkdir src; cp /tmp/s/a.ts src/',
      ['deleted src/b.ts', honest],
    ],
    [
      'the marks by which the kernel notes deletions',
      "mknod README.md c 0 0; mknod src/x c 0 0; python3 -c \"import os; os.setxattr('src', 'trusted.overlay.opaque', b'y')\"",
      [honest],
    ],
    [
      'forged times',
      'cp -p src/b.ts /tmp/b; printf "B\\n" >src/b.ts; touch -r /tmp/b src/b.ts',
      [honest, 'modified src/b.ts'],
    ],
    [
      'writes into /proc/self',
      'echo x >/proc/self/comm; echo -1000 >/proc/self/oom_score_adj; echo x >/proc/self/attr/current; printf x >/proc/self/mem; echo 0 >/proc/self/uid_map; ls -l /proc/self/exe >/dev/null',
      [honest],
    ],
    [
      'a parting process that goes on writing elsewhere',
      '(while :; do echo x >>/tmp/late; done) >/dev/null 2>&1 &',
      [honest],
    ],
  ])('%s: the tree is the work, and nothing else', async (_what, command, expected, script) => {
    const { result, differs, host, alive, status } = await takeOut(command, script);

    expect(result).toMatchObject({ ok: true });
    expect(differs).toEqual(expected.toSorted());
    expect(host).toEqual({ owned: false, folder: ['mirrors', 'origin.git'] });
    expect([alive, status.available]).toEqual(['alive\n', true]);
  });

  it.each<[string, string, string | RegExp, string?]>([
    ['a repository within', 'git init -q lib', /^lib\/\.git\//],
    ['a gitdir file within', 'mkdir lib; echo "gitdir: /etc" >lib/.git', 'lib/.git'],
    ['another spelling of .git', 'mkdir -p .GIT/hooks; echo x >.GIT/hooks/pre-commit', '.GIT/hooks/pre-commit'],
    ['attributes with a filter', 'echo "* filter=x" >.gitattributes', '.gitattributes'],
    [
      'a submodule with a command for an address',
      'printf "[submodule \\"x\\"]\\n\\turl = ext::touch OWNED\\n" >.gitmodules',
      '.gitmodules',
    ],
    ['a very deep tree', 'mkdir -p $(printf "d/%.0s" $(seq 150)); echo x >$(printf "d/%.0s" $(seq 150))x', /^(d\/)+x$/],
    ['a path of 6,000 bytes', 'python3 /tmp/attack.py', '.', deepPath],
    ['a name that differs by Unicode form alone', `python3 -c "open('docs/cafe\\u0301.md','w')"`, 'docs/cafe\u0301.md'],
    ['a name that differs by case alone', 'echo x >readme.MD', 'readme.MD'],
    [
      'a name with terminal codes, for whoever reads the log',
      'echo x >"$(printf "ok\\033[2K\\033[1A\\007")"',
      'ok\x1b[2K\x1b[1A\x07',
    ],
    ['a name with a line of a log in it', 'echo x >"$(printf "a\\n{\\"level\\":30}")"', 'a\n{"level":30}'],
    ['a pipe where a file was', 'rm README.md; mkfifo README.md', 'README.md'],
    [
      'a socket where a file was',
      `rm README.md; python3 -c "import socket; socket.socket(socket.AF_UNIX).bind('README.md')"`,
      'README.md',
    ],
    ['a sparse file', 'truncate -s 200M big', 'big'],
    ['a link through /proc to the root of another', 'ln -s /proc/1/root/etc/shadow shadow', 'shadow'],
    ['a folder that became a link to the system', 'rm -r src; ln -s /etc src', 'src'],
    ['a mark by which image builders note deletions', 'echo >src/.wh.b.ts', 'src/.wh.b.ts'],
    ['a mark by which image builders note emptied folders', 'echo >src/.wh..wh..opq', 'src/.wh..wh..opq'],
  ])('%s: rejected whole, with its name', async (_what, command, path, script) => {
    const { result, host, alive, status } = await takeOut(command, script);

    expect(result.ok).toBe(false);
    const rejected = result.ok ? [] : result.rejections.map((rejection) => rejection.path);
    expect(rejected.filter((name) => (typeof path === 'string' ? name === path : path.test(name)))).not.toEqual([]);
    expect(host).toEqual({ owned: false, folder: ['mirrors', 'origin.git'] });
    expect([alive, status.available]).toEqual(['alive\n', true]);
  });

  // The layer shows no sockets, so this may pass unseen; what is lost then is the attacker's own work.
  it('a socket where a folder was: never more than no change', async () => {
    const bind = `python3 -c "import socket; socket.socket(socket.AF_UNIX).bind('src')"`;
    const { differs, alive } = await takeOut(`rm -r src; ${bind}`);

    expect([differs ?? [], alive]).toEqual([[], 'alive\n']);
  });
});
