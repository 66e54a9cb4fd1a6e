import type { Database } from '../engine/database.ts';
import { type Lesson, lessonId, lessonsOf } from './lessons.ts';
import type { Share } from './metrics.ts';
import { rulesPath, skillPath } from './proposals.ts';

/** How a merged lesson does: runs that met its failure, of all runs of the repository, before and since its merge. */
export interface LessonScore {
  before: Share;
  after: Share;
  /** Attempts whose briefing held it, and those of them that met the failure all the same. */
  used: Share;
  lastUsedAtMs: number | null;
}

const dayMs = 24 * 60 * 60_000;
/** Without a use for so long, a lesson is proposed for removal. */
const unusedMs = 90 * dayMs;
/** Attempts that a lesson is given to show that it helps. */
const trial = 8;

/** A run counts among all on the side of its newest end. `known` keeps counts for the next lesson of the same repository. */
export async function scoreOf(db: Database, lesson: Lesson, known = new Map<string, number>()): Promise<LessonScore> {
  const { repository, signature, id, decidedAtMs } = lesson;
  const at = decidedAtMs ?? Number.MAX_SAFE_INTEGER;
  const runs = async (text: string, ...values: (string | number)[]) =>
    Number((await db.all<{ runs: number }>(text, repository, ...values))[0]?.runs ?? 0);
  const all = 'SELECT COUNT(*) AS runs FROM records WHERE repository = $1 AND latest = 1';
  const met = 'SELECT COUNT(DISTINCT run_id) AS runs FROM causes WHERE repository = $1 AND signature = $2 AND at_ms';
  const total = known.get(repository) ?? (await runs(all));
  known.set(repository, total);
  const later = await runs(`${all} AND ended_at_ms >= $2`, at);
  // What was met on one side may have ended anew on the other.
  const share = (count: number, of: number): Share => ({ count, of: Math.max(count, of) });
  const [used] = await db.all<{ uses: number; again: number; last: number | null }>(
    `SELECT COUNT(*) AS uses, COUNT(causes.run_id) AS again, MAX(lesson_uses.at_ms) AS last FROM lesson_uses
     LEFT JOIN causes ON causes.run_id = lesson_uses.run_id AND causes.attempt = lesson_uses.attempt AND causes.signature = $2
     WHERE lesson_id = $1`,
    id,
    signature,
  );
  return {
    before: share(await runs(`${met} < $3`, signature, at), total - later),
    after: share(await runs(`${met} >= $3`, signature, at), later),
    used: { count: Number(used?.again ?? 0), of: Number(used?.uses ?? 0) },
    lastUsedAtMs: used?.last ?? null,
  };
}

/** Why a lesson is of no use (any more); null while it is, or may be. */
export function uselessness(
  lesson: Pick<Lesson, 'decidedAtMs' | 'data'>,
  score: LessonScore,
  nowMs: number,
): string | null {
  const { before, after, used, lastUsedAtMs } = score;
  const rate = ({ count, of }: Share) => (of === 0 ? 0 : count / of);
  if (!isRead(lesson.data))
    return after.of >= trial && after.count > 0 && rate(after) >= rate(before)
      ? `${after.count} of ${after.of} runs met the failure since it was merged: no fewer than before.`
      : null;
  const idleSinceMs = Math.max(lesson.decidedAtMs ?? nowMs, lastUsedAtMs ?? 0);
  if (nowMs - idleSinceMs >= unusedMs)
    return `No run has used it for ${Math.floor((nowMs - idleSinceMs) / dayMs)} days.`;
  if (used.of >= trial && used.count > 0 && rate(after) >= rate(before) && rate(used) >= rate(before))
    return `${used.count} of ${used.of} attempts met the failure although they had read it: no fewer than before.`;
  return null;
}

/** Whether it works by being read: only such a lesson can go unused. A test, a fixture, a form or a policy does its work unseen. */
const isRead = ({ path }: Lesson['data']): boolean => path === rulesPath || path === skillPath;

/** Proposes to take out the lessons that nobody uses or that do not help; each once. May run on every process. Errors: `outside.database`. */
export async function expireLessons(db: Database): Promise<void> {
  const rows = await db.all<{ repository: string; now: number }>(
    `SELECT DISTINCT repository, ${db.nowMs} AS now FROM lessons WHERE state = 'active'`,
  );
  for (const { repository, now } of rows) {
    for (const lesson of await lessonsOf(db, repository, ['active'])) {
      if (lesson.data.path !== rulesPath && lesson.data.undo === null) continue;
      if (uselessness(lesson, await scoreOf(db, lesson), Number(now)) !== null) await raiseRemoval(db, lesson);
    }
  }
}

async function raiseRemoval(db: Database, { id, repository }: Lesson): Promise<void> {
  const signature = `removal:${id}`;
  await db.run(
    `INSERT INTO lessons (id, repository, signature, state, data, due, due_at_ms, created_at_ms, updated_at_ms)
     VALUES ($1, $2, $3, 'new', $4, 1, ${db.nowMs}, ${db.nowMs}, ${db.nowMs}) ON CONFLICT DO NOTHING`,
    lessonId(repository, signature),
    repository,
    signature,
    JSON.stringify({ removes: id }),
  );
}
