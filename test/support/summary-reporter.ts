import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Reporter, SerializedError, TestModule } from 'vitest/node';

const cacheDir = join(import.meta.dirname, '../../.cache');

/**
 * Writes `PASSED FAILED` to .cache/test-summary for script/test. Everything that kept a test from passing counts as a
 * failure: a failed test, a skipped one, a file that did not load or a failing hook, and each error outside of tests.
 */
export default class SummaryReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly SerializedError[]): void {
    let passed = 0;
    let failed = unhandledErrors.length;
    for (const module of modules) {
      failed += module.errors().length;
      for (const suite of module.children.allSuites()) failed += suite.errors().length;
      for (const test of module.children.allTests()) {
        if (test.result().state === 'passed') passed += 1;
        else failed += 1;
      }
    }
    mkdirSync(cacheDir, { recursive: true });
    writeFileSync(join(cacheDir, 'test-summary'), `${passed} ${failed}\n`);
  }
}
