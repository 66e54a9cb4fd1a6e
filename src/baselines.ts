import { findBaseline, keepBaseline } from './engine/baselines.ts';
import type { Database } from './engine/database.ts';
import type { BaselineCache } from './verification/baseline.ts';
import { Execution } from './verification/execute.ts';

/** Results of base commits in the store: every run and every worker finds them. */
export function storedBaselines(db: Database): BaselineCache {
  return {
    async get(key, maxAgeMs) {
      // Written by another version of the app it may have another shape: then it is made anew.
      const kept = Execution.safeParse(await findBaseline(db, key, maxAgeMs));
      return kept.success ? kept.data : null;
    },
    put: (key, execution) => keepBaseline(db, key, execution),
  };
}
