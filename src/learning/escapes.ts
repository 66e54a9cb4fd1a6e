import { parseContract } from '../contract/parse.ts';
import type { Doors } from '../doors.ts';
import type { Database } from '../engine/database.ts';
import { markWeeks } from '../engine/records.ts';
import type { Run } from '../run.ts';

/** Escaped defects: what was merged and had to be taken back, or to be mended by a later run that names it. */

const lookBackMs = 90 * 24 * 60 * 60_000;
const mostCommits = 300;

/** Marks the merged run of a pull request, or of an issue; one that is marked already stays as it is. `by`: what showed it, in the app's own words. */
async function markEscaped(
  db: Database,
  repository: string,
  named: { column: 'pull_request' | 'issue'; number: number; notRun?: string },
  by: string,
): Promise<void> {
  await db.transaction(async (sql) => {
    const rows = await sql.all<{ run_id: string }>(
      `UPDATE records SET escaped_at_ms = ${db.nowMs}, escaped_by = $3
       WHERE repository = $1 AND ${named.column} = $2 AND outcome = 'merged' AND escaped_at_ms IS NULL AND run_id <> $4
       RETURNING run_id`,
      repository,
      named.number,
      by,
      named.notRun ?? '',
    );
    for (const { run_id } of rows) await markWeeks(sql, run_id);
  });
}

/** What a merged pull request says that it reverts: by the branch of `/rollback`, or by the words of GitHub's own button. */
export function revertedBy(pull: { branch: string; ofFork: boolean; title: string; body: string }): number | null {
  const byBranch = pull.ofFork ? null : /^millwright\/revert-(\d{1,9})$/.exec(pull.branch)?.[1];
  const byButton = pull.title.startsWith('Revert "') ? /^Reverts\s+\S{0,140}?#(\d{1,9})\b/m.exec(pull.body)?.[1] : null;
  const number = byBranch ?? byButton;
  return number ? Number(number) : null;
}

/** A pull request that reverts another one was merged, by someone who may. Told twice, it counts once. */
export async function revertMerged(db: Database, repository: string, reverted: number, by: number): Promise<void> {
  await markEscaped(db, repository, { column: 'pull_request', number: reverted }, `reverted by #${by}`);
}

/** What a commit on the base branch says that it reverts: a squash or a merge names the pull request. */
export function revertedIn(subject: string): number | null {
  const match =
    /^Revert "[^\n]{0,500}\(#(\d{1,9})\)"/.exec(subject) ??
    /^Revert "Merge pull request #(\d{1,9}) from /.exec(subject) ??
    /^Revert "[^\n]{0,500}" \(#(\d{1,9})\)/.exec(subject) ??
    /^Merge pull request #\d{1,9} from \S{1,200}\/millwright\/revert-(\d{1,9})$/.exec(subject);
  return match ? Number(match[1]) : null;
}

/** Reverts that were pushed, or that no delivery told of, as the log of a base commit shows them. Costs nothing where nothing was merged lately. */
export async function noteReverts(
  repository: string,
  base: { mirror: string; commit: string },
  { db, git }: Pick<Doors, 'db' | 'git'>,
): Promise<void> {
  const merged = await db.all<{ pull_request: number }>(
    `SELECT pull_request FROM records WHERE repository = $1 AND outcome = 'merged' AND pull_request IS NOT NULL
       AND escaped_at_ms IS NULL AND ended_at_ms > ${db.nowMs} - ${lookBackMs}`,
    repository,
  );
  if (merged.length === 0) return;
  const candidates = new Set(merged.map((row) => row.pull_request));
  for (const { subject, commit } of await git.log(base.mirror, { to: base.commit, limit: mostCommits })) {
    const number = revertedIn(subject);
    if (number !== null && candidates.has(number))
      await markEscaped(db, repository, { column: 'pull_request', number }, `reverted in ${commit}`);
  }
}

const mending =
  /\b(?:fix(?:es|ed)?|mend(?:s|ed)?|repair(?:s|ed)?|bug|regression|defect|broken|broke|crash(?:es|ed)?|wrong(?:ly)?)\b/i;

/** Numbers that a contract names as what it mends: named anywhere in it, when title or goal speak of mending. */
export function mendedBy({ title, body }: Pick<Run['request'], 'title' | 'body'>): number[] {
  const { contract } = parseContract(body);
  if (contract === null || !mending.test(`${title} ${contract.goal}`)) return [];
  const named = [title, contract.goal, ...contract.context.decisions].flatMap((text) => [
    ...text.matchAll(/(?:#|\/(?:issues|pull)\/)(\d{1,9})\b/g),
  ]);
  return [...new Set(named.map(([, number]) => Number(number)))];
}

/** A merged run mends what earlier merged ones brought. */
export async function noteMended(db: Database, run: Run): Promise<void> {
  for (const number of mendedBy(run.request)) {
    if (number === run.issue || number === run.pullRequest) continue;
    for (const column of ['pull_request', 'issue'] as const)
      await markEscaped(db, run.repository, { column, number, notRun: run.id }, `mended by run ${run.id}`);
  }
}
