import { describe, expect, it } from 'vitest';
import { readAnnotations, treePaths } from '../../src/verification/annotations.ts';
import { changedLines } from '../../src/verification/changed-lines.ts';
import { readJunit } from '../../src/verification/junit.ts';
import { readRunnerOutput } from '../../src/verification/runner-output.ts';

describe('the output of a test runner', () => {
  it.each([
    ['node:test', 'ℹ tests 5\nℹ pass 3\nℹ fail 1\nℹ skipped 1\n✖ adds (1.2ms)', 4, ['adds']],
    ['node:test as TAP', 'not ok 1 - adds\nok 2 - subtracts\n# tests 2\n# pass 1\n# fail 1\n# skipped 0', 2, ['adds']],
    ['plain TAP', 'ok 1 - a\nok 2 - b # SKIP later\nnot ok 3 - c', 2, ['c']],
    [
      'vitest',
      ' FAIL  test/a.test.ts > sum > adds\n      Tests  1 failed | 3 passed | 1 skipped (5)',
      4,
      ['test/a.test.ts > sum > adds'],
    ],
    ['jest', '  ● sum › adds\n\nTests:       1 failed, 2 skipped, 3 passed, 6 total', 4, ['sum › adds']],
    ['mocha', '  3 passing (5ms)\n  1 failing', 4, []],
    [
      'pytest',
      'FAILED tests/test_a.py::test_b - assert 1 == 2\n=== 1 failed, 3 passed, 2 skipped in 0.12s ===',
      4,
      ['tests/test_a.py::test_b'],
    ],
    ['pytest -q', '3 passed in 0.01s', 3, []],
    ['unittest', 'FAIL: test_b (t.T)\nRan 3 tests in 0.001s\n\nFAILED (failures=1)', 3, ['test_b (t.T)']],
    ['go test -v', '--- PASS: TestA (0.00s)\n--- FAIL: TestB (0.01s)\n--- SKIP: TestC (0.00s)', 2, ['TestB']],
    ['cargo', 'test a::b ... FAILED\ntest result: FAILED. 2 passed; 1 failed; 1 ignored; 0 measured', 3, ['a::b']],
    ['surefire', '[INFO] Tests run: 5, Failures: 0, Errors: 0, Skipped: 2', 3, []],
    ['rspec', '4 examples, 1 failure, 1 pending', 3, []],
  ])('of %s tells how many ran and which failed', (_, output, executed, failures) => {
    expect(readRunnerOutput(output)).toEqual({ executed, failures });
  });

  it('adds up the packages of a workspace', () => {
    expect(readRunnerOutput('3 passed in 0.01s\n2 passed in 0.01s').executed).toBe(5);
  });

  it('is nothing where no runner spoke', () => {
    expect(readRunnerOutput('built in 3 s')).toEqual({ executed: null, failures: [] });
  });

  it('is read in linear time, whatever it is', () => {
    const started = Date.now();
    for (const text of ['\n'.repeat(200_000), ' '.repeat(200_000), '1 passed, '.repeat(20_000), 'ok 1 '.repeat(40_000)])
      readRunnerOutput(text);

    expect(Date.now() - started).toBeLessThan(3_000);
  });
});

describe('a JUnit file', () => {
  it('tells each test by class and name', () => {
    const report = readJunit(
      `<?xml version="1.0"?><testsuites><testsuite name="s"><testcase classname="a.B" name="x &gt; &quot;y&#33;"/>
       <testcase name="f"><failure message="1 > 2"><![CDATA[<testcase name="forged"/>]]></failure></testcase>
       <testcase name="e"><error/></testcase><testcase name="s"><skipped/></testcase></testsuite></testsuites>`,
    );

    expect(report).toEqual({ passed: ['a.B › x > "y!'], failed: ['f', 'e'], skipped: ['s'] });
  });

  it('is refused with a document type, so that no entity is ever expanded', () => {
    const bomb = '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><testsuite><testcase name="&b;"/></testsuite>';

    expect(readJunit(bomb)).toBeNull();
    expect(readJunit('{"not": "xml"}')).toBeNull();
  });

  it('tells the tests after a failure whose message fills an attribute of any length', () => {
    const long = `<testsuite><testcase name="a"><failure message="${'x'.repeat(200_000)}"/></testcase><testcase name="b"/></testsuite>`;

    expect(readJunit(long)).toEqual({ passed: ['b'], failed: ['a'], skipped: [] });
  });

  it('is read in linear time, whatever it is', () => {
    const started = Date.now();
    for (const text of [
      '<!--'.repeat(200_000),
      '<testcase name="'.repeat(50_000),
      '<'.repeat(500_000),
      "<a b='".repeat(100_000),
      `<testsuite><testcase ${'a'.repeat(60_000)}/></testsuite>`.repeat(5),
      `<testsuite><testcase${' a'.repeat(30_000)}/></testsuite>`.repeat(5),
      `<testsuite><testcase a${' '.repeat(60_000)}/></testsuite>`.repeat(5),
    ])
      readJunit(text);

    expect(Date.now() - started).toBeLessThan(3_000);
  });
});

