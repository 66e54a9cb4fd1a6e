/** @jsxImportSource hono/jsx */
import type { EventHead } from '../engine/ledger.ts';
import { count } from '../report/phrases.ts';
import { type EventLine, eventLine } from './event-line.ts';
import { Part } from './layout.tsx';
import { Block, lineOf, Moment } from './text.tsx';

/** What has happened, newest last. While the run goes on, the page's script adds to it; without it the page shows what was. */
export function LogPart({ log, live, address }: { log: readonly EventHead[]; live: boolean; address: string }) {
  const last = log.at(-1)?.id ?? 0;
  return (
    <Part
      id="log"
      heading="Log"
      aside={
        <p id="log-status" class="claim" role="status">
          {live ? 'Reload the page for news' : ''}
        </p>
      }
    >
      <div
        class="log"
        role="log"
        aria-label="Events of the run"
        aria-live="off"
        tabindex={0}
        {...(live ? { 'data-stream': `${address}/log?after=${last}` } : {})}
      >
        <ol>
          {log.map((event) => (
            <LogLine line={eventLine(event)} />
          ))}
        </ol>
      </div>
      {live ? (
        <p class="switch">
          <label>
            <input type="checkbox" id="announce" /> Read new lines aloud (for screen readers)
          </label>
        </p>
      ) : null}
    </Part>
  );
}

function LogLine({ line }: { line: EventLine }) {
  const iso = new Date(line.atMs).toISOString();
  return (
    <li class={line.tone}>
      <time datetime={iso}>{iso.slice(11, 19)}</time>
      <span class="kind">{line.kind}</span>
      <span class="text">
        <bdi>{line.text}</bdi>
      </span>
    </li>
  );
}

export interface TranscriptPage {
  events: readonly EventHead[];
  /** Address of the events before these; null when these are the first. */
  earlier: string | null;
}

export function TranscriptPart({ page, address }: { page: TranscriptPage; address: string }) {
  if (page.events.length === 0) return null;
  return (
    <Part
      id="transcript"
      heading="Transcript"
      aside={page.earlier === null ? null : <a href={page.earlier}>Earlier events</a>}
    >
      <div class="transcript">
        {page.events.map((event) => (
          <Entry event={event} address={address} />
        ))}
      </div>
    </Part>
  );
}

function Entry({ event, address }: { event: EventHead; address: string }) {
  const line = eventLine(event);
  return (
    <details class={line.tone}>
      <summary>
        <span class="kind">{line.kind}</span> <bdi>{line.text}</bdi>
      </summary>
      <p class="sub">
        <Moment atMs={event.atMs} />
        {` · attempt ${event.attempt}`}
      </p>
      {event.data === null && event.chars > 4 ? (
        <p>
          <a href={`${address}/events/${event.id}`}>{`Show all ${count(event.chars)} characters`}</a>
        </p>
      ) : (
        <EventData data={event.data} />
      )}
    </details>
  );
}

/** Whatever an event holds, a field at a time: long texts as they are, the rest as JSON. */
export function EventData({ data }: { data: unknown }) {
  if (typeof data !== 'object' || data === null || Array.isArray(data))
    return <Block text={textOf(data)} max={40_000} />;
  const fields = Object.entries(data).slice(0, 60);
  return (
    <dl class="data">
      {fields.map(([name, value]) => (
        <div>
          <dt>{lineOf(name, 60)}</dt>
          <dd>{isShort(value) ? <bdi>{lineOf(String(value))}</bdi> : <Block text={textOf(value)} max={40_000} />}</dd>
        </div>
      ))}
    </dl>
  );
}

const isShort = (value: unknown): boolean =>
  value === null ||
  typeof value === 'number' ||
  typeof value === 'boolean' ||
  (typeof value === 'string' && value.length <= 120 && !value.includes('\n'));

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : (JSON.stringify(value, null, 2) ?? '');
}
