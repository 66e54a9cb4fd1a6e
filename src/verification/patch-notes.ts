import type { Diff } from '../git/git.ts';
import { changedLines } from './changed-lines.ts';
import { isTestPath } from './test-paths.ts';

/** Suppressions of single lines are common and sometimes right: shown, not objected to. */
const suppression =
  /eslint-disable-|@ts-(?:ignore|expect-error)|#\s*(?:noqa|type:\s*ignore|pragma: no cover|pylint: disable)|\/\/\s*nolint|#\[allow\(|biome-ignore|prettier-ignore|istanbul ignore|c8 ignore|v8 ignore/;

/** What a reviewer should know about the patch and that is no objection: binary and generated files, links, modes, suppressions. */
export function patchNotes(diff: Diff): string[] {
  const notes = diff.files.flatMap((file) => [
    ...(file.binary ? [`${file.path} is binary: nobody can read its change here.`] : []),
    ...(file.newMode === '120000' ? [`${file.path} is a symbolic link.`] : []),
    ...(file.oldMode !== file.newMode && file.status === 'modified'
      ? [`The mode of ${file.path} changed from ${file.oldMode} to ${file.newMode}.`]
      : []),
    ...(/(?:^|\/)(?:dist|build|generated|gen)\/|\.min\.(?:js|css)$/.test(file.path)
      ? [`${file.path} looks generated.`]
      : []),
  ]);
  for (const [path, { added }] of changedLines(diff.text)) {
    const count = added.filter(({ text }) => suppression.test(text)).length;
    if (count > 0) notes.push(`${path}: ${count} added lines switch a check off for themselves.`);
  }
  if (diff.files.every((file) => !isTestPath(file.path))) notes.push('The patch adds or changes no test.');
  return notes;
}
