import type { LabelSpec } from './github/github.ts';
import type { Run } from './run.ts';

/** Put on an issue by a person, it starts a run. */
export const startLabel = 'agent-ready';

/** Letter case does not matter: GitHub has one label of a name, in whatever case it was made. */
export const isStartLabel = (name: string | undefined) => name?.toLowerCase() === startLabel;

/** State labels: at most one of them is on an issue at a time. */
export const stateLabels = ['agent:running', 'agent:waiting', 'agent:review', 'agent:failed', 'agent:stopped'] as const;
export const isStateLabel = (name: string | undefined) => stateLabels.some((label) => label === name?.toLowerCase());
export type StateLabel = (typeof stateLabels)[number];

export const labelSpecs: readonly LabelSpec[] = [
  { name: startLabel, color: '0e8a16', description: 'Millwright: start a run from the contract in this issue' },
  { name: 'agent:running', color: '1d76db', description: 'Millwright: queued or being worked' },
  { name: 'agent:waiting', color: 'fbca04', description: 'Millwright: a person must answer' },
  { name: 'agent:review', color: '5319e7', description: 'Millwright: the pull request is open' },
  { name: 'agent:failed', color: 'b60205', description: 'Millwright: the run failed; see the status comment' },
  { name: 'agent:stopped', color: 'bfd4f2', description: 'Millwright: stopped by a person' },
];

/** The state label that a run's issue shows; none once its pull request is merged or closed. */
export function labelOf(run: Pick<Run, 'state' | 'outcome'>): StateLabel | null {
  switch (run.state) {
    case 'queued':
    case 'running':
      return 'agent:running';
    case 'waiting':
      return 'agent:waiting';
    case 'failed':
      return 'agent:failed';
    case 'stopped':
      return 'agent:stopped';
    case 'done':
      return run.outcome?.code === 'review' ? 'agent:review' : null;
  }
}
