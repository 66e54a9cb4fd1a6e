import { claimRun, type Lease } from '../../src/engine/claim.ts';
import type { Database } from '../../src/engine/database.ts';
import type { NewRun } from '../../src/engine/new-run.ts';
import { enqueueRun, moveRun } from '../../src/engine/runs.ts';
import type { AttemptStart, Outcome, RunRequest, RunState } from '../../src/run.ts';

/** An attempt that begins with the label. */
export const labelled: AttemptStart = { from: 'intake', reason: 'label', by: 'ada', guidance: null };

export const request: RunRequest = {
  title: 'Add a limit',
  body: '## Goal\n- Goal: a limit',
  revision: `sha256:${'0'.repeat(64)}`,
  labeller: 'ada',
  author: 'ada',
  editor: null,
  labelledAtMs: 1_700_000_000_000,
  allowed: [],
  waived: [],
  approved: [],
};

/** What intake puts in the queue for an issue of `acme/shop`, or of another `owner/name`. */
export function newRun(issue: number, slug = 'acme/shop', more: Partial<NewRun> = {}): NewRun {
  const [owner = '', name = ''] = slug.split('/');
  return {
    repository: `github.com/${slug}`,
    owner,
    name,
    installationId: 7,
    issue,
    request,
    start: labelled,
    branch: `millwright/issue-${issue}`,
    ...more,
  };
}

export const outcome: Outcome = { code: 'review', text: 'The pull request is open.', question: null, detail: null };

/** The next run of the queue, which must hold one. */
export async function claimNext(db: Database, worker = 'w1'): Promise<Lease> {
  const lease = await claimRun(db, { id: worker, capacity: 99 });
  if (!lease) throw new Error('nothing to claim');
  return lease;
}

/** The id of a run of issue 1, brought to a state. */
export async function runInState(db: Database, state: RunState): Promise<string> {
  const { run } = await enqueueRun(db, newRun(1));
  if (state === 'queued') return run.id;
  const lease = await claimNext(db);
  if (state !== 'running') await moveRun(db, lease, state, { outcome });
  return run.id;
}
