/** @jsxImportSource hono/jsx */
import { cutEnd, cutMiddle, visibleStart } from '../report/visible-text.ts';
import type { RunState } from '../run.ts';

/**
 * Text of others on a page. JSX escapes it for HTML; here it also loses what cannot be seen, what reorders and what steers a
 * terminal, and is cut. It never becomes a link, an attribute that is followed, or markup.
 */
export function Line({ text, max = 240 }: { text: string; max?: number }) {
  return <bdi>{lineOf(text, max)}</bdi>;
}

export const lineOf = (text: string, max = 240): string =>
  cutEnd(visibleStart(text, max).replace(/\s+/g, ' ').trim(), max);

/** The same with what stands between single backticks as code, as people write it in issues and as the app writes it in outcomes. */
export function Said({ text, max = 240 }: { text: string; max?: number }) {
  const parts = lineOf(text, max).split(/(?<!`)`([^`]+)`(?!`)/);
  return <bdi>{parts.map((part, index) => (index % 2 === 1 ? <code>{part}</code> : part))}</bdi>;
}

/** Several lines as they are, head and tail of a long one. */
export function Block({ text, max = 20_000 }: { text: string; max?: number }) {
  const seen = cutMiddle(visibleStart(text, Math.max(max, 200_000)), max).trimEnd();
  return seen === '' ? <p class="none">empty</p> : <pre class="block">{seen}</pre>;
}

/** Paragraphs of prose by others. */
export function Prose({ text, max = 6000 }: { text: string; max?: number }) {
  const lines = cutEnd(visibleStart(text, max).trim(), max).split('\n');
  return (
    <p class="prose">
      {lines.map((line, index) => (
        <>
          {index > 0 ? '\n' : ''}
          <Said text={line} max={max} />
        </>
      ))}
    </p>
  );
}

export function Code({ text, max = 240 }: { text: string; max?: number }) {
  return <code>{lineOf(text, max)}</code>;
}

/** A moment, in UTC; the page's script adds how long ago that is. */
export function Moment({ atMs }: { atMs: number }) {
  const iso = new Date(atMs).toISOString();
  return <time datetime={iso}>{`${iso.slice(0, 10)} ${iso.slice(11, 16)} UTC`}</time>;
}

/** How a state is marked: by a shape as well as by its colour. */
const marks: Record<string, string> = {
  queued: '◷',
  running: '●',
  waiting: '?',
  done: '✓',
  failed: '✕',
  stopped: '■',
  pending: '·',
  skipped: '–',
  review: '✓',
  merged: '✓',
  closed: '■',
};

const words: Partial<Record<string, string>> = {
  waiting: 'needs a person',
  review: 'in review',
  done: 'done',
};

/** What a run's state is called: what became of its pull request says more than `done`. */
export function stateWord(run: { state: RunState; outcome: { code: string } | null }): string {
  const code = run.outcome?.code;
  if (run.state === 'done' && (code === 'review' || code === 'merged' || code === 'closed')) return code;
  return run.state;
}

export function State({ word }: { word: string }) {
  return (
    <span class={`state state-${word}`}>
      <span class="mark" aria-hidden="true">
        {marks[word] ?? '·'}
      </span>
      {words[word] ?? word}
    </span>
  );
}

export const markOf = (word: string): string => marks[word] ?? '·';

/** A list of short texts, each on a line of its own; what is not shown is counted. */
export function Items({
  values,
  max = 200,
  as = 'text',
}: {
  values: readonly string[];
  max?: number;
  as?: 'text' | 'code';
}) {
  if (values.length === 0) return <span class="none">none</span>;
  const most = 100;
  return (
    <ul class={as === 'code' ? 'items codes' : 'items'}>
      {values.slice(0, most).map((value) => (
        <li>{as === 'code' ? <Code text={value} max={max} /> : <Said text={value} max={max} />}</li>
      ))}
      {values.length > most ? <li class="none">{values.length - most} more</li> : null}
    </ul>
  );
}
