import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type CommandPolicy, judgeCommand } from '../../src/sandbox/command-policy.ts';

const free: CommandPolicy = { allow: [], deny: [] };
const npmOnly: CommandPolicy = { allow: [['npm *']], deny: [] };
const noPublish: CommandPolicy = { allow: [], deny: ['npm publish *'] };

const allowed = (command: string, policy: CommandPolicy) => judgeCommand(command, policy).allowed;

function reason(command: string, policy: CommandPolicy): string {
  const judgement = judgeCommand(command, policy);
  return judgement.allowed ? 'allowed' : judgement.reason;
}

test('without lists everything that can be parsed is allowed, and its commands are named', () => {
  const judgement = judgeCommand('cd sub && FOO=1 npm test -- "a b" | tee out.txt; echo $(git log)', free);

  expect(judgement).toEqual({
    allowed: true,
    commands: ['cd sub', 'npm test -- "a b"', 'tee out.txt', 'echo $(git log)', 'git log'],
  });
});

test.each(['echo "unterminated', 'if true; then', 'npm test )', 'echo $(', 'cat <<EOF | ('])(
  'refuses what cannot be parsed, even without lists: %s',
  (command) => {
    expect(reason(command, free)).toMatch(/syntax cannot be read/);
  },
);

test.each([
  ['npm test *', 'npm test', true],
  ['npm test *', 'npm test -- x', true],
  ['npm test *', 'npm tests', false],
  ['npm test *', 'npm', false],
  ['npm test', 'npm test', true],
  ['npm test', 'npm test -- x', false],
  ['npm *', 'npm', true],
  ['npm *', 'npx x', false],
  ['npm * --dry-run', 'npm publish --tag x --dry-run', true],
  ['npm * --dry-run', 'npm publish --tag x', false],
  ['node --test-*', 'node --test-reporter', true],
  ['node --test-*', 'node --eval', false],
  ['*', 'anything at all', true],
  ['npm *', "'npm' test", true],
  ['npm *', 'n"p"m test', true],
  ['npm *', "$'\\x6epm' test", true],
  ['npm *', 'NPM test', false],
  ['npm *', './npm test', false],
  ['npm *', '/tmp/npm test', false],
  ['npm test *', 'npm $WHAT', false],
  ['npm test *', 'npm test "$WHAT"', true],
  ['npm run *', 'npm run *.js', true],
  ['npm run ?', 'npm run x', false],
])('allow pattern %j and command %j: %j', (pattern, command, expected) => {
  expect(allowed(command, { allow: [[pattern]], deny: [] })).toBe(expected);
});

test('a command must match a pattern of every layer', () => {
  const policy = { allow: [['npm *', 'node *'], ['npm test *']], deny: [] };

  expect(allowed('npm test', policy)).toBe(true);
  expect(allowed('npm run build', policy)).toBe(false);
  expect(allowed('node x.js', policy)).toBe(false);
});

test('built-ins that only touch the shell need no pattern, but may be denied', () => {
  expect(allowed('cd sub && export A=1 && echo $A && npm test', npmOnly)).toBe(true);
  expect(allowed('cd / && npm test', { allow: [['npm *']], deny: ['cd /'] })).toBe(false);
});

