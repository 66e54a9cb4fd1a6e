import { readFile as readFromDisk, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { ToolOutcome } from '../../src/agent/tool.ts';
import { builtInTools, toolsOf } from '../../src/agent/tools.ts';
import type { Walls } from '../../src/contract/walls.ts';
import { FolderSandbox } from '../doubles/sandbox.ts';
import { someWalls, toolContext } from './task.ts';

const parser = 'export function parse(text) {\n  const parts = text.split(",");\n  return parts;\n}\n';

async function open(files: Record<string, string | Uint8Array> = {}, walls?: Walls) {
  const sandbox = await FolderSandbox.open(files);
  const context = toolContext(sandbox, walls);
  const outcome = (name: string, given: unknown): Promise<ToolOutcome> => {
    const tool = builtInTools.find((known) => known.name === name);
    if (tool === undefined) throw new Error(`no tool ${name}`);
    return tool.run(given, context);
  };
  return {
    sandbox,
    outcome,
    say: async (name: string, given: unknown): Promise<string> => {
      const ended = await outcome(name, given);
      return ended.kind === 'result' ? ended.text : ended.kind;
    },
    disk: (path: string) => readFromDisk(join(sandbox.workdir, path), 'utf8'),
    [Symbol.asyncDispose]: () => sandbox[Symbol.asyncDispose](),
  };
}

test('the tools are documented from their shapes, with every argument of the agreed names', () => {
  const shapes = builtInTools.map((tool) => [
    tool.name,
    Object.keys(tool.parameters.properties as object),
    tool.parameters.required,
  ]);

  expect(shapes).toEqual([
    ['run_command', ['command', 'timeout_seconds'], ['command']],
    ['read_file', ['path', 'start_line', 'end_line'], ['path']],
    ['search', ['pattern', 'path', 'glob'], ['pattern']],
    ['write_file', ['path', 'content'], ['path', 'content']],
    ['edit_file', ['path', 'old_text', 'new_text'], ['path', 'old_text', 'new_text']],
    ['submit', ['summary', 'criteria', 'assumptions', 'reviewNote', 'reason'], ['summary']],
    ['ask', ['question'], ['question']],
  ]);
});

test('arguments that do not fit are told back, and nothing runs', async () => {
  await using stage = await open();

  const said = await stage.say('run_command', { cmd: 'ls' });

  expect(said).toMatch(/^Not run: the arguments do not fit/);
  expect(said).toContain('command');
  expect(stage.sandbox.commands).toEqual([]);
});

test('run_command gives exit code, both streams and the end', async () => {
  await using stage = await open({ 'a.txt': 'x' });

  const said = await stage.say('run_command', { command: 'ls; echo oops >&2; exit 3' });

  expect(said).toMatch(/^Exit code 3 \(\d+\.\d s\)\nstdout \(6 bytes\):\na\.txt\n/);
  expect(said).toContain('stderr (5 bytes):\noops');
});

test('run_command stops at the time asked for, and never above the limit of the policy', async () => {
  await using stage = await open({}, someWalls({ limits: { toolTimeoutMs: 200 } }));

  const asked = await stage.say('run_command', { command: 'sleep 5', timeout_seconds: 0.1 });
  const capped = await stage.say('run_command', { command: 'sleep 5', timeout_seconds: 60 });

  expect(asked).toMatch(/^Stopped after 0\.1 s/);
  expect(capped).toMatch(/^Stopped after 0\.2 s/);
});

test.each([
  [{ end: 'out-of-memory', exitCode: 137 }, 'Killed: out of memory, exit code 137'],
  [{ end: 'output-limit', exitCode: null }, 'Killed: it printed more than the output limit'],
  [{ end: 'disk-limit', exitCode: null }, 'Killed: the disk limit was reached'],
  [{ end: 'exited', exitCode: 127 }, 'Exit code 127: command not found'],
] as const)('run_command tells apart how a command ended: %o', async (ended, words) => {
  await using stage = await open();
  stage.sandbox.endNextWith(ended);

  const said = await stage.say('run_command', { command: 'x' });

  expect(said.startsWith(words)).toBe(true);
});

test('a lost container is an outside error, not a result', async () => {
  await using stage = await open();
  stage.sandbox.endNextWith({ end: 'lost', exitCode: null });

  await expect(stage.outcome('run_command', { command: 'x' })).rejects.toMatchObject({ code: 'outside.sandbox' });
});

test('long output is cut in the middle, and the rest can be read by its name', async () => {
  await using stage = await open();

  const said = await stage.say('run_command', { command: 'seq 1 20000' });
  const name = /output:\d+/.exec(said)?.[0] ?? '';
  const middle = await stage.say('read_file', { path: name, start_line: 5_000, end_line: 5_001 });

  expect(said).toContain('\n19999\n20000');
  expect(said.length).toBeLessThan(13_000);
  expect(middle).toContain('5000\t5000\n5001\t5001');
});

test('a command that policy refuses does not run, and the refusal is kept for the report', async () => {
  await using stage = await open({}, someWalls({ commands: { allow: [['npm *']], deny: [] }, denied: ['curl'] }));

  const refused = await stage.outcome('run_command', { command: 'npm test; curl x' });

  expect(refused).toMatchObject({ kind: 'result', refused: { what: 'npm test; curl x' } });
  expect(refused.kind === 'result' && refused.text).toContain('curl *');
  expect(stage.sandbox.commands).toEqual([]);
});

test('a tool that the contract grants for reading may not change anything', async () => {
  await using stage = await open(
    {},
    someWalls({
      clis: [
        { name: 'git', access: 'read-only' },
        { name: 'npm', access: 'mutating' },
      ],
    }),
  );

  const log = await stage.say('run_command', { command: 'git --version; echo done' });
  const push = await stage.say('run_command', { command: 'git -C sub push origin' });

  expect(log).toContain('done');
  expect(push).toMatch(/^Refused: .*git push \*/);
});

test('secrets are masked before an output is cut', async () => {
  await using stage = await open({ 'env.txt': 'TOKEN=s3cret\n' });

  const printed = await stage.say('run_command', { command: 'cat env.txt' });
  const read = await stage.say('read_file', { path: 'env.txt' });
  const found = await stage.say('search', { pattern: 'TOKEN' });

  expect(printed + read + found).not.toContain('s3cret');
  expect(read).toContain('TOKEN=***');
});

test('read_file numbers lines and says how to go on', async () => {
  await using stage = await open({
    'long.txt': Array.from({ length: 900 }, (_, index) => `line ${index + 1}`).join('\n'),
  });

  const whole = await stage.say('read_file', { path: 'long.txt' });
  const range = await stage.say('read_file', { path: 'long.txt', start_line: 899 });
  const beyond = await stage.say('read_file', { path: 'long.txt', start_line: 901 });

  expect(whole).toContain('Lines 1 to 400 of 900. Go on with start_line 401.');
  expect(range).toBe('Lines 899 to 900 of 900.\n899\tline 899\n900\tline 900');
  expect(beyond).toBe('long.txt has 900 lines only.');
});

test.each([
  ['missing.txt', /does not exist/],
  ['src', /is a folder/],
  ['bin.dat', /is a binary file/],
  ['latin1.txt', /is not UTF-8/],
  ['../x', /leads out of the work tree/],
  ['/etc/passwd', /outside the work tree/],
  ['src/../../x', /leads out/],
  ['a\nb', /one line/],
  ['', /empty/],
])('read_file says why it cannot read %j', async (path, why) => {
  await using stage = await open({
    'src/a.js': 'x',
    'bin.dat': Uint8Array.of(1, 0, 2),
    'latin1.txt': Uint8Array.of(0x63, 0xe9),
  });

  const said = await stage.say('read_file', { path });

  expect(said).toMatch(why);
});

test('paths may be given below the absolute work tree', async () => {
  await using stage = await open({ 'a.txt': 'x\n' });

  const said = await stage.say('read_file', { path: `${stage.sandbox.workdir}/a.txt` });

  expect(said).toContain('1\tx');
});

test('write_file makes folders and may write outside the allowed files, but no protected path', async () => {
  await using stage = await open();

  const outside = await stage.outcome('write_file', { path: 'docs/deep/a.md', content: 'a\nb\n' });
  const workflow = await stage.outcome('write_file', { path: '.github/workflows/ci.yml', content: 'x' });
  const git = await stage.outcome('write_file', { path: '.git/config', content: 'x' });
  const disguised = await stage.outcome('write_file', { path: 'src/../.GitHub/Workflows/ci.yml', content: 'x' });

  expect(outside).toMatchObject({ text: 'Wrote docs/deep/a.md (2 lines).', changed: true });
  expect(await stage.disk('docs/deep/a.md')).toBe('a\nb\n');
  expect(workflow).toMatchObject({ text: expect.stringMatching(/^Refused: .*protected path/), refused: {} });
  expect(git).toMatchObject({ refused: {} });
  expect(disguised).toMatchObject({ refused: {} });
});

test('edit_file replaces the one match and keeps the rest', async () => {
  await using stage = await open({ 'src/parse.js': parser });

  const said = await stage.say('edit_file', {
    path: 'src/parse.js',
    old_text: 'text.split(",")',
    new_text: 'text ? text.split(",") : []',
  });

  expect(said).toBe('Edited src/parse.js at line 2.');
  expect(await stage.disk('src/parse.js')).toBe(parser.replace('text.split(",")', 'text ? text.split(",") : []'));
});

test('edit_file takes the replacement literally, dollar signs included', async () => {
  await using stage = await open({ 'a.txt': 'one' });

  await stage.say('edit_file', { path: 'a.txt', old_text: 'one', new_text: "$& $' $1" });

  expect(await stage.disk('a.txt')).toBe("$& $' $1");
});

test('edit_file keeps the line ends of a file with carriage returns', async () => {
  await using stage = await open({ 'a.txt': 'one\r\ntwo\r\nthree\r\n' });

  await stage.say('edit_file', { path: 'a.txt', old_text: 'one\ntwo', new_text: '1\n2' });

  expect(await stage.disk('a.txt')).toBe('1\r\n2\r\nthree\r\n');
});

test('edit_file shows the closest match when the text is not there', async () => {
  await using stage = await open({ 'src/parse.js': parser });

  const indented = await stage.say('edit_file', {
    path: 'src/parse.js',
    old_text: '    const parts = text.split(",");\n    return parts;',
    new_text: 'x',
  });
  const misremembered = await stage.say('edit_file', {
    path: 'src/parse.js',
    old_text: 'const pieces = text.split(",");',
    new_text: 'x',
  });
  const alien = await stage.say('edit_file', { path: 'src/parse.js', old_text: 'class Zebra {}', new_text: 'x' });

  expect(indented).toContain('Closest match: lines 2 to 3; only the indentation differs.');
  expect(indented).toContain('  const parts = text.split(",");\n  return parts;');
  expect(misremembered).toContain('Closest match: lines 2 to 2; the first line that differs is line 1 of old_text.');
  expect(alien).toContain('Nothing in src/parse.js resembles it');
  expect(await stage.disk('src/parse.js')).toBe(parser);
});

test('edit_file says where a text stands that is there more than once', async () => {
  await using stage = await open({ 'a.txt': 'x\ny\nx\n' });

  const said = await stage.say('edit_file', { path: 'a.txt', old_text: 'x', new_text: 'z' });

  expect(said).toContain('2 times, at lines 1, 3');
});

test.each([
  [{ path: 'no.txt', old_text: 'a', new_text: 'b' }, /does not exist/],
  [{ path: 'a.txt', old_text: '', new_text: 'b' }, /old_text is empty/],
  [{ path: 'a.txt', old_text: 'a', new_text: 'a' }, /are the same/],
  [{ path: 'CODEOWNERS', old_text: 'a', new_text: 'b' }, /protected/],
])('edit_file says why it cannot edit: %o', async (given, why) => {
  await using stage = await open({ 'a.txt': 'a', CODEOWNERS: 'a' });

  expect(await stage.say('edit_file', given)).toMatch(why);
});

test('search gives path, line and text, below a path and for a glob', async () => {
  await using stage = await open({
    'src/a.js': 'one\nneedle here\n',
    'src/b.ts': 'needle\n',
    'test/c.js': 'needle\n',
    '.git/d': 'needle\n',
  });

  const all = await stage.say('search', { pattern: 'needle' });
  const below = await stage.say('search', { pattern: 'need+le', path: 'src', glob: '*.ts' });
  const byPath = await stage.say('search', { pattern: 'needle', glob: 'src/**/*.js' });
  const none = await stage.say('search', { pattern: 'absent' });

  expect(all.split('\n').slice(1).sort()).toEqual([
    'src/a.js:2:needle here',
    'src/b.ts:1:needle',
    'test/c.js:1:needle',
  ]);
  expect(below).toBe('1 match.\nsrc/b.ts:1:needle');
  expect(byPath).toContain('src/a.js:2');
  expect(none).toBe('No line matches.');
});

test('search works without ripgrep', async () => {
  await using stage = await open({ 'src/a.js': 'needle\n', 'src/deep/b.ts': 'x\nneedle\n', '.git/d': 'needle\n' });
  await using tools = await FolderSandbox.open();
  for (const name of ['find', 'grep', 'cut', 'sed', 'head'])
    await symlink(`/usr/bin/${name}`, join(tools.workdir, name));
  stage.sandbox.path = tools.workdir;

  const all = await stage.say('search', { pattern: 'need+le' });
  const globbed = await stage.say('search', { pattern: 'needle', glob: 'src/**/*.ts' });
  const invalid = await stage.say('search', { pattern: '(' });

  expect(all.split('\n').slice(1).sort()).toEqual(['src/a.js:1:needle', 'src/deep/b.ts:2:needle']);
  expect(globbed).toBe('1 match.\nsrc/deep/b.ts:2:needle');
  expect(invalid).toMatch(/^Not searched/);
});

const forShellAlone = {
  'src/a.js': 'one\nneedle (here); $x\n',
  'src/deep/b.ts': 'x\n  needle\nno newline at the end: needle',
  'src/.hidden/c.ts': 'Needle ünd\n',
  '.git/d': 'needle\n',
  'node_modules/e.js': 'needle\n',
};

test.each<[string, string | undefined, string[]]>([
  [
    'needle',
    undefined,
    ['src/a.js:2:needle (here); $x', 'src/deep/b.ts:2:  needle', 'src/deep/b.ts:3:no newline at the end: needle'],
  ],
  ['^needle', undefined, ['src/a.js:2:needle (here); $x']],
  ['needle$', '*.ts', ['src/deep/b.ts:2:  needle', 'src/deep/b.ts:3:no newline at the end: needle']],
  ['\\(here\\); \\$x$|ünd', undefined, ['src/.hidden/c.ts:1:Needle ünd', 'src/a.js:2:needle (here); $x']],
  ['[nN]ee.le .+d', 'src/**/*.ts', ['src/.hidden/c.ts:1:Needle ünd']],
  ['n[^o].*end', undefined, ['src/deep/b.ts:3:no newline at the end: needle']],
])('search finds %j for %j where the image holds nothing but a shell', async (pattern, glob, lines) => {
  await using stage = await open(forShellAlone);
  await using nothing = await FolderSandbox.open();
  stage.sandbox.path = nothing.workdir;

  const said = await stage.say('search', { pattern, ...(glob === undefined ? {} : { glob }) });

  expect(said.split('\n').slice(1).sort()).toEqual(lines.toSorted());
});

test('search says what a shell alone cannot look for, and finds the rest of it', async () => {
  await using stage = await open({ 'a b.txt': 'x\n'.repeat(500) });
  await using nothing = await FolderSandbox.open();
  stage.sandbox.path = nothing.workdir;

  expect(await stage.say('search', { pattern: 'need+le' })).toMatch(/^Not searched[\s\S]*neither rg nor grep/);
  expect(await stage.say('search', { pattern: 'x', path: 'a b.txt' })).toMatch(
    /^The first 200 matches[\s\S]*a b.txt:200:x$/,
  );
  expect(await stage.say('search', { pattern: 'x', path: 'none' })).toMatch(/^Not searched[\s\S]*no such path/);
});

test.each(["'; touch pwned; '", '$(touch pwned)', '`touch pwned`', '--help', '-e x', '"; touch pwned #'])(
  'search takes the pattern %j as text, whatever a shell would make of it',
  async (text) => {
    await using stage = await open({ 'a.txt': 'nothing\n' });

    await stage.say('search', { pattern: text });
    await stage.say('search', { pattern: 'nothing', glob: text });
    await stage.say('search', { pattern: 'nothing', path: text.replaceAll('/', '_') });
    // By the shell alone, which sees these texts in more places.
    await symlink('/usr/bin/touch', join(stage.sandbox.workdir, 'touch'));
    stage.sandbox.path = stage.sandbox.workdir;
    await stage.say('search', { pattern: text });
    await stage.say('search', { pattern: 'nothing', glob: text });

    expect(await stage.sandbox.readFile('pwned')).toEqual({ kind: 'missing' });
  },
);

test('search says when a pattern is not valid', async () => {
  await using stage = await open({ 'a.txt': 'x\n' });

  const said = await stage.say('search', { pattern: '(' });

  expect(said).toMatch(/^Not searched/);
});

test('submit and ask end the round with what they were given', async () => {
  await using stage = await open();

  const submitted = await stage.outcome('submit', {
    summary: 'Done.',
    criteria: [{ criterion: 'AC1', evidence: { check: 'unit' } }, { criterion: 'AC2' }],
  });
  const asked = await stage.outcome('ask', { question: 'Which?' });

  expect(submitted).toEqual({
    kind: 'submitted',
    submission: {
      summary: 'Done.',
      criteria: [{ criterion: 'AC1', evidence: { check: 'unit' } }, { criterion: 'AC2' }],
      assumptions: [],
    },
  });
  expect(asked).toEqual({ kind: 'asked', question: 'Which?' });
});

test('tools that the contract denies are not offered, but for the ways to end', () => {
  const names = toolsOf(someWalls({ denied: ['write_file', 'submit', 'ask'] })).map((tool) => tool.name);

  expect(names).toEqual(['run_command', 'read_file', 'search', 'edit_file', 'submit', 'ask']);
});

test('tools from elsewhere come after the built-in ones and never in their place', () => {
  const extra = {
    name: 'docs_search',
    description: '',
    parameters: {},
    run: async () => ({ kind: 'result', text: '' }) as const,
  };

  const names = toolsOf(someWalls(), [{ ...extra, name: 'submit' }, extra]).map((tool) => tool.name);

  expect(names).toEqual([...builtInTools.map((tool) => tool.name), 'docs_search']);
});