describe('places that an output points at', () => {
  const files = [
    'src/a.ts',
    'src/b.py',
    'pkg/c.go',
    'src/lib.rs',
    'test/a.test.js',
    'Main.java',
    'src/d.c',
    'Makefile',
  ];
  const more = ['pkg/sum_test.go', 'one/same_test.go', 'two/same_test.go', 'tests/ATest.php', 'spec/a_spec.rb'];
  const others = ['app/SumTest.java', 'app/A.kt', 'A.cs', 'a.sh', 'style.css', 'CMakeLists.txt', 'test/a_test.exs'];
  const tree = treePaths([...files, ...more, ...others]);
  const found = (output: string) =>
    readAnnotations({ kind: 'x', output, workdir: '/workspace' }, tree).map(
      ({ path, line, message }) => `${path}:${line} ${message}`,
    );

  it.each([
    ['tsc', "src/a.ts(3,5): error TS2304: Cannot find name 'x'.", "src/a.ts:3 error TS2304: Cannot find name 'x'."],
    ['tsc --pretty', 'src/a.ts:3:5 - error TS2304: nope', 'src/a.ts:3 error TS2304: nope'],
    ['eslint', '/workspace/src/a.ts\n  3:5  error  Unexpected var  no-var', 'src/a.ts:3 error  Unexpected var  no-var'],
    ['mypy', 'src/b.py:4: error: Name "x" is not defined', 'src/b.py:4 error: Name "x" is not defined'],
    ['ruff', 'src/b.py:4:1: F401 unused', 'src/b.py:4 F401 unused'],
    ['pytest', 'E   assert 1 == 2\nsrc/b.py:9: AssertionError', 'src/b.py:9 AssertionError'],
    [
      'a Python traceback',
      '  File "/workspace/src/b.py", line 7, in f',
      'src/b.py:7 File "/workspace/src/b.py", line 7, in f',
    ],
    ['go', 'pkg/c.go:12:2: undefined: x', 'pkg/c.go:12 undefined: x'],
    ['rustc', 'error[E0425]: cannot find value\n  --> src/lib.rs:3:5', 'src/lib.rs:3 error[E0425]: cannot find value'],
    [
      'node:test',
      'AssertionError: 1 !== 2\n    at TestContext.<anonymous> (file:///workspace/test/a.test.js:6:10)',
      'test/a.test.js:6 AssertionError: 1 !== 2',
    ],
    [
      'vitest',
      ' AssertionError: expected 1 to be 2\n ❯ test/a.test.js:5:12',
      'test/a.test.js:5 AssertionError: expected 1 to be 2',
    ],
    ['javac', "Main.java:3: error: ';' expected", "Main.java:3 error: ';' expected"],
    ['prettier', '[warn] src/a.ts', 'src/a.ts:1 differs from the required format'],
    ['black', 'would reformat src/b.py', 'src/b.py:1 differs from the required format'],
    ['rustfmt', 'Diff in /workspace/src/lib.rs:7:', 'src/lib.rs:7 differs from the required format'],
    ['gcc and clang', "src/d.c:3:5: error: use of 'x'", "src/d.c:3 error: use of 'x'"],
    ['Google Test', 'src/d.c:12: Failure', 'src/d.c:12 Failure'],
    ['make', 'Makefile:3: *** missing separator.  Stop.', 'Makefile:3 *** missing separator.  Stop.'],
    [
      'CMake',
      'CMake Error at CMakeLists.txt:3 (add_executable):',
      'CMakeLists.txt:3 CMake Error at CMakeLists.txt:3 (add_executable):',
    ],
    ['go test', '    sum_test.go:12: got 1, want 2', 'pkg/sum_test.go:12 got 1, want 2'],
    [
      'cargo test',
      "thread 'adds' panicked at src/lib.rs:10:9:\nassertion `left == right` failed",
      'src/lib.rs:10 assertion `left == right` failed',
    ],
    ['Maven', "[ERROR] /workspace/Main.java:[3,5] ';' expected", "Main.java:3 ';' expected"],
    [
      'JUnit',
      'org.opentest4j.AssertionFailedError: expected: <1>\n\tat app.SumTest.adds(SumTest.java:12)',
      'app/SumTest.java:12 org.opentest4j.AssertionFailedError: expected: <1>',
    ],
    ['Kotlin', 'e: file:///workspace/app/A.kt:3:5 Unresolved reference', 'app/A.kt:3 Unresolved reference'],
    [
      'MSBuild',
      '  A.cs(3,5): error CS1002: ; expected [/workspace/a.csproj]',
      'A.cs:3 error CS1002: ; expected [/workspace/a.csproj]',
    ],
    [
      'PHPUnit',
      'Failed asserting that 1 matches expected 2.\n\n/workspace/tests/ATest.php:12',
      'tests/ATest.php:12 Failed asserting that 1 matches expected 2.',
    ],
    [
      'php -l',
      'PHP Parse error:  syntax error in tests/ATest.php on line 3',
      'tests/ATest.php:3 PHP Parse error:  syntax error in tests/ATest.php on line 3',
    ],
    [
      'RSpec',
      'Failure/Error: expect(1).to eq 2\n     # ./spec/a_spec.rb:6:in `block`',
      'spec/a_spec.rb:6 Failure/Error: expect(1).to eq 2',
    ],
    ['Minitest', 'Failure:\nT#test_a [spec/a_spec.rb:6]:', 'spec/a_spec.rb:6 Failure:'],
    ['ExUnit', '  1) test adds (T)\n     test/a_test.exs:6\n', 'test/a_test.exs:6 test/a_test.exs:6'],
    ['ShellCheck', 'In a.sh line 3:\necho $x', 'a.sh:3 In a.sh line 3:'],
    ['ruff, in full', 'F401 `os` imported but unused\n --> src/b.py:4:1', 'src/b.py:4 F401 `os` imported but unused'],
    [
      'stylelint',
      '/workspace/style.css\n  2:3  ✖  Unexpected unit  unit-no',
      'style.css:2 ✖  Unexpected unit  unit-no',
    ],
    ['biome', 'src/a.ts:3:5 lint/style/noVar', 'src/a.ts:3 lint/style/noVar'],
    [
      'jest',
      '  ● sum › adds\n\n    Error: no\n      at Object.<anonymous> (test/a.test.js:6:10)',
      'test/a.test.js:6 Error: no',
    ],
  ])('are read from %s', (_, output, expected) => {
    expect(found(output)).toEqual([expected]);
  });

  it('are read in linear time, whatever the output is', () => {
    const started = Date.now();
    for (const piece of [' ', '\t', 'a', 'src/', 'error ', '(', 'a.b:', '[', 'at '])
      found(`${piece.repeat(60_000 / piece.length)}\n${`${piece.repeat(990 / piece.length)}\n`.repeat(20)}`);

    expect(Date.now() - started).toBeLessThan(10_000);
  });

  it('are files of the tree only, at most fifty', () => {
    expect(found('/etc/passwd:1:1: error: x\n../../x.ts(1,1): error: y\n/elsewhere/a.ts:1:1: error: z')).toEqual([]);
    expect(found('../src/a.ts:1:1: error: x\n    same_test.go:12: which one')).toEqual([]);
    expect(found(Array.from({ length: 90 }, (_, line) => `src/a.ts(${line + 1},1): error: x`).join('\n'))).toHaveLength(
      50,
    );
  });
});

describe('the lines of a diff', () => {
  it('are told per file with their numbers, also for odd names and lines that look like headers', () => {
    const diff = [
      'diff --git a/a.js b/a.js',
      '--- a/a.js',
      '+++ b/a.js',
      '@@ -1,2 +1,3 @@',
      ' keep',
      '--- a/not-a-header',
      '+++ b/not-a-header',
      '+more',
      'diff --git "a/\\303\\274.js" "b/\\303\\274.js"',
      'deleted file mode 100644',
      '--- "a/\\303\\274.js"',
      '+++ /dev/null',
      '@@ -1 +0,0 @@',
      '-gone',
      '\\ No newline at end of file',
    ].join('\n');
    const lines = changedLines(diff);

    expect([...lines.keys()]).toEqual(['a.js', 'ü.js']);
    expect(lines.get('a.js')).toEqual({
      added: [
        { line: 2, text: '++ b/not-a-header' },
        { line: 3, text: 'more' },
      ],
      removed: [{ line: 2, text: '-- a/not-a-header' }],
    });
    expect(lines.get('ü.js')?.removed).toEqual([{ line: 1, text: 'gone' }]);
  });
});
