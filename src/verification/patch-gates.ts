import type { Contract } from '../contract/contract.ts';
import type { Diff, Git } from '../git/git.ts';
import { changedLines } from './changed-lines.ts';
import { judgeDefinitions } from './definitions.ts';
import { type FileVersions, readVersions } from './file-versions.ts';
import { isForeseen } from './foreseen.ts';
import type { Mask } from './mask.ts';
import type { Objection } from './outcomes.ts';
import { dependencyNames, scriptBodies } from './package-manifest.ts';
import { judgeScope } from './scope.ts';
import { judgeSecrets } from './secrets.ts';
import { judgeTampering } from './tampering.ts';
import { judgeTestLoss, type TestLoss } from './test-loss.ts';
import type { VerifyRequest } from './verify-request.ts';

/** What the gates that read the patch and run nothing have to say. */
export interface PatchJudgement {
  versions: FileVersions[];
  objections: Objection[];
  loss: TestLoss;
}

/** Judges the patch by its text: scope, size, definitions, tampering, test loss, secrets. */
export async function judgePatch(
  request: Pick<VerifyRequest, 'repository' | 'base' | 'tree' | 'walls' | 'contract'>,
  diff: Diff,
  doors: { git: Pick<Git, 'read' | 'list'>; mask: Mask },
): Promise<PatchJudgement> {
  const { git, mask } = doors;
  const { repository, base, tree, walls } = request;
  const versions = await readVersions(git, repository, { base, head: tree }, diff);
  const lines = changedLines(diff.text);
  const recipes = (textOf(await git.read(repository, base, 'Makefile')) ?? '')
    .split('\n')
    .filter((line) => line.startsWith('\t'));
  const manifest = textOf(await git.read(repository, base, 'package.json'));
  const scripts = [...scriptBodies(manifest), ...recipes];
  const basePaths = (await git.list(repository, base)).map(({ path }) => path);
  const loss = judgeTestLoss(versions);
  return {
    versions,
    loss,
    objections: [
      ...judgeScope(diff.files, walls),
      ...judgeDefinitions({
        files: versions,
        checks: walls.checks,
        baseScripts: scripts,
        basePaths,
        baseDependencies: dependencyNames(manifest),
      }),
      ...judgeTampering(lines, versions),
      ...loss.objections,
      ...unforeseenInline(loss.inlineExpectations, request.contract),
      ...(await judgeSecrets(lines, mask)),
    ],
  };
}

function unforeseenInline(paths: readonly string[], contract: Contract): Objection[] {
  const unforeseen = paths.filter((path) => !isForeseen(path, contract));
  if (unforeseen.length === 0) return [];
  const message =
    'What tests inside a source expect was changed, and the contract names that file neither among the tests in scope nor as an allowed file: restore what they expect, or let a person accept the changed behaviour.';
  return [{ gate: 'tests', name: 'tests', message, paths: unforeseen }];
}

/** Objections of one name and gate as one finding, so that a person waives and reads each name once. */
export function mergeObjections(objections: readonly Objection[]): Objection[] {
  const byName = new Map<string, Objection[]>();
  for (const objection of objections) {
    const key = `${objection.gate} ${objection.name}`;
    byName.set(key, [...(byName.get(key) ?? []), objection]);
  }
  return [...byName.values()].flatMap((group) => {
    const [first] = group;
    if (first === undefined) return [];
    const messages = [
      ...new Set(
        group.map(({ message, paths }) =>
          group.length > 1 && paths.length > 0 ? `${paths.slice(0, 3).join(', ')}: ${message}` : message,
        ),
      ),
    ];
    return [{ ...first, message: messages.join(' '), paths: [...new Set(group.flatMap(({ paths }) => paths))] }];
  });
}

function textOf(bytes: Uint8Array | null): string | null {
  return bytes === null ? null : new TextDecoder().decode(bytes);
}
