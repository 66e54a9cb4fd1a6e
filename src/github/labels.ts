import type { Octokit } from '@octokit/rest';
import type { RepositoryGitHub } from './github.ts';
import { ignoring422, orNull, statusOf } from './octokit-client.ts';

interface At {
  owner: string;
  repo: string;
}

type LabelVerbs = Pick<
  RepositoryGitHub,
  'labelEvent' | 'leftEvent' | 'ensureLabels' | 'setStateLabel' | 'removeLabel' | 'addLabels'
>;

/** GitHub takes labels for the same whatever their letter case, and keeps the one in which they were made. */
const isSameLabel = (one: string, other: string) => one.toLowerCase() === other.toLowerCase();

/** Verbs on the labels of a repository and its issues. */
export function bindLabels(client: Octokit, at: At): LabelVerbs {
  const removeAll = async (number: number, names: readonly string[]) => {
    for (const name of names) await orNull(client.issues.removeLabel({ ...at, issue_number: number, name }));
  };
  return {
    async labelEvent(number, label) {
      const moves = await labelMoves(client, at, number, label);
      const last = moves.findLast((move) => move.how !== 'closed');
      return last?.how === 'labeled' ? { actor: last.actor, atMs: last.atMs } : null;
    },
    async leftEvent(number, label) {
      if (!(await isHere(client, at, number))) return 'gone';
      const moves = await labelMoves(client, at, number, label);
      const last = moves.findLast((move) => move.how !== 'labeled');
      return last ? { actor: last.actor, atMs: last.atMs, how: last.how === 'closed' ? 'closed' : 'unlabeled' } : null;
    },
    async ensureLabels(labels) {
      const present = await client.paginate(client.issues.listLabelsForRepo, { ...at, per_page: 100 });
      for (const label of labels) {
        if (present.some(({ name }) => isSameLabel(name, label.name))) continue;
        await ignoring422(client.issues.createLabel({ ...at, ...label }));
      }
    },
    async setStateLabel(number, label, states) {
      const { data } = await client.issues.listLabelsOnIssue({ ...at, issue_number: number, per_page: 100 });
      const present = data.map((entry) => entry.name);
      // Taken off first, so that there are never two; afterwards again, should another process have added one meanwhile.
      const isLabel = (name: string) => label !== null && isSameLabel(name, label);
      const isOther = (name: string) => states.some((state) => isSameLabel(name, state)) && !isLabel(name);
      const others = (names: string[]) => names.filter(isOther);
      await removeAll(number, others(present));
      if (label === null || present.some(isLabel)) return;
      const added = await client.issues.addLabels({ ...at, issue_number: number, labels: [label] });
      await removeAll(number, others(added.data.map((entry) => entry.name)));
    },
    async removeLabel(number, name) {
      await orNull(client.issues.removeLabel({ ...at, issue_number: number, name }));
    },
    async addLabels(number, labels) {
      if (labels.length > 0) await client.issues.addLabels({ ...at, issue_number: number, labels: [...labels] });
    },
  };
}

/** Whether an issue was neither deleted nor moved to another repository: GitHub leads from its old number to where it is now. */
async function isHere(client: Octokit, at: At, number: number): Promise<boolean> {
  try {
    const { data: issue } = await client.issues.get({ ...at, issue_number: number });
    // Compared by address, which a new name of the repository changes for both.
    const { data: repository } = await client.repos.get({ ...at });
    return issue.repository_url === repository.url;
  } catch (error) {
    if (statusOf(error) === 404 || statusOf(error) === 410) return false;
    throw error;
  }
}

interface LabelMove {
  how: 'labeled' | 'unlabeled' | 'closed';
  actor: string;
  atMs: number;
}

/** When a label went on and off an issue, and when the issue was closed, oldest first. */
async function labelMoves(client: Octokit, at: At, number: number, label: string): Promise<LabelMove[]> {
  const events = await client.paginate(client.issues.listEvents, { ...at, issue_number: number, per_page: 100 });
  return events.flatMap((event): LabelMove[] => {
    const how = event.event;
    const concerns = how === 'closed' || ('label' in event && isSameLabel(event.label?.name ?? '', label));
    if (!concerns || (how !== 'labeled' && how !== 'unlabeled' && how !== 'closed')) return [];
    return [{ how, actor: event.actor?.login ?? 'ghost', atMs: Date.parse(event.created_at) }];
  });
}
