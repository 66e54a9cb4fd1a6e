import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { CheckRunRequest, PullRequestRequest } from './github.ts';

/** What a run leaves for its reader, where GitHub would have a pull request. */
export interface LocalReport {
  pullRequest: PullRequestRequest | null;
  checkRun: CheckRunRequest | null;
}

const files = { pullRequest: 'pull-request.json', checkRun: 'check-run.json' } as const;

/** What was kept in `keepDir`, also by an earlier process. */
export function readLocalReport(keepDir: string): LocalReport {
  const read = <T>(name: string): T | null => {
    const path = join(keepDir, name);
    return existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as T) : null;
  };
  return { pullRequest: read(files.pullRequest), checkRun: read(files.checkRun) };
}

/** Replaces what is given and leaves the rest. */
export function keepReport(keepDir: string, report: Partial<LocalReport>): void {
  mkdirSync(keepDir, { recursive: true });
  for (const key of ['pullRequest', 'checkRun'] as const) {
    if (report[key] === undefined) continue;
    const path = join(keepDir, files[key]);
    // Renamed into place: a reader never sees half of it.
    writeFileSync(`${path}.new`, JSON.stringify(report[key], null, 2));
    renameSync(`${path}.new`, path);
  }
}
