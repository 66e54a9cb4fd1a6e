/** @jsxImportSource hono/jsx */
import type { Child } from 'hono/jsx';
import { type Metrics, ratio, type Share } from '../learning/metrics.ts';
import { count, durationText } from '../report/phrases.ts';
import { type Frame, Page } from './layout.tsx';
import { RepositoryChoice } from './repository-choice.tsx';

export interface TrendsFacts {
  /** One group a week, newest first; weeks without a run are missing. */
  weeks: readonly Metrics[];
  /** `owner/name` that the figures are of; empty: of all that the viewer can read. */
  repository: string;
  repositories: readonly string[];
  /** How many weeks were asked for. */
  span: number;
}

/** One figure over time. */
interface Figure {
  heading: string;
  /** What it counts, in a few words. */
  about: string;
  value: (week: Metrics) => number | null;
  text: (value: number) => string;
  /** Whether the scale ends at 1. */
  share?: boolean;
}

const percent = (value: number) => `${Math.round(value * 100)} %`;
const money = (value: number) => `$${value.toFixed(2)}`;

const figures: readonly Figure[] = [
  { heading: 'Runs', about: 'ended or waiting', value: ({ runs }) => runs, text: count },
  { heading: 'Merged', about: 'pull requests', value: ({ merged }) => merged, text: count },
  {
    heading: 'First round passes',
    about: 'of the runs that verification judged',
    value: ({ firstRoundPass }) => ratio(firstRoundPass),
    text: percent,
    share: true,
  },
  {
    heading: 'Rework',
    about: 'of the runs that verification judged',
    value: ({ rework }) => ratio(rework),
    text: percent,
    share: true,
  },
  {
    heading: 'Time to first useful patch',
    about: 'median, from the label',
    value: ({ timeToPatchMs }) => timeToPatchMs,
    text: durationText,
  },
  { heading: 'Review time', about: 'median, to merge or close', value: ({ reviewMs }) => reviewMs, text: durationText },
  {
    heading: 'Escaped defects',
    about: 'merged, later reverted or mended',
    value: ({ escapedDefects, merged }) => (merged === 0 ? null : escapedDefects.count),
    text: count,
  },
  {
    heading: 'Repeated mistakes',
    about: 'of the failures that can be told apart',
    value: ({ repeatedMistakes }) => ratio(repeatedMistakes),
    text: percent,
    share: true,
  },
  {
    heading: 'Cost per merged pull request',
    about: 'unknown with a model without a price',
    value: ({ costPerMergedUsd }) => costPerMergedUsd,
    text: money,
  },
];

export function TrendsPage({ frame, facts, nowMs }: { frame: Frame; facts: TrendsFacts; nowMs: number }) {
  const mondays = mondaysOf(facts.span, nowMs);
  const byWeek = new Map(facts.weeks.map((week) => [week.week ?? '', week]));
  return (
    <Page frame={frame}>
      <h1>Trends</h1>
      <p class="lead">{`Whether runs come back less and less: the last ${facts.span} weeks, each from Monday, in UTC. Large figures are of the newest week that has one.`}</p>
      <Choice facts={facts} />
      {facts.weeks.length === 0 ? (
        <p class="empty">No run has ended in these weeks.</p>
      ) : (
        <>
          <div class="charts">
            {figures.map((figure) => (
              <Chart figure={figure} mondays={mondays} byWeek={byWeek} />
            ))}
          </div>
          <Table weeks={facts.weeks} />
        </>
      )}
    </Page>
  );
}

function Choice({ facts }: { facts: TrendsFacts }) {
  return (
    <form class="filters" method="get" action="/trends">
      <RepositoryChoice repositories={facts.repositories} chosen={facts.repository} />
      <label>
        Weeks
        <select name="weeks">
          {[6, 12, 26, 52].map((weeks) => (
            <option value={String(weeks)} selected={weeks === facts.span}>
              {weeks}
            </option>
          ))}
        </select>
      </label>
      <button type="submit">Show</button>
    </form>
  );
}

const weekMs = 7 * 86_400_000;

/** Mondays of the weeks up to now, oldest first. */
function mondaysOf(span: number, nowMs: number): string[] {
  const today = new Date(nowMs);
  const monday = nowMs - ((today.getUTCDay() + 6) % 7) * 86_400_000;
  return Array.from({ length: span }, (_, index) =>
    new Date(monday - (span - 1 - index) * weekMs).toISOString().slice(0, 10),
  );
}