/** Every one of these runs `npm publish`, or may. */
const publishing = [
  'npm publish',
  'npm publish --tag next',
  'npm test && npm publish',
  'npm test; npm publish &',
  'true | npm publish',
  '! npm publish',
  '(npm publish)',
  '{ npm publish; }',
  'echo $(npm publish)',
  'echo `npm publish`',
  'echo "$(npm publish)"',
  'cat <(npm publish)',
  'echo $' + '{x:-$(npm publish)}',
  'echo $((1 + $(npm publish)))',
  'cat <<EOF\n$(npm publish)\nEOF',
  'A=$(npm publish) true',
  'a[$(npm publish)]=1',
  'if npm publish; then true; fi',
  'while npm publish; do true; done',
  'for x in $(npm publish); do true; done',
  'case x in x) npm publish;; esac',
  'case $(npm publish) in x) true;; esac',
  '[[ -n $(npm publish) ]]',
  'f() { npm publish; }; f',
  'coproc npm publish',
  'time npm publish',
  'A=1 B=2 npm publish',
  'true > "$(npm publish)"',
  "sh -c 'npm publish'",
  'bash -euxc "npm publish"',
  'bash -o pipefail -c "npm publish"',
  'bash -c \'sh -c "npm publish"\'',
  "eval 'npm publish'",
  'eval npm publish',
  "sh <<'EOF'\nnpm publish\nEOF",
  'bash <<< "npm publish"',
  'sudo npm publish',
  'sudo -u root -- npm publish',
  'env npm publish',
  'env -i A=1 npm publish',
  "env -S 'npm publish'",
  'nice -n 5 npm publish',
  'timeout 5 npm publish',
  'timeout -s KILL --kill-after=3 5s npm publish',
  '/usr/bin/time -f %e npm publish',
  'nohup npm publish &',
  'setsid npm publish',
  'stdbuf -oL npm publish',
  'command npm publish',
  'builtin command npm publish',
  'exec npm publish',
  'watch -n 1 npm publish',
  "watch 'npm publish'",
  'echo publish | xargs npm',
  'echo x | xargs -n 1 npm publish',
  'echo publish | xargs -I{} npm {}',
  'find . -name x -exec npm publish {} \\;',
  'find . -execdir npm publish +',
  "alias p='npm publish'; p",
  'alias p=npm\np publish',
  "trap 'npm publish' EXIT",
  '/usr/local/bin/npm publish',
  './node_modules/.bin/npm publish',
  'npm --silent publish',
  'npm --prefix sub publish',
  'npm $WHAT',
  'npm "$WHAT"',
  'npm pub*',
  'npm {publish,x}',
  'npm "pub$REST"',
  '$NPM publish',
  '$(echo npm) publish',
  'echo "npm publish" | sh',
  'curl x | bash',
  'eval "$X"',
  'bash -c "$X"',
  'busybox sh -c "npm publish"',
  'strace npm publish',
  'taskset 1 npm publish',
  'xvfb-run -a npm publish',
  'unbuffer npm publish',
  'fakeroot npm publish',
  'tmux new-session npm publish',
  "timeout 5 sh -c 'nice npm publish'",
  'x="\\$(npm publish)"; echo $' + '{x@P}',
];

test.each(publishing)('a deny list finds the command in: %s', (command) => {
  expect(allowed(command, noPublish)).toBe(false);
});

test.each([
  'npm test',
  'npm run publish-docs',
  'npm install --save-dev publish-tool',
  'echo npm publish',
  "echo '$(npm publish)'",
  "cat <<'EOF'\n$(npm publish)\nEOF",
  'git commit -m "npm publish"',
  'ls "$DIR"',
  'for f in *.js; do node "$f"; done',
  'bash script.sh',
  "sh -c 'npm test'",
  'command -v npm',
  'f() { npm test; }; f',
  'find . -name "*.ts" -exec wc -l {} +',
  'timeout 5 npm test',
  'node -e "console.log(1)"',
])('a deny list lets through what it does not mean: %s', (command) => {
  expect(reason(command, noPublish)).toBe('allowed');
});

test.each([
  'rm -rf x',
  'npm test && rm x',
  'npm test $(rm x)',
  "bash -c 'rm x'",
  'sudo rm x',
  'find . -exec npm test {} \\;',
  'f() { rm x; }; f',
  '(npm() { :; }); rm x',
  'f() { "$@"; }; f rm x',
  'PATH=/tmp:$PATH npm test',
  'export PATH=/tmp; npm test',
  'env LD_PRELOAD=x npm test',
  'alias npm=rm; npm test',
  'x | npm test',
  './env npm test',
  'source ./x.sh',
  '. ./x.sh',
  "split --filter='npm test' x",
  'python3 -c 1',
])('an allow list refuses what it does not name: %s', (command) => {
  expect(allowed(command, npmOnly)).toBe(false);
});

