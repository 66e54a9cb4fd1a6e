import { sourceText } from './source-text.ts';

/** What a test file declares, counted in its code without comments. */
export interface TestMarkers {
  /** Declared tests. */
  tests: number;
  /** Titles or function names of the declared tests, where they are literal. */
  names: string[];
  assertions: number;
  /** Names of tests that are switched off one by one. */
  skipped: string[];
  /** Other ways of switching tests off: whole groups or files, or where it cannot be told which. */
  skippedGroups: number;
  /** Tests or groups that keep all others from running. */
  focused: number;
  /** Assertions that no code can fail, such as `assert.ok(true)`. */
  vacuous: number;
  /** Assertions made harmless by an “or true”. */
  undone: number;
}

/** Counted in code whose strings are emptied. */
const testDeclarations = [
  /(?<![\w.$])(?:it|test|specify|fit|xit|xtest|Deno\.test)(?:\.(?:only|skip|todo|concurrent|serial|failing|fails|each|sequential|skipIf|runIf|prop)(?:\([^()]*\)|``)?)*\s*[(`]/g,
  /(?<![\w$])t\.(?:test|run|Run)\s*\(/g,
  /^[ \t]*(?:async\s+)?def\s+test\w*\s*\(/gm,
  /^func\s+(?:\([^)]*\)\s*)?(?:Test|Fuzz|Example)\w*\s*\(/gm,
  /#\[(?:\w+::)*test(?:\([^\]]*\))?\]|#\[rstest\]/g,
  /@(?:Test|ParameterizedTest|RepeatedTest)\b/g,
  /\[(?:Fact|Theory|Test|TestMethod|TestCase)\b/g,
  /^[ \t]*@test\s+["']/gm,
  /^[ \t]*(?:it|specify|scenario)\s+["']/gm,
  /function\s+test\w+\s*\(/g,
];

const assertionCalls = [
  /(?<![\w$])(?:assert|should|expect|verify|require|check)(?:\.\w+)*\s*!?\s*\(/g,
  /(?<![\w$])(?:self|this)\.(?:assert|fail)\w*\s*\(/g,
  /^[ \t]*assert\b(?!\s*[.(!])/gm,
  /(?<![\w$])(?:assert_\w+|(?:debug|prop)_assert\w*)!\s*[([{]/g,
  /(?<![\w$.])(?:assert|expect|ASSERT|EXPECT|CHECK|REQUIRE)_?[A-Z]\w*\s*\(/g,
  /(?<![\w$])Assert\.\w+\s*[(<]/g,
  /(?<![\w$])t\.(?:is|not|true|false|truthy|falsy|deepEqual|like|throws|throwsAsync|equal|same|ok|notOk|match|regex|snapshot|Error|Errorf|Fatal|Fatalf|Fail|FailNow)\s*\(/g,
  /\.should\b|(?<![\w$])pytest\.(?:raises|warns|approx)\s*\(/g,
];

/** Skips of one test, which they stand before: the next declared test is meant. */
const skipsOfNext = [
  /(?<![\w$])(?:it|test|specify|Deno\.test)\.(?:skip|todo|failing|fails|skipIf|runIf|fixme|ignore)\b/g,
  /(?<![\w.$])(?:xit|xtest|xspecify)\s*[(.]/g,
  /(?<![\w.$])(?:it|test|specify|Deno\.test)(?:\.\w+)*\([^;\n]*[{,][ \t]*(?:skip|todo|ignore)\s*:\s*(?!false\b|undefined\b|null\b)\S/g,
  /@(?:pytest\.mark\.(?:skip|skipif|xfail)|unittest\.(?:skip\w*|expectedFailure)|Ignore|Disabled\w*|skip\w*)\b/g,
  /#\[ignore\b/g,
];

/** Skips from within a test: the last declared one is meant. */
const skipsOfLast = [
  /(?<![\w$])(?:pytest\.(?:skip|xfail|importorskip)|self\.skipTest|unittest\.SkipTest|SkipTest|this\.skip|t\.Skip\w*|t\.skip|b\.Skip\w*|Assume\.\w+|assumeTrue|assumeFalse|markTestSkipped|markTestIncomplete)\s*\(/g,
  /^[ \t]+skip\s+["']/gm,
  /^[ \t]*(?:skip|todo|ignore)\s*:\s*true\b/gm,
];

const groupSkips = [
  /(?<![\w$])(?:describe|suite|context|bench)\.(?:skip|todo|skipIf|runIf|fixme)\b/g,
  /(?<![\w.$])(?:xdescribe|xcontext)\s*[(.]/g,
  /^[ \t]*(?:pytestmark|__test__|collect_ignore\w*)\s*=/gm,
  /\bSkip\s*=\s*|\[Ignore\b/g,
  /#!?\[cfg\(any\(\)\)\]|^[ \t]*\/\/go:build\s+ignore|^[ \t]*\/\/ \+build\s+ignore/gm,
];

const focusMarkers = [
  /(?<![\w$])(?:it|test|describe|suite|context|specify)(?:\.\w+)?\.only\b/g,
  /(?<![\w.$])(?:fit|fdescribe|fcontext|ddescribe|iit)\s*\(/g,
  /[{,]\s*only\s*:\s*true\b/g,
];

/** Looked for in code with its strings kept. */
const vacuousAssertions = [
  /\bexpect\(\s*(true|false|null|\d+|(['"`])[^'"`]*\2)\s*\)\.to(?:Be|Equal|StrictEqual)\(\s*\1\s*\)/g,
  /\bexpect\(\s*(?:true|1)\s*\)\.(?:toBeTruthy|toBeDefined|to\.be\.ok|to\.be\.true)/g,
  /\bassert(?:\.ok|\.isTrue|\.isOk)?\(\s*(?:true|1|!0|!false)\s*[,)]/g,
  /\bassert\.(?:equal|strictEqual|deepEqual|deepStrictEqual)\(\s*(true|false|null|undefined|\d+|(['"])[^'"]*\2)\s*,\s*\1\s*[,)]/g,
  /^[ \t]*assert\s+(?:True|1|not\s+False|1\s*==\s*1|True\s*==\s*True)\s*(?:,|$)/gm,
  /\bself\.assert(?:True\(\s*True|False\(\s*False|Equal\(\s*(\d+|True|False|None)\s*,\s*\1)\s*[,)]/g,
  /\bassert(?:_eq)?!\(\s*(?:true|(\d+)\s*,\s*\1)\s*[,)]/g,
  /\bassert(?:True\(\s*true|Equals\(\s*(\d+|true|false)\s*,\s*\1)\s*\)|\bt\.(?:true|ok|pass)\(\s*(?:true\s*)?\)/g,
];

const undoneAssertions = [
  /\b(?:assert\w*(?:\.\w+)?|expect)\([^;\n]*\|\|\s*(?:true|1)\s*[,)]/g,
  /^[ \t]*assert\s.*\bor\s+True\s*$/gm,
];

const titles = [
  /(?<![\w.$])(?:it|test|specify|fit|xit|xtest|Deno\.test)(?:\.\w+)*\s*\(\s*(['"`])((?:\\.|(?!\1)[^\\])*)\1/g,
  /^[ \t]*(?:async\s+)?(?:def|func|fn|function)\s+()((?:test|Test|Fuzz|Example)\w*)/gm,
  /#\[(?:\w+::)*test(?:\([^\]]*\))?\]\s*(?:#\[[^\]]*\]\s*)*(?:pub\s+)?(?:async\s+)?fn\s+()(\w+)/g,
  /@(?:Test|ParameterizedTest)\b[^{;]*?\bvoid\s+()(\w+)/g,
  /^[ \t]*(?:@test|it|specify|scenario)\s+(["'])([^"'\n]*)\1/gm,
];

/** Counts what a test file declares. Near enough to see a loss; no parser for each language. */
export function testMarkers(path: string, text: string): TestMarkers {
  const { code, bare } = sourceText(path, withoutLongLines(text));
  // `go:build ignore` is a comment that switches the file off.
  const off = path.endsWith('.go')
    ? bare + (/^[ \t]*\/\/(?:go:build| \+build)\s+ignore.*$/m.exec(text)?.[0] ?? '')
    : bare;
  const declared = declaredTests(code);
  const next = positions(skipsOfNext, code).map((at) => declared.find((test) => test.at >= at)?.name);
  const last = positions(skipsOfLast, code).map((at) => declared.findLast((test) => test.at < at)?.name);
  const skipped = [...next, ...last];
  return {
    tests: hits(testDeclarations, bare),
    names: declared.map(({ name }) => name),
    assertions: hits(assertionCalls, bare),
    skipped: skipped.filter((name) => name !== undefined),
    skippedGroups: hits(groupSkips, off) + skipped.filter((name) => name === undefined).length,
    focused: hits(focusMarkers, bare),
    vacuous: hits(vacuousAssertions, code),
    undone: hits(undoneAssertions, code),
  };
}

/** Tests with a literal title or name, in their order; `at` counts characters of the code, which is without comments. */
export function declaredTests(code: string): { at: number; name: string }[] {
  return titles
    .flatMap((title) => [...code.matchAll(title)].map((match) => ({ at: match.index, name: match[2] ?? '' })))
    .sort((left, right) => left.at - right.at);
}

export const noMarkers: TestMarkers = {
  tests: 0,
  names: [],
  assertions: 0,
  skipped: [],
  skippedGroups: 0,
  focused: 0,
  vacuous: 0,
  undone: 0,
};

function positions(patterns: readonly RegExp[], text: string): number[] {
  return patterns.flatMap((pattern) => [...text.matchAll(pattern)].map((match) => match.index));
}

/** Minified or generated lines declare no test, and patterns must not be made to search them again and again. */
export function withoutLongLines(text: string): string {
  return text
    .split('\n')
    .map((line) => (line.length > longestLineChars ? '' : line))
    .join('\n');
}

const longestLineChars = 2000;

function hits(patterns: readonly RegExp[], text: string): number {
  return patterns.reduce((sum, pattern) => sum + (text.match(pattern)?.length ?? 0), 0);
}
