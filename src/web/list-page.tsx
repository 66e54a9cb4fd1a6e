/** @jsxImportSource hono/jsx */
import type { RunHead } from '../engine/run-list.ts';
import { durationText } from '../report/phrases.ts';
import { type RunState, stageNames } from '../run.ts';
import { type Frame, Page } from './layout.tsx';
import { Line, lineOf, Moment, Said, State, stateWord } from './text.tsx';

/** What the list is narrowed by, as it came with the address. */
export interface ListQuery {
  state: string;
  repository: string;
  /** Part of the title, or the number of an issue. */
  text: string;
  before: string | null;
}

export interface ListFacts {
  query: ListQuery;
  runs: (RunHead & { spent: string })[];
  /** Address of the next page; null on the last. */
  older: string | null;
  /** `owner/name` of repositories that the viewer can read, for the field's suggestions. */
  repositories: readonly string[];
}

/** Choices of the state filter, and the states that each stands for. */
export const stateChoices: Readonly<Record<string, { label: string; states: readonly RunState[] }>> = {
  '': { label: 'Any state', states: [] },
  live: { label: 'Going on', states: ['queued', 'running', 'waiting'] },
  queued: { label: 'Queued', states: ['queued'] },
  running: { label: 'Running', states: ['running'] },
  waiting: { label: 'Needs a person', states: ['waiting'] },
  done: { label: 'Done', states: ['done'] },
  failed: { label: 'Failed', states: ['failed'] },
  stopped: { label: 'Stopped', states: ['stopped'] },
};

export function ListPage({ frame, facts }: { frame: Frame; facts: ListFacts }) {
  const { query, runs, older } = facts;
  const narrowed = query.state !== '' || query.repository !== '' || query.text !== '';
  return (
    <Page frame={frame}>
      <h1>Runs</h1>
      <Filters facts={facts} />
      {runs.length === 0 ? (
        <p class="empty">
          {narrowed
            ? 'No run fits.'
            : 'No runs yet. Put the label agent-ready on an issue with a contract, and its run appears here.'}
        </p>
      ) : (
        <RunTable runs={runs} />
      )}
      <nav class="pages" aria-label="Pages">
        {query.before === null ? null : <a href={addressOf({ ...query, before: null })}>Newest</a>}
        {older === null ? null : (
          <a href={older} rel="next">
            Older
          </a>
        )}
      </nav>
    </Page>
  );
}

export function addressOf(query: ListQuery): string {
  const search = new URLSearchParams();
  if (query.state) search.set('state', query.state);
  if (query.repository) search.set('repository', query.repository);
  if (query.text) search.set('q', query.text);
  if (query.before) search.set('before', query.before);
  const text = search.toString();
  return text === '' ? '/' : `/?${text}`;
}

function Filters({ facts: { query, repositories } }: { facts: ListFacts }) {
  return (
    <search>
      <form class="filters" method="get" action="/">
        <label>
          State
          <select name="state">
            {Object.entries(stateChoices).map(([value, { label }]) => (
              <option value={value} selected={value === query.state}>
                {label}
              </option>
            ))}
          </select>
        </label>
        <label>
          Repository
          <input name="repository" value={query.repository} placeholder="owner/name" list="repositories" />
        </label>
        <datalist id="repositories">
          {repositories.map((name) => (
            <option value={lineOf(name)}></option>
          ))}
        </datalist>
        <label>
          Issue
          <input name="q" value={query.text} placeholder="#12 or words of the title" />
        </label>
        <button type="submit">Filter</button>
        {query.state || query.repository || query.text ? (
          <a class="clear" href="/">
            Clear
          </a>
        ) : null}
      </form>
    </search>
  );
}

function RunTable({ runs }: { runs: ListFacts['runs'] }) {
  return (
    <table class="runs">
      <caption class="unseen">Runs, newest first</caption>
      <thead>
        <tr>
          <th scope="col">State</th>
          <th scope="col">Issue</th>
          <th scope="col">Stage</th>
          <th scope="col">Outcome</th>
          <th scope="col" class="number">
            Spent
          </th>
          <th scope="col" class="number">
            Began
          </th>
        </tr>
      </thead>
      <tbody>
        {runs.map((run) => (
          <RunRow run={run} />
        ))}
      </tbody>
    </table>
  );
}

function RunRow({ run }: { run: ListFacts['runs'][number] }) {
  const took = (run.endedAtMs ?? run.updatedAtMs) - run.createdAtMs;
  return (
    <tr>
      <td class="of-state">
        <State word={stateWord(run)} />
      </td>
      <th scope="row" class="of-issue">
        <a href={`/runs/${encodeURIComponent(run.id)}`}>{lineOf(run.title, 160) || 'Untitled'}</a>
        <span class="sub">
          <Line text={run.issue === 0 ? `${run.owner}/${run.name}` : `${run.owner}/${run.name}#${run.issue}`} />
          {run.attempt > 1 ? ` · attempt ${run.attempt}` : ''}
          {run.pullRequest !== null && run.issue !== 0 ? ` · pull request #${run.pullRequest}` : ''}
        </span>
      </th>
      <td class="of-stage">
        <StageBar run={run} />
        {run.state === 'done' ? <span class="unseen">all stages</span> : <span class="sub">{run.stage}</span>}
      </td>
      <td class="outcome">
        {run.outcome === null ? <span class="none">–</span> : <Said text={run.outcome.text} max={140} />}
      </td>
      <td class="number of-spent">{run.spent}</td>
      <td class="number of-time">
        <Moment atMs={run.createdAtMs} />
        {run.state === 'queued' ? null : (
          <span class="sub">
            {run.endedAtMs === null ? `${durationText(took)} so far` : `took ${durationText(took)}`}
          </span>
        )}
      </td>
    </tr>
  );
}

/** How far a run has come, at a glance; the word beside it says the same. */
function StageBar({ run }: { run: ListFacts['runs'][number] }) {
  const now = stageNames.indexOf(run.stage);
  const ended = run.state === 'done';
  return (
    <span class={`stage-bar of-${run.state}`} aria-hidden="true">
      {stageNames.map((_, index) => (
        <span class={ended || index < now ? 'past' : index === now ? 'here' : ''}></span>
      ))}
    </span>
  );
}