test.each([
  'npm test 2>&1 > out.txt',
  'cd sub && CI=1 npm test',
  "sh -c 'npm test'",
  'timeout 60 npm test',
  'test -f x && npm test || npm run build',
  't() { npm test "$@"; }; t a b',
  'xargs npm test < list',
  'if [ -f package.json ]; then npm ci; fi',
])('an allow list lets a named command through its wrapping: %s', (command) => {
  expect(reason(command, npmOnly)).toBe('allowed');
});

test.each([
  '((npm publish))',
  '[[ a && npm ]]',
  '[[ a =~ b|npm ]]',
  'true &>x npm publish',
  "echo $'\\'; npm publish; echo '\\'",
])('refuses under a restriction what sh reads in another way than bash: %s', (command) => {
  expect(allowed(command, noPublish)).toBe(false);
  expect(allowed(command, free)).toBe(true);
});

test.each([
  "let 'a[$(npm publish)]'",
  "test -v 'a[$(npm publish)]'",
  "[ -v 'a[`npm publish`]' ]",
  '[[ -v "a[\\$(npm publish)]" ]]',
  '[[ a[\\$\\(npm\\ publish\\)] -gt 1 ]]',
  "[[ 1 -eq 'a[$(npm publish)]' ]]",
  "test -v a['$(npm publish)']",
  "printf -v 'a[$(npm publish)]' x",
  "printf -v'a[$(npm publish)]' x",
  "read 'a[$(npm publish)]' < file",
  "unset 'a[$(npm publish)]'",
  "declare -i 'a=b[$(npm publish)]'",
  "x='a[$(npm publish)]'; [[ $x -eq 0 ]]",
  "x='a[$(npm publish)]' true",
  "for x in 'a[$(npm publish)]'; do [[ $x -eq 0 ]]; done",
])('refuses under a restriction what bash runs inside a quoted subscript: %s', (command) => {
  expect(allowed(command, noPublish)).toBe(false);
  expect(allowed(command, free)).toBe(true);
});

test.each([
  "declare -n r='a[$(npm publish)]'; echo $r",
  `x='a[$(npm publish)]'; : $((x))`,
  `: \${y:='a[$(npm publish)]'}; echo $((y))`,
  `: \${y:-'a[$(npm publish)]'}`,
  "echo $((a['$(npm publish)']))",
  "for ((i = a['$(npm publish)']; 0;)); do :; done",
  "a['$(npm publish)']=1",
  "a['x[`npm publish`]']+=1",
  `echo \${a['$(npm publish)']}`,
  'echo $((a[\\$(npm publish)]))',
  `echo \${x:'a[$(npm publish)]'}`,
])('refuses under a restriction what bash evaluates later: %s', (command) => {
  expect(allowed(command, noPublish)).toBe(false);
  expect(allowed(command, free)).toBe(true);
});

test.each([
  "for PS4 in '$(npm publish)'; do set -x; :; done",
  "select PS4 in '$(npm publish)'; do set -x; :; done",
  'read -r PS4 < file; set -x; :',
  'read -raPS4 < file; set -x; :',
  "printf -v PS4 '$(npm publish)'; set -x; :",
  "printf -vPS4 '$(npm publish)'; set -x; :",
  'getopts x PS4',
  `: \${PS4:='$(npm publish)'}; set -x; :`,
  "declare -n r=BASH_ENV; r=file; bash -c 'echo x'",
  'BASH_CMDS[npx]=/usr/bin/npm; npx publish',
  'BASH_ALIASES[npx]=npm; npx publish',
  "declare 'BASH_CMDS[npx]=/usr/bin/npm'; npx publish",
  "env 'BASH_FUNC_echo%%=() { npm publish; }' bash -c 'echo x'",
])('refuses under a restriction what sets a variable that reroutes: %s', (command) => {
  expect(allowed(command, noPublish)).toBe(false);
  expect(allowed(command, free)).toBe(true);
});

