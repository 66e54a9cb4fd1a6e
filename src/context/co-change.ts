import type { LogEntry } from '../git/git.ts';

/** How often another file changed in the same commit as a subject. */
export interface CoChange {
  subject: string;
  /** Commits that changed both. */
  together: number;
  /** Commits that changed the subject. */
  of: number;
}

/** Larger commits move, format or import files: what they change together says nothing. */
const bulkFiles = 40;
/** Once may be chance. */
const fewestTogether = 2;

/** For every other file, the subject that it changed with most often, in relation to that subject's commits. */
export function coChanges(log: readonly LogEntry[], subjects: ReadonlySet<string>): Map<string, CoChange> {
  const changes = new Map<string, number>();
  const pairs = new Map<string, Map<string, number>>();
  for (const { parents, files } of log) {
    if (parents.length > 1 || files.length > bulkFiles) continue;
    for (const subject of files) {
      if (!subjects.has(subject)) continue;
      changes.set(subject, (changes.get(subject) ?? 0) + 1);
      const others = pairs.get(subject) ?? new Map<string, number>();
      for (const file of files) if (file !== subject) others.set(file, (others.get(file) ?? 0) + 1);
      pairs.set(subject, others);
    }
  }
  const best = new Map<string, CoChange>();
  for (const [subject, others] of pairs) {
    const of = changes.get(subject) ?? 0;
    for (const [file, together] of others) {
      const known = best.get(file);
      if (together < fewestTogether || (known && known.together / known.of >= together / of)) continue;
      best.set(file, { subject, together, of });
    }
  }
  return best;
}

/** The last commits that touched one of the files, newest first, a line each. Merges only repeat what they merge. */
export function recentHistory(log: readonly LogEntry[], files: ReadonlySet<string>, most: number): string[] {
  const lines: string[] = [];
  for (const entry of log) {
    if (lines.length >= most) break;
    if (entry.parents.length > 1) continue;
    const touched = entry.files.filter((file) => files.has(file));
    if (touched.length > 0) lines.push(`${commitLine(entry)} (${shortList(touched)})`);
  }
  return lines;
}

/** The last commit that touched a path, such as the one that removed it. */
export function lastTouched(log: readonly LogEntry[], path: string): string | null {
  const entry = log.find(({ parents, files }) => parents.length < 2 && files.includes(path));
  return entry ? commitLine(entry) : null;
}

function commitLine({ commit, committedAtS, subject }: LogEntry): string {
  const at = new Date(committedAtS * 1000);
  // A commit may claim any time, also one that no calendar has.
  const day = Number.isNaN(at.getTime()) ? 'undated' : at.toISOString().slice(0, 10);
  return `${commit.slice(0, 10)} ${day} ${subject.slice(0, 120)}`;
}

function shortList(paths: readonly string[]): string {
  return paths.length <= 3 ? paths.join(', ') : `${paths.slice(0, 3).join(', ')} and ${paths.length - 3} more`;
}
