import type { ChangedLine, FileLines } from './changed-lines.ts';
import type { FileVersions } from './file-versions.ts';
import type { Objection } from './outcomes.ts';
import { sourceText } from './source-text.ts';
import { importedPaths, isCode, isTestCode, isTestFile, isTestPath, stem } from './test-paths.ts';

interface Trick {
  pattern: RegExp;
  /** Which files it is a trick in; `tests` are those that a runner takes for tests, not their helpers. */
  where: 'source' | 'tests' | 'anywhere';
  gate: 'tests' | 'definitions';
  says: string;
  /** Written as a comment. All others are looked for in code alone. */
  inComments?: boolean;
  /** Only where the file was there before. */
  inExisting?: boolean;
}

/**
 * Lines that make checks lie, whatever the exit code says. Each is legitimate somewhere, which is why a person may waive the finding; none is
 * an ordinary part of a bounded change.
 */
const tricks: readonly Trick[] = [
  {
    pattern:
      /\b(?:JEST_WORKER_ID|VITEST(?:_WORKER_ID|_POOL_ID)?|NODE_TEST_CONTEXT|PYTEST_CURRENT_TEST|MOCHA_[A-Z]+|NODE_V8_COVERAGE)\b|\bNODE_ENV\b\s*\)?\s*[!=]==?\s*['"]test['"]|['"]test['"]\s*[!=]==?\s*process\.env\.NODE_ENV|['"](?:pytest|unittest|_pytest)['"]\s+(?:not\s+)?in\s+sys\.modules|\btesting\.Testing\(\)|\bflag\.Lookup\(\s*['"]test\.|\bcfg!\(test\)|\b(?:argv|execArgv)\b[^;\n]*(?:--test|mocha|jest|vitest|pytest)|\bargv\b[^;\n]*(?:includes|endsWith|startsWith|indexOf|match|search|test|[!=]==?)[^;\n]*['"`/.](?:\.?test\.|tests?\/|\.?spec\.|specs?\/)|['"`][^'"`\n]*(?:pytest|unittest|\.test\.|\.spec\.)[^'"`\n]*['"`]\s+in\s+[^\n]*\bargv\b|\bnpm_(?:command|config_argv)\b|\bimport\.meta\.env\.(?:MODE\b\s*[!=]==?|TEST\b|VITEST\b)|['"](?:it|describe|jest|vi)['"]\s+in\s+(?:globalThis|global|window|self)\b|\b(?:globalThis|global)\.(?:it|describe|jest|vi|expect)\b(?!\s*=(?!=))|\bgetTimezoneOffset\(\)\s*(?:[!=]==?|\?|&&|\|\|)|!\s*new Date\([^)]*\)\.getTimezoneOffset\(\)|\btimeZone\s*[!=]==?\s*['"](?:UTC|Etc)|\btime\.(?:tzname|timezone)\b[^\n]*[!=]=|\b(?:hostname|gethostname)\(\)\s*(?:[!=]==?|\.(?:includes|startsWith|match|test))|\b(?:getuid\(\)|userInfo\(\)\.(?:uid|username))\s*[!=]==?\s*[1-9'"]|typeof\s+(?:it|describe|jest|vi)\s*[!=]==?\s*['"]|\bMILLWRIGHT_?\w*|\bnpm_lifecycle_event\b|['"`]\/workspace\b|\/\.dockerenv\b|\/proc\/(?:1|self)\/cgroup\b|\bprocess\.env\.CI\b\s*(?:\?|\)|&&|\|\||[!=]==?)|\b(?:environ\.get\(|getenv\(|environ\[)\s*['"]CI['"]/,
    where: 'source',
    gate: 'tests',
    says: 'Code outside the tests asks whether, or where, it is being tested.',
  },
  {
    pattern:
      /(?:Date\.now\(\)|new Date\(\)(?:\.\w+\(\))?|Date\.parse\([^)]*\)|performance\.timeOrigin|time\.time\(\)|date(?:time)?\.(?:now|today|utcnow)\([^)]*\)|time\.Now\(\)(?:\.\w+\(\))?|Instant\.now\(\)|SystemTime::now\(\))\s*\)*\s*(?:[<>]=?|[!=]==?)\s*(?:\+?\s*new Date\(\s*['"\d]|Date\.(?:UTC|parse)\(|date(?:time)?\(\s*\d|\d{9,}|20\d\d\b)|(?:new Date\(\s*['"\d][^)]*\)|Date\.(?:UTC|parse)\([^)]*\)|\d{12,}|date(?:time)?\(\s*\d[^)]*\))(?:\.\w+\(\))?\s*[<>]=?\s*(?:\+?\s*(?:Date\.now|new Date\(\s*\)|time\.time|date(?:time)?\.(?:now|today)))|time\.Now\(\)\.(?:After|Before)\(\s*time\.(?:Date|Unix)/,
    where: 'source',
    gate: 'tests',
    says: 'Behaviour hangs on a fixed moment in time.',
  },
  {
    pattern:
      /\bstack\b[^;\n]*\b(?:includes|indexOf|match|search|test)\([^)]*(?:test|spec)|\b(?:inspect\.(?:stack|currentframe)|sys\._getframe|getframeinfo|runtime\.Caller)\b[^;\n]*(?:test|spec)|['"][^'"]*test[^'"]*['"]\s+in\b[^;\n]*(?:stack|frame)/i,
    where: 'source',
    gate: 'tests',
    says: 'Code outside the tests looks at who calls it for a test.',
  },
  {
    pattern:
      /\b(?:assert|chai|expect|should|unittest\.TestCase|TestCase|sinon)(?:\.prototype)?\.\w+\s*=(?!=)|\b(?:globalThis|global|window)\.(?:it|test|describe|expect|assert)\s*=(?!=)|\bObject\.(?:defineProperty|assign)\(\s*(?:assert|expect|globalThis|global)\b|\bModule\._(?:load|resolveFilename|extensions)\b|\brequire\.(?:cache|extensions)\b|\bregister(?:Hooks)?\(\s*['"]|\b(?:mock\.module|module\.registerHooks)\(|\bbuiltins\.\w+\s*=(?!=)|\bsys\.modules\[|\bimportlib\.reload\b/,
    where: 'anywhere',
    gate: 'tests',
    says: 'Assertions, the runner or the module loader are replaced at run time.',
  },
  {
    pattern:
      /\bprocess\.(?:exit|reallyExit|abort)\s*=(?!=)|\bprocess\.exitCode\s*=\s*0|\bprocess\.(?:on|once|prependListener|addListener)\(\s*['"](?:exit|beforeExit|uncaughtException|unhandledRejection)['"]|\bos\._exit\(\s*0?\s*\)|\batexit\.register\b|\bpytest_sessionfinish\b|\bpytest_(?:runtest|collection|ignore)\w*|\bdef\s+(?:pytest_\w+|load_tests)\s*\(|^\s*pytest_plugins\s*=|\bpytest11\b|\bsession\.exitstatus\s*=|\bsys\.exit\s*=(?!=)|\bos\.Exit\(\s*0\s*\)|\btrap\s+['"]?exit 0/,
    where: 'anywhere',
    gate: 'tests',
    says: 'The exit code of a process, or what a runner runs, is taken over.',
  },
  {
    pattern:
      /\b(?:process\.exit|Deno\.exit|Bun\.exit)\(\s*0?\s*\)|\bsys\.exit\(\s*0?\s*\)|\bexit\(\s*0\s*\)|\bquit\(\s*\)/,
    where: 'tests',
    gate: 'tests',
    says: 'A test ends the process before the others have run.',
  },
  {
    pattern:
      /\bjest\.retryTimes\(|\bthis\.retries\(\s*[1-9]|\b(?:it|test|describe)(?:\.\w+)*\([^;\n]*\{[^}\n]*\bretr(?:y|ies)\s*:\s*[1-9]|\bdescribe\.configure\([^)\n]*\bretries\s*:|@(?:pytest\.mark\.)?flaky\b|@(?:RetryingTest|RepeatedIfExceptionsTest|Retry)\b/,
    where: 'tests',
    gate: 'tests',
    says: 'A test is repeated until it passes.',
  },
  {
    pattern:
      /\bexpect\.extend\([^\n]*\b(?:toBe|toEqual|toStrictEqual|toThrow|toMatch|toContain|toHaveLength)\b\s*[(:]|^\s*(?:async\s+)?(?:toBe|toEqual|toStrictEqual|toThrow|toMatch|toContain|toHaveLength|toBeTruthy|toBeDefined)\s*(?:\([^)]*\)\s*\{|:\s*(?:async\s*)?(?:\(|function\b|\w+\s*=>))|\b(?:jest|vi)\.(?:useFakeTimers|spyOn)\(\s*(?:assert|expect|process)\b/,
    where: 'anywhere',
    gate: 'tests',
    says: 'A matcher of the assertion library is replaced.',
  },
  {
    pattern:
      /\b(?:console\.(?:log|info|warn|error)|process\.std(?:out|err)\.write|print|println!?|puts|echo|fmt\.Print\w*|sys\.std(?:out|err)\.write)\s*[( ].*?(?:#\s*(?:pass|tests|fail)\s+\d|\d+\s+(?:passed|passing)\b|Tests?:\s+\d+\s+passed|TAP version \d+|\bok\s+\d+\s+-|test result: ok)/i,
    where: 'anywhere',
    gate: 'tests',
    says: 'Something prints what a test runner prints when all is well.',
  },
  {
    pattern:
      /\bdef\s+__(?:eq|ne|bool)__\s*\([^)]*\)[^:]*:\s*return\s+(?:True|1|not\s+False)\s*$|\b(?:valueOf|equals|isEqual|\[Symbol\.toPrimitive\])\s*\([^)]*\)\s*\{\s*return\s+true\s*;?\s*\}/,
    where: 'anywhere',
    gate: 'tests',
    says: 'A comparison is always true.',
  },
  {
    pattern:
      /\/\*\s*(?:eslint|stylelint|oxlint)-disable(?!-(?:next-)?line)\b|\/\*\s*eslint\s+[\w@/-]+\s*:\s*(?:\[\s*)?["']?(?:off|0)\b|^\s*\/\/\s*@ts-nocheck|^#\s*(?:flake8:\s*noqa|ruff:\s*noqa|type:\s*ignore|mypy:\s*(?:ignore-errors|disable-error-code)|pyright:\s*(?:basic|ignore)|pylint:\s*(?:skip-file|disable=))|^\s*\/\/\s*(?:biome-ignore-all|deno-lint-ignore-file|nolint:all|tslint:disable)\b|^\s*#!\[(?:cfg_attr\([^\n]*)?allow\(|^\s*\/\/\s*swiftlint:disable\s|\/\*\s*(?:istanbul|c8|v8) ignore file\s*\*\//,
    where: 'anywhere',
    gate: 'definitions',
    says: 'A check is switched off for a whole file.',
    inComments: true,
  },
  {
    pattern: /^\s*(?:\/\/|#|\*|\/\*)\s*(?:Code generated .*DO NOT EDIT|@generated\b)/,
    where: 'anywhere',
    gate: 'definitions',
    says: 'A file that people wrote is marked as generated, which linters leave alone.',
    inComments: true,
    inExisting: true,
  },
  {
    pattern: /^func\s+TestMain\s*\(/,
    where: 'tests',
    gate: 'definitions',
    says: 'How all tests of a package are run is decided anew.',
  },
];

/** Longer lines are generated; patterns must not be made to search them again and again. */
const longestLineChars = 2000;

/** Test doubles by which a test can take the place of the very thing that it tests. */
const mocking =
  /\b(?:vi|jest|mock)\.(?:mock|doMock|unstable_mockModule|module|setMock)\(\s*(?:import\()?\s*['"]([^'"]+)['"]|\b(?:proxyquire|esmock|td\.replace|td\.replaceEsm|rewiremock|mockery\.registerMock)\w*\(\s*['"]([^'"]+)['"]|\b(?:mock\.)?patch(?:\.object)?\(\s*['"]([\w.]+)['"]|\bmonkeypatch\.setattr\(\s*['"]?([\w.]+)/;

/** Objects to code that makes checks lie and to tests that replace what they test. Looks at added lines only. */
export function judgeTampering(lines: ReadonlyMap<string, FileLines>, files: readonly FileVersions[]): Objection[] {
  const objections: Objection[] = [];
  for (const [path, { added: all }] of lines) {
    if (!isCode(path)) continue;
    const added = all.filter(({ text }) => text.length <= longestLineChars);
    const code = codeLines(path, files);
    const isNew = files.find((file) => file.path === path)?.before === null;
    for (const trick of tricks.filter(({ where, inExisting }) => isPlace(where, path) && !(inExisting && isNew))) {
      const hit = added.find(({ line, text }) =>
        trick.pattern.test(trick.inComments ? text : (code?.[line - 1] ?? text)),
      );
      if (hit !== undefined) objections.push(objection(trick.gate, trick.says, path, hit));
    }
    if (isTestCode(path)) objections.push(...mockedSubjects(path, added, files));
  }
  return objections;
}

function isPlace(where: Trick['where'], path: string): boolean {
  if (where === 'anywhere') return true;
  return where === 'tests' ? isTestFile(path) : !isTestPath(path);
}

/** The file's lines without comments, by number; null where its text is not known. */
function codeLines(path: string, files: readonly FileVersions[]): string[] | null {
  const text = files.find((file) => file.path === path)?.after;
  return text === null || text === undefined ? null : sourceText(path, text).code.split('\n');
}

function objection(gate: 'tests' | 'definitions', says: string, path: string, line: ChangedLine): Objection {
  return { gate, name: gate, message: `${says} Line ${line.line}: ${line.text.trim().slice(0, 160)}`, paths: [path] };
}

function mockedSubjects(path: string, added: readonly ChangedLine[], files: readonly FileVersions[]): Objection[] {
  const sources = files.filter((file) => !isTestPath(file.path)).map((file) => file.path);
  const text = files.find((file) => file.path === path)?.after ?? '';
  return added.flatMap((line) => {
    const match = mocking.exec(line.text);
    const target = match?.slice(1).find((part) => part !== undefined);
    if (target === undefined) return [];
    const resolved = target.startsWith('.') ? (importedPaths(path, `from '${target}'`)[0] ?? target) : target;
    return isSubject(path, resolved, sources, text)
      ? [objection('tests', 'A test replaces the module that it tests.', path, line)]
      : [];
  });
}

/** What a test is about: the source named like it, whatever the patch itself changes, and for a dotted name the function it is named after. */
function isSubject(testPath: string, target: string, changedSources: readonly string[], testText: string): boolean {
  if (!target.includes('/')) {
    const last = target.split('.').at(-1) ?? '';
    return target.includes('.') ? testText.includes(`def test_${last}(`) : stem(testPath) === target;
  }
  const plain = target.replace(/\.[cm]?[jt]sx?$/, '');
  if (plain.split('/').at(-1) === stem(testPath)) return true;
  return changedSources.some((source) => source.replace(/\.[^./]+$/, '') === plain);
}
