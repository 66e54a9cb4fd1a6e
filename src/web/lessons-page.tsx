/** @jsxImportSource hono/jsx */
import type { Cause } from '../engine/records.ts';
import { kindWords } from '../learning/lesson-report.ts';
import type { Lesson, LessonState } from '../learning/lessons.ts';
import type { Share } from '../learning/metrics.ts';
import type { LessonScore } from '../learning/score.ts';
import { plural } from '../report/phrases.ts';
import { type Frame, Page } from './layout.tsx';
import { RepositoryChoice } from './repository-choice.tsx';
import { Code, Line, Moment, Said } from './text.tsx';

export interface LessonLine {
  lesson: Lesson;
  /** `owner/name` */
  label: string;
  /** What its newest run met; null when no run of it is known any more. */
  cause: Cause | null;
  /** Runs that met it. */
  met: number;
  /** Of a merged one. */
  score: LessonScore | null;
  pullUrl: string | null;
}

export interface LessonsFacts {
  /** Newest first. */
  lessons: readonly LessonLine[];
  repository: string;
  repositories: readonly string[];
}

const states: Readonly<Record<LessonState, { word: string; tone: string; mark: string }>> = {
  new: { word: 'not proposed yet', tone: 'queued', mark: '◷' },
  open: { word: 'proposed', tone: 'waiting', mark: '?' },
  active: { word: 'in force', tone: 'done', mark: '✓' },
  closed: { word: 'not wanted', tone: 'stopped', mark: '■' },
  retired: { word: 'taken out', tone: 'stopped', mark: '–' },
};

export function LessonsPage({ frame, facts }: { frame: Frame; facts: LessonsFacts }) {
  return (
    <Page frame={frame}>
      <h1>Lessons</h1>
      <p class="lead">
        What went wrong twice, and the smallest durable fix that is proposed for it. A person merges each one; whether
        the failure then comes back is counted.
      </p>
      <Choice facts={facts} />
      {facts.lessons.length === 0 ? (
        <p class="empty">No lesson yet: nothing has gone wrong twice in the same way.</p>
      ) : (
        <ul class="lessons">
          {facts.lessons.map((line) => (
            <Entry line={line} />
          ))}
        </ul>
      )}
    </Page>
  );
}

function Choice({ facts: { repository, repositories } }: { facts: LessonsFacts }) {
  return (
    <form class="filters" method="get" action="/lessons">
      <RepositoryChoice repositories={repositories} chosen={repository} />
      <button type="submit">Show</button>
    </form>
  );
}

function Entry({ line: { lesson, label, cause, met, score, pullUrl } }: { line: LessonLine }) {
  const { word, tone, mark } = states[lesson.state];
  const removal = lesson.data.removes !== null;
  return (
    <li class="part lesson" id={`lesson-${lesson.id}`}>
      <div class="part-head">
        <h2>
          {removal ? 'A lesson to take out again' : headingOf(cause)}
          {cause === null || cause.subject === '' ? null : (
            <>
              {' '}
              <Code text={cause.subject} max={80} />
            </>
          )}
        </h2>
        <span class={`state state-${tone}`}>
          <span class="mark" aria-hidden="true">
            {mark}
          </span>
          {word}
        </span>
      </div>
      {lesson.data.rule === null ? null : (
        <p class="rule">
          <Said text={unescaped(lesson.data.rule)} max={600} />
        </p>
      )}
      <p class="sub">
        <Line text={label} max={120} />
        {lesson.data.path === null ? null : (
          <>
            {' · '}
            <Code text={lesson.data.path} max={120} />
          </>
        )}
        {pullUrl === null ? null : (
          <>
            {' · '}
            <a href={pullUrl}>{`Pull request #${lesson.pullRequest}`}</a>
          </>
        )}
        {' · '}
        <Moment atMs={lesson.createdAtMs} />
      </p>
      {score === null ? removal ? null : <p class="sub">{`${plural(met, 'run')} met it.`}</p> : <Score score={score} />}
    </li>
  );
}

const headingOf = (cause: Cause | null): string => {
  const words = cause === null ? 'a failure that repeats' : kindWords[cause.kind];
  return words.charAt(0).toUpperCase() + words.slice(1);
};

function Score({ score }: { score: LessonScore }) {
  const share = ({ count, of }: Share) => (of === 0 ? 'no run' : `${count} of ${of} runs`);
  return (
    <dl class="score">
      <div>
        <dt>Met it before</dt>
        <dd>{share(score.before)}</dd>
      </div>
      <div>
        <dt>since the merge</dt>
        <dd>{share(score.after)}</dd>
      </div>
      <div>
        <dt>of those that had read it</dt>
        <dd>{share(score.used)}</dd>
      </div>
    </dl>
  );
}

/** A finished line of Markdown as words: code stays marked, escapes go. */
const unescaped = (markdown: string): string => markdown.replace(/\\([^\w\s])/g, '$1');
