/** @jsxImportSource hono/jsx */
import type { Child } from 'hono/jsx';
import type { StageLine } from '../report/facts.ts';
import { durationText } from '../report/phrases.ts';
import { type Run, stageNames } from '../run.ts';
import { ChecksPart } from './checks-part.tsx';
import { ContractPart, PolicyPart } from './contract-part.tsx';
import { DiffPart } from './diff-part.tsx';
import { type Frame, Page } from './layout.tsx';
import { LogPart, TranscriptPart } from './log-part.tsx';
import { BriefingPart, PlanPart } from './plan-part.tsx';
import { RoundsPart } from './rounds-part.tsx';
import { type RunView, shownTranscript } from './run-view.ts';
import { Numbers } from './spent-part.tsx';
import { Block, Code, Line, lineOf, Moment, markOf, Prose, Said, State, stateWord } from './text.tsx';

/** What the viewer may do to the run. */
export interface Allowed {
  stop: boolean;
  retry: boolean;
}

export const runAddress = (id: string): string => `/runs/${encodeURIComponent(id)}`;

export function RunPage({ frame, view, allowed }: { frame: Frame; view: RunView; allowed: Allowed }) {
  const { run, patch, verdict, built } = view;
  const address = runAddress(run.id);
  const earlier = view.transcript[0];
  const live = isLive(run);
  const log = <LogPart log={view.log} live={live} address={address} />;
  return (
    <Page frame={frame}>
      <RunHead view={view} actions={<Actions run={run} allowed={allowed} csrf={frame.csrf} />} />
      <Now view={view} />
      <Contents view={view} />
      {live ? log : null}
      <ChecksPart verdict={verdict} evidence={`${address}/evidence.json`} />
      <DiffPart patch={patch} built={built} address={`${address}/patch`} />
      <RoundsPart rounds={view.rounds} />
      {live ? null : log}
      <ContractPart status={view.status} />
      <PolicyPart status={view.status} />
      <PlanPart planned={view.plan} />
      <BriefingPart briefing={view.briefing} />
      <TranscriptPart
        address={address}
        page={{
          events: view.transcript,
          earlier:
            earlier === undefined || view.transcript.length < shownTranscript
              ? null
              : `${address}/transcript?before=${earlier.id}`,
        }}
      />
    </Page>
  );
}

const isLive = ({ state }: Pick<Run, 'state'>) => state === 'queued' || state === 'running';

function RunHead({ view: { run, issueUrl, status }, actions }: { view: RunView; actions: Child }) {
  const name = `${run.owner}/${run.name}${run.issue === 0 ? '' : `#${run.issue}`}`;
  return (
    <header class="run-head">
      <p class="crumbs">
        <a href="/">Runs</a> <span aria-hidden="true">/</span>{' '}
        <a href={`/?repository=${encodeURIComponent(`${run.owner}/${run.name}`)}`}>
          <Line text={`${run.owner}/${run.name}`} />
        </a>{' '}
        <span aria-hidden="true">/</span> <span class="id">{run.id}</span>
      </p>
      <div class="title">
        <h1>{lineOf(run.request.title, 200) || 'Untitled'}</h1>
        {actions}
      </div>
      <ul class="links">
        {issueUrl === null ? null : (
          <li>
            <a href={issueUrl}>{lineOf(name)}</a>
          </li>
        )}
        {status.pullRequest === null || run.issue === 0 ? null : (
          <li>
            <a href={status.pullRequest.url}>{`Pull request #${status.pullRequest.number}`}</a>
          </li>
        )}
        <li>
          Branch <Code text={run.branch} max={80} />
        </li>
      </ul>
    </header>
  );
}

/** State, stages and numbers: what the page's script brings up to date while the run goes on. */
function Now({ view }: { view: RunView }) {
  const { run, status } = view;
  return (
    <div id="now">
      <p class="now">
        <State word={stateWord(run)} />
        <span>{`attempt ${run.attempt}`}</span>
        <span>
          {'began '}
          <Moment atMs={run.createdAtMs} />
        </span>
        <span>
          {'by '}
          <Line text={run.start.by} max={60} />
          {` (${run.start.reason})`}
        </span>
        {run.headSha === null ? null : (
          <span>
            {'head '}
            <Code text={run.headSha.slice(0, 10)} />
          </span>
        )}
      </p>
      {status.queue === null ? null : (
        <p class="callout">
          {`Number ${status.queue.position} in the queue`}
          {status.queue.reason === null ? '.' : `: ${status.queue.reason}.`}
        </p>
      )}
      <Outcome view={view} />
      <Stages timeline={status.timeline} />
      <Numbers view={view} />
    </div>
  );
}

