import { defineConfig } from 'vitest/config';

/**
 * Test files that start containers or a browser, or that race processes against deadlines. On two cores several of them at once
 * measure each other instead of the code, so they run after the others, one file at a time.
 */
const heavy = [
  'test/sandbox/**/*.test.ts',
  'test/attacks/**/*.test.ts',
  'test/verification/cheats.test.ts',
  'test/verification/verify.test.ts',
  'test/rollback.test.ts',
  'test/web/browser.test.ts',
  'test/whole-run*.test.ts',
  'test/chaos/**/*.test.ts',
];
/** No containers, and mostly waiting: many at once. */
const lives = ['test/chaos/faults-*.test.ts'];

export default defineConfig({
  test: {
    maxWorkers: 2,
    // Real engines on shared CI machines: a test that fails there runs once more, and the report says that it did.
    retry: process.env.CI ? 1 : 0,
    testTimeout: 120_000,
    hookTimeout: 120_000,
    globalSetup: ['test/support/require-engine.ts'],
    reporters: ['default', './test/support/summary-reporter.ts'],
    projects: [
      {
        extends: true,
        test: {
          name: 'rooms',
          include: ['test/**/*.test.ts'],
          exclude: ['test/fixtures/**', ...heavy],
          sequence: { groupOrder: 0 },
        },
      },
      {
        extends: true,
        test: { name: 'containers', include: heavy, exclude: lives, maxWorkers: 1, sequence: { groupOrder: 1 } },
      },
      {
        extends: true,
        test: { name: 'lives', include: lives, maxConcurrency: 8, sequence: { groupOrder: 2 } },
      },
    ],
  },
});
