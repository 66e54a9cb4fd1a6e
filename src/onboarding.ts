import { readFileSync } from 'node:fs';
import { type Doors, mirrorKey, repositoryKey } from './doors.ts';
import { asMillwrightError, type ErrorCode, MillwrightError } from './errors.ts';
import type { Remote } from './git/git.ts';
import type { RepositoryGitHub, RepositoryRef } from './github/github.ts';
import { labelSpecs } from './labels.ts';
import { detect } from './onboarding/detect.ts';
import { policyFile } from './onboarding/policy-file.ts';
import { onboardingBody, onboardingMessage, onboardingTitle } from './onboarding/pull-request.ts';
import { repositoryFiles } from './onboarding/repository-files.ts';
import { policyPath } from './policy-source.ts';
import { isOwnAddress, publishCommit } from './publish-commit.ts';

export const onboardingBranch = 'millwright/onboarding';
export const formPath = '.github/ISSUE_TEMPLATE/agent-task.yml';

/** The issue form that is installed. Equal to the one that this repository uses itself. */
export const issueForm = readFileSync(new URL('./onboarding/agent-task.yml', import.meta.url), 'utf8');

type OnboardingDoors = Pick<Doors, 'github' | 'git' | 'host' | 'log'>;

/** What no later try mends: the app may not do it here, there is no such repository any more, or it is too large for any run. */
const final: readonly ErrorCode[] = [
  'outside.github-refused',
  'outside.repository-gone',
  'outside.push-refused',
  'limit.repository',
];

/**
 * Creates the labels and opens the one onboarding pull request of a repository, unless both files are there or it was closed before.
 * Safe to run twice. A repository where the app lacks a permission is left as it is, which is logged. Errors: those that may be tried again.
 */
export async function onboard(ref: RepositoryRef, doors: OnboardingDoors): Promise<void> {
  const repository = `${ref.owner}/${ref.name}`;
  try {
    const result = await install(ref, doors);
    doors.log.info({ repository, result }, 'repository onboarded');
  } catch (error) {
    const known = asMillwrightError(error);
    if (!final.includes(known.code)) throw error;
    doors.log.warn({ err: known, repository }, 'a repository could not be onboarded');
  }
}

/** The same for each of many: what fails for one keeps none of the others back. Errors: the first, once all were tried. */
export async function onboardAll(refs: readonly RepositoryRef[], doors: OnboardingDoors): Promise<void> {
  const failures: unknown[] = [];
  for (const ref of refs) await onboard(ref, doors).catch((error: unknown) => failures.push(error));
  if (failures.length > 0) throw failures[0];
}

type Installed = 'archived' | 'empty' | 'there already' | 'asked before' | 'foreign branch' | 'not writable' | 'opened';

async function install(ref: RepositoryRef, doors: OnboardingDoors): Promise<Installed> {
  const github = doors.github.repository(ref);
  const facts = await github.facts();
  if (facts.archived) return 'archived';
  await github.ensureLabels(labelSpecs);
  const { git } = doors;
  const key = mirrorKey(repositoryKey(doors.host.githubHost, ref), facts.id);
  const remote: Remote = { repository: key, url: facts.cloneUrl, token: (renew) => github.gitToken(renew) };
  if ((await git.remoteHead(remote, facts.defaultBranch)) === null) return 'empty';
  const known = await github.findPullRequest(onboardingBranch);
  if (known?.state === 'open' || (known && !known.merged)) return 'asked before';

  const base = await git.fetch(remote, `refs/heads/${facts.defaultBranch}`);
  const paths = new Set((await git.list(key, base)).map(({ path }) => path));
  const missing = [formPath, policyPath].filter((path) => !paths.has(path));
  if (missing.length === 0) return 'there already';
  if (['.github', '.github/ISSUE_TEMPLATE'].some((folder) => paths.has(folder))) return 'not writable';
  const found = await detect(await repositoryFiles(git, key, base));
  const texts: Record<string, string> = { [formPath]: issueForm, [policyPath]: policyFile(found) };
  const tree = await treeWith(
    missing.map((path) => ({ path, text: texts[path] ?? '' })),
    { key, base },
    doors,
  );
  if (tree === null) return 'not writable';
  const branched = await branchOff(remote, github, { base, tree, missing }, doors);
  if (!branched) return 'foreign branch';
  await github.upsertPullRequest({
    branch: onboardingBranch,
    base: facts.defaultBranch,
    title: onboardingTitle,
    body: onboardingBody(found, missing),
    draft: false,
  });
  return 'opened';
}

/** Null where the files cannot be: ignored, or a name that differs in letter case only is taken. */
async function treeWith(
  files: readonly { path: string; text: string }[],
  { key, base }: { key: string; base: string },
  { git, log }: OnboardingDoors,
): Promise<string | null> {
  const changes = files.map(({ path, text }) => ({
    kind: 'file' as const,
    path,
    bytes: Buffer.from(text),
    mode: 0o644,
  }));
  // Nothing here comes from a container: the app's own files are meant for the protected paths.
  const rules = { maxFiles: 10, maxFileBytes: 1024 ** 2, maxTotalBytes: 1024 ** 2, isProtected: () => false };
  const patch = await git.writePatch(key, base, changes, rules);
  if (patch.ok && !patch.empty) return patch.tree;
  log.warn(
    { repository: key, reasons: patch.ok ? patch.notes : patch.rejections },
    'the onboarding files have no place',
  );
  return null;
}

/** Puts the commit on the branch; false when someone else's commits are there. A branch of ours that is left over is built upon. */
async function branchOff(
  remote: Remote,
  github: RepositoryGitHub,
  { base, tree, missing }: { base: string; tree: string; missing: readonly string[] },
  doors: OnboardingDoors,
): Promise<boolean> {
  const { git } = doors;
  const key = remote.repository;
  const identity = await doors.github.identity();
  const tip = await git.remoteHead(remote, onboardingBranch);
  const parents = [base];
  if (tip !== null) {
    await git.fetch(remote, tip);
    const apart = await git.log(key, { from: base, to: tip, limit: 100 });
    if (apart.some((entry) => !isOwnAddress(entry.email, identity))) return false;
    if (apart.length > 0 && (await git.treeOf(key, tip)) === tree) return true;
    if (apart.length > 0) parents.push(tip);
  }
  const [baseEntry] = await git.log(key, { to: base, limit: 1 });
  const { pushed } = await publishCommit(
    {
      remote,
      branch: onboardingBranch,
      tip,
      base,
      tree,
      parents,
      message: onboardingMessage(missing),
      author: { name: identity.name, email: identity.email },
      // A moment that hangs on the base alone: what git makes again after a crash is the same commit.
      timestampS: (baseEntry?.committedAtS ?? 0) + 1,
    },
    { git, github },
  );
  if (pushed.ok) return true;
  if (pushed.reason === 'moved') throw new MillwrightError('outside.git', { message: 'the onboarding branch moved' });
  throw new MillwrightError('outside.push-refused', { detail: pushed.message });
}
