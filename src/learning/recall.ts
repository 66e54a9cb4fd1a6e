import type { Lesson as BriefingLesson } from '../context/choose.ts';
import type { Doors } from '../doors.ts';
import type { Database } from '../engine/database.ts';
import type { Briefing } from '../stages/context.ts';
import { ruleOf } from './agent-rules.ts';
import { lessonsOf } from './lessons.ts';
import { rulesPath } from './proposals.ts';

const briefingName = (id: string) => `lesson-${id}`;

/**
 * Merged lessons of a repository, for the context stage. A rule is read from the base commit, as people have left it there: one that
 * they took out is not recalled. Errors: `outside.git`, `outside.database`.
 */
export async function recallLessons(
  repository: string,
  base: { mirror: string; commit: string },
  { db, git }: Pick<Doors, 'db' | 'git'>,
): Promise<BriefingLesson[]> {
  const lessons = await lessonsOf(db, repository, ['active']);
  const bytes = lessons.length === 0 ? null : await git.read(base.mirror, base.commit, rulesPath);
  const rules = bytes === null ? '' : Buffer.from(bytes).toString('utf8');
  return lessons.flatMap(({ id, data }) => {
    const text = data.path === rulesPath ? ruleOf(rules, id) : data.rule;
    return text === null ? [] : [{ name: briefingName(id), text, paths: data.about }];
  });
}

/** Keeps which lessons a briefing held, for their score. May be called twice. */
export async function noteUses(
  db: Database,
  repository: string,
  run: { id: string; attempt: number },
  briefing: Briefing,
): Promise<void> {
  const held = new Set(briefing.entries.filter(({ kind }) => kind === 'lesson').map(({ path }) => path));
  if (held.size === 0) return;
  for (const { id } of await lessonsOf(db, repository, ['active'])) {
    if (!held.has(briefingName(id))) continue;
    await db.run(
      `INSERT INTO lesson_uses (lesson_id, run_id, attempt, at_ms) VALUES ($1, $2, $3, ${db.nowMs})
       ON CONFLICT (lesson_id, run_id, attempt) DO NOTHING`,
      id,
      run.id,
      run.attempt,
    );
  }
}
