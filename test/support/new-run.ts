import type { NewRun } from '../../src/engine/new-run.ts';
import type { AttemptStart, RunRequest } from '../../src/run.ts';

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