const width = 420;
const height = 130;
const edge = { left: 4, right: 4, top: 16, bottom: 18 };

/** Bars by week. The figures stand in the table below: who cannot see the picture misses nothing. */
function Chart({
  figure,
  mondays,
  byWeek,
}: {
  figure: Figure;
  mondays: readonly string[];
  byWeek: ReadonlyMap<string, Metrics>;
}) {
  const values = mondays.map((monday) => {
    const week = byWeek.get(monday);
    return week === undefined ? null : figure.value(week);
  });
  const known = values.filter((value) => value !== null);
  const highest = Math.max(...known, 0);
  const top = figure.share ? 1 : highest || 1;
  const latest = known.at(-1);
  const step = (width - edge.left - edge.right) / mondays.length;
  const room = height - edge.top - edge.bottom;
  return (
    <figure class="chart">
      <figcaption>
        <span>
          {figure.heading}
          <span class="sub">{figure.about}</span>
        </span>
        <span class="newest">{latest === undefined ? '–' : figure.text(latest)}</span>
      </figcaption>
      <svg viewBox={`0 0 ${width} ${height}`} aria-hidden="true" focusable="false">
        <line class="grid" x1="0" x2={width} y1={height - edge.bottom} y2={height - edge.bottom} />
        <line class="grid" x1="0" x2={width} y1={edge.top} y2={edge.top} stroke-dasharray="2 4" />
        <text x={width - 2} y={edge.top - 4} text-anchor="end">
          {known.length === 0 ? '' : figure.text(top)}
        </text>
        {values.map((value, index) => {
          if (value === null) return null;
          const tall = Math.max(1.5, (value / top) * room);
          return (
            <rect
              class={index === mondays.length - 1 ? 'bar latest' : 'bar'}
              x={round(edge.left + index * step + step * 0.15)}
              y={round(height - edge.bottom - tall)}
              width={round(step * 0.7)}
              height={round(tall)}
              rx="1.5"
            />
          );
        })}
        <text x={edge.left} y={height - 4}>
          {mondays[0]?.slice(5)}
        </text>
        <text x={width - edge.right} y={height - 4} text-anchor="end">
          {mondays.at(-1)?.slice(5)}
        </text>
      </svg>
    </figure>
  );
}

const round = (value: number): number => Math.round(value * 10) / 10;

function ShareText({ share }: { share: Share }) {
  if (share.of === 0) return '–';
  return (
    <>
      {percent(share.count / share.of)}
      <span class="sub">{`${share.count} of ${share.of}`}</span>
    </>
  );
}
const timeText = (value: number | null) => (value === null ? '–' : durationText(value));

function Table({ weeks }: { weeks: readonly Metrics[] }) {
  const columns: [string, (week: Metrics) => Child][] = [
    ['Runs', ({ runs }) => count(runs)],
    ['Merged', ({ merged }) => count(merged)],
    ['First round passes', ({ firstRoundPass }) => <ShareText share={firstRoundPass} />],
    ['Rework', ({ rework }) => <ShareText share={rework} />],
    ['Time to patch', ({ timeToPatchMs }) => timeText(timeToPatchMs)],
    ['Review', ({ reviewMs }) => timeText(reviewMs)],
    ['Escaped', ({ escapedDefects }) => <ShareText share={escapedDefects} />],
    ['Repeated', ({ repeatedMistakes }) => <ShareText share={repeatedMistakes} />],
    ['Tokens', ({ tokens }) => count(tokens)],
    ['Cost per merge', ({ costPerMergedUsd }) => (costPerMergedUsd === null ? '–' : money(costPerMergedUsd))],
  ];
  return (
    <section class="part wide-table" aria-labelledby="figures" tabindex={0}>
      <h2 id="figures">The same in figures</h2>
      <table>
        <caption class="unseen">Figures by week, newest first</caption>
        <thead>
          <tr>
            <th scope="col">Week of</th>
            {columns.map(([name]) => (
              <th scope="col" class="number">
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {weeks.map((week) => (
            <tr>
              <th scope="row">{week.week}</th>
              {columns.map(([, text]) => (
                <td class="number">{text(week)}</td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}
