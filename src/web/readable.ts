import { repositoryKey } from '../doors.ts';
import { repositoriesWithRuns } from '../engine/run-list.ts';
import { inOrder } from '../in-order.ts';
import type { Viewer } from './access.ts';
import type { WebParts } from './web-context.ts';

/** Questions to GitHub at a time. */
const atOnce = 20;
/** Repositories that somebody is shown the figures of; beyond that, those first by name. */
const mostRepositories = 500;

export interface Readable {
  key: string;
  /** `owner/name`. */
  label: string;
}

/** Those that were asked for: one by its label, or all. `repository`: the one that is chosen, or nothing. */
export function choose(readable: readonly Readable[], asked = ''): { chosen: readonly Readable[]; repository: string } {
  const label = asked.trim().toLowerCase();
  if (label === '') return { chosen: readable, repository: '' };
  const chosen = readable.filter((each) => each.label.toLowerCase() === label);
  return { chosen, repository: chosen[0]?.label ?? '' };
}

/** Repositories with runs that the viewer can read, by name. */
export async function readableRepositories(viewer: Viewer, { doors, access }: WebParts): Promise<Readable[]> {
  const known = await repositoriesWithRuns(doors.db, mostRepositories);
  const roles = await inOrder(known, atOnce, (ref) => access.roleOf(viewer, ref));
  return known
    .filter((_, index) => roles[index] !== 'none')
    .map(({ owner, name }) => ({
      key: repositoryKey(doors.host.githubHost, { owner, name }),
      label: `${owner}/${name}`,
    }));
}
