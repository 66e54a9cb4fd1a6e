import { askForShape } from '../agent/ask-for-shape.ts';
import { newNonce } from '../agent/fence.ts';
import { lessonMessages } from '../agent/prompts.ts';
import { LessonShape } from '../agent/shapes.ts';
import { payingModel, recordOf } from '../attempt.ts';
import type { Doors } from '../doors.ts';
import { latestOutput } from '../engine/outputs.ts';
import type { Cause } from '../engine/records.ts';
import { MillwrightError } from '../errors.ts';
import type { Run } from '../run.ts';
import { IntakeResult } from '../stages/intake.ts';
import { createMask } from '../verification/mask.ts';
import type { Lesson, LessonData } from './lessons.ts';
import { isRule } from './proposals.ts';

const failureChars = 4_000;
/** One sentence, and room for what some models think before. */
const outputTokens = 2_000;

/**
 * Asks a model once for better words than the template's, paid by the issue of the newest run. Whatever goes wrong with it, the
 * template stays. The sentence is untrusted. Errors: of the store; the signal's.
 */
export async function wordRule(
  { lesson, run }: { lesson: Lesson; run: Run },
  cause: Cause,
  doors: Doors,
  signal: AbortSignal,
): Promise<Pick<LessonData, 'asked' | 'sentence'>> {
  const { asked, sentence } = lesson.data;
  const walls = asked || !isRule(cause) ? null : await wallsOf(run, doors);
  if (walls === null) return { asked, sentence };
  const secrets = Object.fromEntries(
    walls.secrets.flatMap((name) => (doors.host.secrets[name] ? [[name, doors.host.secrets[name]]] : [])),
  );
  const mask = createMask(secrets);
  try {
    const record = recordOf(run, walls, mask, doors);
    const { model } = await payingModel({ run, walls, record, mask }, doors);
    const { name, effort, door } = model('learn');
    const messages = lessonMessages({ failure: failureOf(cause), nonce: newNonce(), mask });
    const request = { model: name, effort, messages, name: 'lesson', maxOutputTokens: outputTokens, signal };
    const answer = await askForShape(door, request, LessonShape);
    return { asked: true, sentence: answer.ok ? mask(answer.value.sentence.replace(/\s+/g, ' ').trim()) : null };
  } catch (error) {
    if (signal.aborted || !(error instanceof MillwrightError) || error.code === 'outside.database') throw error;
    doors.log.info({ err: error, lesson: lesson.id }, 'no model words for a lesson; the template stays');
    return { asked: true, sentence: null };
  }
}

async function wallsOf(run: Run, { db }: Pick<Doors, 'db'>) {
  return (await latestOutput(db, run.id, 'intake', IntakeResult))?.value.walls ?? null;
}

function failureOf({ kind, subject, command, lines, words }: Cause): string {
  const told = [
    `kind: ${kind}`,
    `about: ${subject}`,
    ...(command ? [`command: ${command}`] : []),
    ...lines,
    words ?? '',
  ];
  return told.join('\n').slice(0, failureChars);
}
