import type { Container } from 'dockerode';

/** Killed processes are reaped a moment later. */
const looks = 5;
const betweenLooksMs = 20;

/**
 * Whether no process but the first and its own remains: the first has a user of its own, so every other user's process is a
 * command's. Asked of the engine, because nothing inside can be believed. False also when the engine cannot list processes.
 */
export async function holdsOnlyInit(container: Container): Promise<boolean> {
  for (let look = 1; look <= looks; look += 1) {
    const others = await countOthers(container);
    if (others === 0) return true;
    if (others === null) return false;
    await new Promise((resolve) => setTimeout(resolve, betweenLooksMs));
  }
  return false;
}

async function countOthers(container: Container): Promise<number | null> {
  const [answer] = await Promise.allSettled([container.top({ ps_args: '-eo pid,ppid,uid,stat' })]);
  if (answer.status === 'rejected') return null;
  const { Titles, Processes } = answer.value as { Titles: string[]; Processes: string[][] | null };
  const user = Titles.indexOf('UID');
  const state = Titles.indexOf('STAT');
  // A container that is going away has none at all.
  const first = Processes?.[0];
  if (user < 0 || state < 0 || !first) return null;
  return Processes.filter((row) => row[user] !== first[user] && !row[state]?.startsWith('Z')).length;
}