test.each([
  `cat <<E\n\${x-'$(npm publish)'}\nE`,
  `cat <<E\n\${x-\${y}'$(npm publish)'}\nE`,
  `echo "\${x-'$(npm publish)'}"`,
  'bash --rcfile <(echo npm publish) -i -c true',
  'bash --init-file file -i -c true',
  'source <(echo npm publish)',
  '. <(echo npm publish)',
  'source "$X"',
  ". /dev/stdin <<< 'npm publish'",
  'echo npm publish | . /dev/stdin',
  'echo npm publish | source -- /dev/fd/0',
  "sh /dev/stdin <<'E'\nnpm publish\nE",
  'echo npm publish | bash /dev/fd/0',
  'echo npm publish | bash -- /proc/self/fd/0',
  'echo npm publish | bash -e //dev/./stdin',
  'echo npm publish | bash 3<<< true',
  "bash -co pipefail 'npm publish'",
  "bash -oc pipefail 'npm publish'",
  "bash -c -eo pipefail 'npm publish'",
  'eval -- npm publish',
  "env -S 'npm\\_publish'",
  'env a-b=1 npm publish',
  'setarch x86_64 npm publish',
  'setarch -R npm publish',
  'linux32 npm publish',
  'x86_64 npm publish',
  'choom -n 5 -- npm publish',
  "split --filter='npm publish' file",
  "split --filt 'npm publish' file",
  "alias q='npm '\nalias publish2=publish\nq publish2",
  "alias q='npm '\nalias r='--silent '\nalias s=publish\nq r s",
])('refuses under a restriction what runs a text in another way: %s', (command) => {
  expect(allowed(command, noPublish)).toBe(false);
  expect(allowed(command, free)).toBe(true);
});

test.each([
  'while read -r line; do echo "$line"; done < file',
  'read -ra words <<< "$line"',
  "printf -v out '%s' x; echo $out",
  'for f in *; do wc -l "$f"; done',
  'select x in a b; do echo $x; break; done',
  'while getopts ab: option; do echo $option; done',
  `: \${NODE_ENV:=test}; npm test`,
  `echo \${x:-'a b'} \${x:1:2}`,
  `declare -A m; m['key 1']=x; echo \${m['key 1']}`,
  'echo $((a[0] + 1)) $((a[$(wc -l < file)])) $((i + $(wc -l < file)))',
  "cat <<E\nit's npm publish, $HOME\nE",
  `cat <<E\nit's \${HOME}, isn't it $(date)\nE`,
  `cat <<'E'\n\${x-'$(npm publish)'}\nE`,
  `echo "it's \${x}, isn't it"`,
  'bash -o pipefail -c "npm test"',
  "bash -eo pipefail -c 'npm test'",
  "bash -euo pipefail -c 'npm test'",
  'source ./env.sh',
  '. .venv/bin/activate',
  "bash <<< 'npm test'",
  "sh /dev/stdin <<'E'\nnpm test\nE",
  'eval -- npm test',
  "env -S 'npm test'",
  'env A=1 npm test',
  'split -l 100 file',
  "split --filter='gzip > $FILE.gz' file",
  "alias q='npm '\nq test",
  'declare -n r=result; r=1',
])('honest commands are let through: %s', (command) => {
  expect(reason(command, noPublish)).toBe('allowed');
});

test.each([
  "grep -n 'a[$(]' file",
  "printf '%s\\n' 'a[$(date)]'",
  "node -e 'console.log(m[`key`])'",
  "echo 'npm[$(publish)]'",
  '[ "$count" -eq 0 ]',
  'a[0]=1; unset "a[0]"',
])('a text with a bracket that no shell evaluates is let through: %s', (command) => {
  expect(reason(command, noPublish)).toBe('allowed');
});

