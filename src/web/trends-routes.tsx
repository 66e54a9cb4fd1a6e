/** @jsxImportSource hono/jsx */
import type { Hono } from 'hono';
import { readMetrics } from '../learning/metrics.ts';
import { choose, readableRepositories } from './readable.ts';
import { TrendsPage } from './trends-page.tsx';
import { frameOf, toSignIn, viewerOf, type WebEnvironment, type WebParts } from './web-context.ts';

const usualWeeks = 12;
const mostWeeks = 52;

export function addTrendsRoutes(app: Hono<WebEnvironment>, parts: WebParts): void {
  const { doors, access } = parts;
  app.get('/trends', async (c) => {
    const viewer = viewerOf(c, access);
    if (viewer === null) return toSignIn(c);
    const readable = await readableRepositories(viewer, parts);
    const { chosen, repository } = choose(readable, c.req.query('repository'));
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
      repository,
      repositories: readable.map(({ label }) => label),
    };
    return c.html(<TrendsPage frame={frameOf(viewer, access, 'Trends', 'trends')} facts={facts} nowMs={nowMs} />);
  });
}