function Outcome({ view: { run, status } }: { view: RunView }) {
  if (run.outcome === null) return null;
  const tone = run.state === 'failed' ? 'bad' : run.state === 'done' ? 'good' : 'warn';
  return (
    <div class={`callout ${tone}`}>
      <p>
        <Said text={run.outcome.text} max={1000} /> <Code text={run.outcome.code} max={80} />
      </p>
      {status.question === null ? null : (
        <>
          <h2>Question</h2>
          <Prose text={status.question} />
        </>
      )}
      {run.outcome.detail === null ? null : (
        <details>
          <summary>Last output</summary>
          <Block text={run.outcome.detail} />
        </details>
      )}
    </div>
  );
}

function Stages({ timeline }: { timeline: readonly StageLine[] }) {
  const lines: readonly StageLine[] =
    timeline.length > 0
      ? timeline
      : stageNames.map((stage) => ({ stage, state: 'pending', durationMs: null, note: null }));
  return (
    <ol class="stages" aria-label="Stages">
      {lines.map((line) => (
        <li class={line.state} {...(line.state === 'running' ? { 'aria-current': 'step' as const } : {})}>
          <span class="mark" aria-hidden="true">
            {markOf(line.state)}
          </span>
          <span class="name">{line.stage}</span>
          <span class="unseen">{`, ${line.state}`}</span>
          <span class="sub">{line.durationMs === null ? ' ' : durationText(line.durationMs)}</span>
          {line.note === null ? null : (
            <span class="sub">
              <Line text={line.note} max={60} />
            </span>
          )}
        </li>
      ))}
    </ol>
  );
}

function Actions({ run, allowed, csrf }: { run: Run; allowed: Allowed; csrf: string }) {
  if (!allowed.stop && !allowed.retry) return null;
  const address = runAddress(run.id);
  return (
    <div class="actions">
      {allowed.retry ? (
        <details name="actions">
          <summary class="button">Retry …</summary>
          <form method="post" action={`${address}/retry`}>
            <input type="hidden" name="csrf" value={csrf} />
            <label>
              From
              <select name="from">
                <option value="">where it makes sense</option>
                {stageNames.map((stage) => (
                  <option value={stage}>{stage}</option>
                ))}
              </select>
            </label>
            <label class="wide">
              Guidance for the agent
              <textarea name="guidance" rows={4} maxlength={20_000}></textarea>
            </label>
            <button type="submit">Begin another attempt</button>
          </form>
        </details>
      ) : null}
      {allowed.stop ? (
        <details name="actions">
          <summary class="button danger">Stop …</summary>
          <form method="post" action={`${address}/stop`}>
            <input type="hidden" name="csrf" value={csrf} />
            <label class="wide">
              Reason (shown on the issue)
              <input name="reason" maxlength={500} />
            </label>
            <button type="submit" class="danger">
              Stop the run
            </button>
          </form>
        </details>
      ) : null}
    </div>
  );
}

function Contents({ view }: { view: RunView }) {
  const live = isLive(view.run);
  const parts: [string, string, boolean][] = [
    ['log', 'Log', live],
    ['checks', 'Verification', view.verdict !== null],
    ['changes', 'Changes', view.built !== null || view.patch.files.length > 0],
    ['rounds', 'Rounds', view.rounds.length > 0],
    ['log', 'Log', !live],
    ['contract', 'Contract', true],
    ['policy', 'Policy', view.status.walls !== null],
    ['plan', 'Plan', view.plan !== null],
    ['context', 'Context', view.briefing !== null],
    ['transcript', 'Transcript', view.transcript.length > 0],
  ];
  return (
    <nav class="contents" aria-label="On this page">
      {parts
        .filter(([, , there]) => there)
        .map(([id, name]) => (
          <a href={`#${id}`}>{name}</a>
        ))}
    </nav>
  );
}
