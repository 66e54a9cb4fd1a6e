import { defaultRetention } from './contract/defaults.ts';
import { type Doors, mirrorKey } from './doors.ts';
import { deleteOldRows, eraseOldRuns, finishErasing, repositoriesInUse } from './engine/retention.ts';
import { clearTimer, dueTimers, setTimer, setTimerOnce } from './engine/timers.ts';
import { wholeMs } from './engine/whole-ms.ts';

const dayMs = 24 * 60 * 60_000;
const passTimer = 'retention';
/** How often all processes of a store together make a pass over it, and how long one takes at most: the rest comes a minute later. */
const passEveryMs = 60 * 60_000;
const passMs = 30_000;
/** However full the store is, what ended so lately stays. */
const leastKeptMs = dayMs;
/** A failed or stopped run may be taken up from its last patch, which only the mirror holds, for so long. */
const patchKeptMs = 14 * dayMs;
/** A run may be about to open a container from an image that was used so lately. */
const imageInUseMs = 30 * 60_000;

function boundsOf({ host }: Pick<Doors, 'host'>): { keptMs: number; bytes: number } {
  const { days = defaultRetention.days, size = defaultRetention.bytes } = host.operatorPolicy?.retention ?? {};
  return { keptMs: wholeMs(days * dayMs), bytes: size };
}

/**
 * Keeps the store within `retention`: erases runs that ended before `days`, and the oldest ended ones beyond `size`. One
 * process of a store does it, once an hour, a little at a time. Errors: `outside.database`; the next pass goes on.
 */
export async function retainStore(doors: Doors): Promise<void> {
  const { db, clock } = doors;
  await setTimerOnce(db, passTimer, 0, null);
  const [due] = await dueTimers(db, { limit: 1, prefix: passTimer });
  if (due === undefined) return;
  const untilMs = clock.nowMs() + passMs;
  const { keptMs, bytes } = boundsOf(doors);
  await finishErasing(db);
  let runs = await eraseWhile(async () => clock.nowMs() < untilMs, keptMs, doors);
  for (const [what, rows] of Object.entries(await deleteOldRows(db, keptMs))) {
    if (rows > 0) doors.tally.count('millwright_retention_removed_total', { what }, rows);
  }
  if ((await db.sizeBytes()) > bytes) {
    const tooMuch = async () => clock.nowMs() < untilMs && (await db.liveBytes()) > bytes;
    runs += await eraseWhile(tooMuch, Math.min(keptMs, leastKeptMs), doors);
  }
  if (runs > 0) {
    doors.tally.count('millwright_retention_removed_total', { what: 'runs' }, runs);
    doors.log.info({ runs }, 'old runs erased');
  }
  await db.returnSpace();
  if (clock.nowMs() < untilMs) await setTimer(db, passTimer, passEveryMs, null);
  else await clearTimer(db, passTimer);
}

async function eraseWhile(goOn: () => Promise<boolean>, endedForMs: number, { db }: Doors): Promise<number> {
  let erased = 0;
  while (await goOn()) {
    const some = await eraseOldRuns(db, endedForMs);
    if (some === 0) break;
    erased += some;
  }
  return erased;
}

/** Keeps this machine's mirrors and images within `retention`. Errors: `outside.sandbox`, `outside.database`. */
export async function retainMachine(doors: Doors): Promise<void> {
  const { keptMs, bytes } = boundsOf(doors);
  const images = await doors.sandbox.evict(bytes, { unusedForMs: keptMs, keepUsedForMs: imageInUseMs });
  const inUse = await repositoriesInUse(doors.db, patchKeptMs);
  const keep = new Set(inUse.map(({ repository, id }) => mirrorKey(repository, id ?? 0)));
  const mirrors = await doors.git.prune({ maxBytes: bytes, unusedForMs: keptMs, keep });
  for (const [what, count] of Object.entries({ images, mirrors })) {
    if (count === 0) continue;
    doors.tally.count('millwright_retention_removed_total', { what }, count);
    doors.log.info({ what, count }, 'removed to keep within retention');
  }
}
