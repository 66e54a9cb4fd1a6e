export interface ChangedFile {
  path: string;
  previous: string | null;
  status: 'added' | 'removed' | 'modified' | 'renamed';
  additions: number;
  deletions: number;
  sha: string;
}

/** Joins the NUL-separated output of `git diff --raw -z` and `--numstat -z`. */
export function parseChanges(raw: string[], numbers: string[]): ChangedFile[] {
  const counts = new Map<string, { additions: number; deletions: number }>();
  for (let index = 0; index < numbers.length; index++) {
    const [added = '', removed = '', name = ''] = (numbers[index] ?? '').split('\t');
    if (added === '') continue;
    // A renamed file has an empty name here; its old and its new one follow.
    const file = name === '' ? (numbers[index + 2] ?? '') : name;
    if (name === '') index += 2;
    counts.set(file, { additions: Number(added) || 0, deletions: Number(removed) || 0 });
  }
  const files: ChangedFile[] = [];
  for (let index = 0; index < raw.length; index++) {
    const meta = raw[index] ?? '';
    if (!meta.startsWith(':')) continue;
    const [, , before = '', after = '', letter = ''] = meta.split(' ');
    const first = raw[++index] ?? '';
    const renamed = /^[RC]/.test(letter);
    const file = renamed ? (raw[++index] ?? '') : first;
    const status = renamed ? 'renamed' : letter === 'A' ? 'added' : letter === 'D' ? 'removed' : 'modified';
    const sha = letter === 'D' ? before : after;
    files.push({
      path: file,
      previous: renamed ? first : null,
      status,
      sha,
      ...(counts.get(file) ?? { additions: 0, deletions: 0 }),
    });
  }
  return files;
}
