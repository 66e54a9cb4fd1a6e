/** @jsxImportSource hono/jsx */
import type { Hono } from 'hono';
import { repositoryKey } from '../doors.ts';
import { repositoriesWithRuns } from '../engine/run-list.ts';
import type { Role } from '../github/github.ts';
import { readMetrics } from '../learning/metrics.ts';
import type { Viewer } from './access.ts';
import { TrendsPage } from './trends-page.tsx';
import { frameOf, toSignIn, viewerOf, type WebEnvironment, type WebParts } from './web-context.ts';

const usualWeeks = 12;
const mostWeeks = 52;
/** Questions to GitHub at a time. */
const atOnce = 20;
/** Repositories that somebody is shown the figures of; beyond that, those first by name. */
const mostRepositories = 500;

export function addTrendsRoutes(app: Hono<WebEnvironment>, parts: WebParts): void {
  const { doors, access } = parts;
  app.get('/trends', async (c) => {
    const viewer = viewerOf(c, access);
    if (viewer === null) return toSignIn(c);
    const readable = await readableRepositories(viewer, parts);
    const asked = (c.req.query('repository') ?? '').trim();
    const chosen =
      asked === '' ? readable : readable.filter(({ label }) => label.toLowerCase() === asked.toLowerCase());
    const span = Math.min(mostWeeks, Math.max(1, Math.floor(Number(c.req.query('weeks') ?? usualWeeks) || usualWeeks)));
    const nowMs = doors.clock.nowMs();
    const weeks = await readMetrics(doors.db, {
      by: 'week',
      repositories: chosen.map(({ key }) => key),
      weeks: span,
      nowMs,
    });
    const facts = {
      weeks,
      span,
      repository: chosen[0] && asked ? chosen[0].label : '',
      repositories: readable.map(({ label }) => label),
    };
    return c.html(<TrendsPage frame={frameOf(viewer, access, 'Trends', 'trends')} facts={facts} nowMs={nowMs} />);
  });
}

/** Repositories with runs that the viewer can read, by name. */
export async function readableRepositories(
  viewer: Viewer,
  { doors, access }: WebParts,
): Promise<{ key: string; label: string }[]> {
  const known = await repositoriesWithRuns(doors.db, mostRepositories);
  const roles: Role[] = [];
  for (let from = 0; from < known.length; from += atOnce) {
    const some = known.slice(from, from + atOnce);
    roles.push(...(await Promise.all(some.map((ref) => access.roleOf(viewer, ref)))));
  }
  return known
    .filter((_, index) => roles[index] !== 'none')
    .map(({ owner, name }) => ({
      key: repositoryKey(doors.host.githubHost, { owner, name }),
      label: `${owner}/${name}`,
    }));
}
