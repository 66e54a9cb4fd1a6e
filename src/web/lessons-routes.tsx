/** @jsxImportSource hono/jsx */
import type { Hono } from 'hono';
import { causeWith, newestLessons } from '../learning/lessons.ts';
import { scoreOf } from '../learning/score.ts';
import { type LessonLine, LessonsPage } from './lessons-page.tsx';
import { choose, type Readable, readableRepositories } from './readable.ts';
import { frameOf, toSignIn, viewerOf, type WebEnvironment, type WebParts } from './web-context.ts';

/** Newest first; what is older has been decided long ago. */
const mostLessons = 60;

export function addLessonsRoutes(app: Hono<WebEnvironment>, parts: WebParts): void {
  const { access } = parts;
  app.get('/lessons', async (c) => {
    const viewer = viewerOf(c, access);
    if (viewer === null) return toSignIn(c);
    const readable = await readableRepositories(viewer, parts);
    const { chosen, repository } = choose(readable, c.req.query('repository'));
    const facts = {
      lessons: await linesOf(chosen, parts),
      repository,
      repositories: readable.map(({ label }) => label),
    };
    return c.html(<LessonsPage frame={frameOf(viewer, access, 'Lessons', 'lessons')} facts={facts} />);
  });
}

async function linesOf(repositories: readonly Readable[], { doors: { db, host } }: WebParts): Promise<LessonLine[]> {
  const labels = new Map(repositories.map(({ key, label }) => [key, label]));
  const lines: LessonLine[] = [];
  const counts = new Map<string, number>();
  for (const lesson of await newestLessons(db, [...labels.keys()], mostLessons)) {
    const met = await causeWith(db, lesson.repository, lesson.signature);
    const label = labels.get(lesson.repository) ?? '';
    lines.push({
      lesson,
      label,
      cause: met?.cause ?? null,
      met: met?.runs ?? 0,
      score: lesson.state === 'active' ? await scoreOf(db, lesson, counts) : null,
      pullUrl: lesson.pullRequest === null ? null : `${host.githubUrl}/${label}/pull/${lesson.pullRequest}`,
    });
  }
  return lines;
}
