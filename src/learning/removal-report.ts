import type { Database } from '../engine/database.ts';
import { code } from '../report/escape.ts';
import type { Lesson } from './lessons.ts';
import type { Share } from './metrics.ts';
import { scoreOf, uselessness } from './score.ts';

export function removalTitle({ id }: Pick<Lesson, 'id'>): string {
  return `Take lesson ${id} out again`;
}

/** Why a rule should go, in figures, written by code; the rule is finished Markdown. */
export async function removalBody(lesson: Lesson, { db, nowMs }: { db: Database; nowMs: number }): Promise<string> {
  const score = await scoreOf(db, lesson);
  const share = ({ count, of }: Share) => `${count} of ${of}`;
  return [
    uselessness(lesson, score, nowMs) ?? 'It has not shown that it helps.',
    `> ${lesson.data.rule ?? ''}`,
    [
      '| Runs that met its failure | |',
      '| --- | --- |',
      `| before it was merged | ${share(score.before)} |`,
      `| since then | ${share(score.after)} |`,
      `| attempts that had read it | ${share(score.used)} |`,
    ].join('\n'),
    'Merge to take it out. Close to keep it: this is not proposed again.',
    `Lesson ${code(lesson.id)}${lesson.pullRequest === null ? '' : `, from #${lesson.pullRequest}`}.`,
  ].join('\n\n');
}