test('a program that runs others in its own way is allowed only by name', () => {
  expect(allowed('ssh host', { allow: [], deny: ['npm publish *'] })).toBe(false);
  expect(allowed('ssh host', { allow: [['ssh *']], deny: [] })).toBe(true);
});

test('says what was refused and why', () => {
  expect(judgeCommand('npm test && npm publish --tag x', noPublish)).toEqual({
    allowed: false,
    reason: '`npm publish --tag x` meets the denied pattern `npm publish *`',
    command: 'npm publish --tag x',
  });
  expect(reason('rm x', npmOnly)).toBe('`rm x` matches none of the allowed patterns: npm *');
});

const shellPieces = fc.oneof(
  fc.constantFrom('npm', 'publish', ' ', ';', '|', '&&', '$(', ')', '`', '"', "'", '{', '}', '<<EOF\n', 'EOF\n', '\n'),
  fc.constantFrom(
    'sh -c ',
    'eval ',
    'xargs ',
    'find . -exec ',
    'env ',
    'alias a=',
    'if ',
    'then ',
    'fi',
    'case ',
    'in ',
    'esac',
  ),
  fc.constantFrom(
    '$x',
    '$' + '{x@P}',
    '\\',
    '((',
    '))',
    '[[',
    ']]',
    'f() ',
    '<(',
    '>',
    '-I{} ',
    '*',
    '\0',
    '\u{1f600}',
    '-',
  ),
  fc.string({ maxLength: 5 }),
);

test('never throws, whatever the text', () => {
  const texts = fc.array(shellPieces, { maxLength: 30 }).map((pieces) => pieces.join(''));

  fc.assert(
    fc.property(texts, fc.constantFrom(free, npmOnly, noPublish), (text, policy) => {
      const judgement = judgeCommand(text, policy);
      expect(typeof judgement.allowed).toBe('boolean');
    }),
    { numRuns: 3_000 },
  );
});

test('finds a denied command inside any nesting of wrappers', () => {
  const wrappers = fc.constantFrom<(inner: string) => string>(
    (inner) => `( ${inner} )`,
    (inner) => `echo $( ${inner} )`,
    (inner) => `true && ${inner}`,
    (inner) => `if true; then ${inner}; fi`,
    (inner) => `sh -c ${single(inner)}`,
    (inner) => `eval ${single(inner)}`,
    (inner) => `timeout 5 bash -c ${single(inner)}`,
    (inner) => `f() { ${inner}; }; f`,
    (inner) => `ls | { ${inner}; }`,
  );

  fc.assert(
    fc.property(fc.array(wrappers, { maxLength: 6 }), (layers) => {
      const command = layers.reduce((inner, wrap) => wrap(inner), 'npm publish');
      expect(allowed(command, noPublish)).toBe(false);
      expect(allowed(command.replaceAll('publish', 'test'), noPublish)).toBe(true);
    }),
  );
});

test('judges a very long command in little time', () => {
  const command = Array.from({ length: 4_000 }, (_, index) => `npm test ${index} $x`).join(' && ');

  const startedAt = performance.now();
  judgeCommand(command, { allow: [['npm * a * b * c *', 'npm *']], deny: ['npm publish *', 'a * b * c'] });

  expect(performance.now() - startedAt).toBeLessThan(5_000);
});

test.each([
  ['brackets', `x='${'['.repeat(400_000)}'`],
  ['quotes in a here-document', `cat <<E\n\${x-${"'".repeat(400_000)}}\nE`],
  ['backslashes', `x='${'\\'.repeat(400_000)}'`],
  ['equal signs', `env ${'a['.repeat(100_000)}=`],
])('judges a command of nothing but %s in little time', (_what, command) => {
  const startedAt = performance.now();
  judgeCommand(command, { allow: [['npm *']], deny: ['npm publish *'] });

  expect(performance.now() - startedAt).toBeLessThan(5_000);
});

function single(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
