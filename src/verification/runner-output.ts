import { z } from 'zod';

/** What a test runner said in its output. Never decides a pass; only a loss against base and which tests fail. */
export const RunnerReport = z.object({
  /** Tests that really ran: passed and failed, without the skipped ones. Null when no known runner's summary is found. */
  executed: z.number().nullable(),
  /** Names of failing tests, where they are told. */
  failures: z.array(z.string()),
});
export type RunnerReport = z.infer<typeof RunnerReport>;

interface Summary {
  pattern: RegExp;
  executed: (match: RegExpMatchArray) => number;
}

const number = (text: string | undefined) => Number(text ?? 0);
const told = (text: string, word: string) => number(new RegExp(`(\\d+) ${word}`).exec(text)?.[1]);

/** Summaries of the common runners. A run may print several, one for each package: they add up. */
const summaries: readonly Summary[] = [
  // node:test (spec and TAP reporters): `# pass 3`, `ℹ fail 1`.
  { pattern: /^(?:#|ℹ) (?:pass|fail) (\d+)[ \t]*$/gm, executed: (match) => number(match[1]) },
  // vitest and jest: `Tests  1 failed | 3 passed | 1 skipped (5)`, `Tests: 1 failed, 3 passed, 4 total`.
  {
    pattern: /^[ \t]*Tests:?[ \t]+(.*(?:passed|failed).*)$/gm,
    executed: (match) => told(match[1] ?? '', 'passed') + told(match[1] ?? '', 'failed'),
  },
  // mocha: `  3 passing (5ms)`, `  1 failing`.
  { pattern: /^[ \t]+(\d+) (?:passing(?: \([^)]*\))?|failing)[ \t]*$/gm, executed: (match) => number(match[1]) },
  // pytest: `=== 1 failed, 3 passed, 1 skipped in 0.02s ===`, `3 passed in 0.01s`.
  {
    pattern:
      /^(?:=+ )?((?:\d+ (?:failed|passed|skipped|deselected|xfailed|xpassed|warnings?|errors?|rerun)(?:, )?)+) in [\d.]+m?s.*$/gm,
    executed: (match) =>
      told(match[1] ?? '', 'passed') +
      told(match[1] ?? '', 'failed') +
      told(match[1] ?? '', 'error') +
      told(match[1] ?? '', 'xpassed'),
  },
  // unittest: `Ran 3 tests in 0.001s`.
  { pattern: /^Ran (\d+) tests? in [\d.]+s$/gm, executed: (match) => number(match[1]) },
  // go test -v: one line for each test.
  { pattern: /^[ \t]*--- (?:PASS|FAIL): \S+ \([\d.]+s\)$/gm, executed: () => 1 },
  // cargo test: `test result: ok. 3 passed; 0 failed; 1 ignored; …`.
  {
    pattern: /^test result: \w+\. (\d+) passed; (\d+) failed;/gm,
    executed: (match) => number(match[1]) + number(match[2]),
  },
  // RSpec, Minitest, PHPUnit, Surefire.
  {
    pattern: /^(\d+) examples?, \d+ failures?(?:, (\d+) pending)?$/gm,
    executed: (match) => number(match[1]) - number(match[2]),
  },
  {
    pattern: /^(\d+) runs, \d+ assertions, \d+ failures, \d+ errors, (\d+) skips$/gm,
    executed: (match) => number(match[1]) - number(match[2]),
  },
  {
    pattern: /^OK \((\d+) tests?, \d+ assertions?\)$|^Tests: (\d+), Assertions: \d+/gm,
    executed: (match) => number(match[1] ?? match[2]),
  },
  {
    pattern: /^(?:\[\w+\] )?Tests run: (\d+), Failures: \d+, Errors: \d+, Skipped: (\d+)[ \t]*$/gm,
    executed: (match) => number(match[1]) - number(match[2]),
  },
];

/** Plain TAP, when nothing summed it up. */
const tapLine = /^(?:not )?ok \d+(?! .*# (?:SKIP|TODO))/gim;

const failureNames: readonly RegExp[] = [
  /^[ \t]*✖ (.+?)(?: \([\d.]+ms\))?$/gm,
  /^[ \t]*not ok \d+ -? ?(.+?)(?: # .*)?$/gm,
  /^FAILED ([^\s(]\S*)(?: - .*)?$/gm,
  /^ERROR (\S+\.py\S*)(?: - .*)?$/gm,
  /^[ \t]*(?:FAIL|×)\s+(\S+ > .+?)(?: \d+ms)?$/gm,
  /^[ \t]*● (.+ › .+)$/gm,
  /^[ \t]*--- FAIL: (\S+) \([\d.]+s\)$/gm,
  /^test (\S+) \.\.\. FAILED$/gm,
  /^(?:FAIL|ERROR): (\S+ \(\S+\))$/gm,
  /^rspec (\S+) #/gm,
];

/** Reads output of common test runners. */
export function readRunnerOutput(output: string): RunnerReport {
  let executed: number | null = null;
  for (const { pattern, executed: countOf } of summaries) {
    for (const match of output.matchAll(pattern)) executed = (executed ?? 0) + Math.max(0, countOf(match));
  }
  const tap = executed === null ? (output.match(tapLine)?.length ?? 0) : 0;
  const names = failureNames.flatMap((pattern) =>
    [...output.matchAll(pattern)].map((match) => (match[1] ?? '').trim()),
  );
  const failures = [...new Set(names.filter((name) => !/^failing tests:$/i.test(name) && name !== ''))];
  return { executed: executed ?? (tap > 0 ? tap : null), failures: failures.slice(0, 500) };
}
