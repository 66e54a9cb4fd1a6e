import { readdir, readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { BareRepository, type Files } from './bare-repository.ts';
import { addStatus, createCheckRun } from './checks.ts';
import {
  addComment,
  addLabels,
  changeComment,
  changeIssue,
  deleteComment,
  type IssueChange,
  type NewIssue,
  openIssue,
  removeLabels,
} from './issues.ts';
import { addReview, addReviewComment, changeReview, type MergeMethod, mergePull, type NewReview } from './pulls.ts';
import { refsChanged } from './refs.ts';
import {
  type Actor,
  account,
  findRepository,
  type Issue,
  type PullIssue,
  personOf,
  type Repository,
  type Role,
  timestamp,
} from './state.ts';
import type { World } from './world.ts';

export interface NewRepository {
  files?: Files;
  /** A folder whose files are committed, with `files` on top. */
  dir?: string;
  /** Private by default: then every call has to prove its access. */
  private?: boolean;
  defaultBranch?: string;
  /** Whether the app may reach it from the start; on by default. */
  installed?: boolean;
}

async function folder(dir: string): Promise<Files> {
  const files: Files = {};
  for (const entry of await readdir(dir, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const file = path.join(entry.parentPath, entry.name);
    const executable = ((await stat(file)).mode & 0o100) !== 0;
    files[path.relative(dir, file).split(path.sep).join('/')] = {
      content: await readFile(file),
      mode: executable ? '100755' : '100644',
    };
  }
  return files;
}

/**
 * What people (and other apps) do, each with the webhook that GitHub sends of it; resolves when it has been delivered.
 * Long because it is a list: one short verb after the other over the same three look-ups.
 */
export function createPeople(world: World, projectRoot: string) {
  const { state } = world;
  const as = (login: string): Actor => ({ login: account(state, login).login, viaApp: false });
  const find = (fullName: string): Repository => {
    const repository = findRepository(state, fullName);
    if (!repository) throw new Error(`the stand-in has no repository ${fullName}`);
    return repository;
  };
  const findIssue = (repository: Repository, number: number): Issue => {
    const issue = repository.issues.get(number);
    if (!issue) throw new Error(`${repository.fullName} has no issue ${number}`);
    return issue;
  };
  const findPull = (repository: Repository, number: number): PullIssue => {
    const issue = findIssue(repository, number);
    if (!issue.pull) throw new Error(`#${number} is no pull request`);
    return issue as PullIssue;
  };
  const told = async <T>(value: T | Promise<T>): Promise<T> => {
    const done = await value;
    await world.webhooks.settled();
    return done;
  };

  return {
    repository: find,
    issue: (fullName: string, number: number) => findIssue(find(fullName), number),
    pull: (fullName: string, number: number) => findPull(find(fullName), number),

    async createRepository(fullName: string, input: NewRepository = {}): Promise<Repository> {
      const [owner = '', name = ''] = fullName.split('/');
      account(state, owner, 'Organization');
      const defaultBranch = input.defaultBranch ?? 'main';
      const git = new BareRepository(path.join(projectRoot, owner, `${name}.git`));
      await git.init(defaultBranch);
      const now = timestamp(state);
      const repository: Repository = {
        ...{
          id: state.nextId(),
          owner,
          name,
          fullName,
          private: input.private ?? true,
          archived: false,
          protectedRefs: '',
          defaultBranch,
          createdAt: now,
          pushedAt: now,
          git,
        },
        ...{
          roles: new Map(),
          labels: new Map(),
          issues: new Map(),
          comments: new Map(),
          reviews: new Map(),
          reviewComments: new Map(),
        },
        ...{
          events: [],
          transferred: new Map(),
          checkSuites: new Map(),
          checkRuns: new Map(),
          statuses: [],
          verified: new Set(),
        },
      };
      const given = input.dir ? await folder(input.dir) : input.files ? {} : { 'README.md': `# ${name}\n` };
      const files = { ...given, ...input.files };
      const tree = await git.writeTree(null, files);
      const commit = await git.writeCommit({
        tree,
        parents: [],
        message: 'Initial commit',
        author: personOf(state, owner),
      });
      await git.setRef(`refs/heads/${defaultBranch}`, commit);
      state.repositories.set(fullName.toLowerCase(), repository);
      const installation = [...state.installations.values()].find(
        (candidate) => candidate.account.toLowerCase() === owner.toLowerCase(),
      );
      if (input.installed !== false) installation?.repositories.add(repository.id);
      return repository;
    },

    /** Gives a person a role everywhere, or in one repository. */
    addUser(login: string, role: Role = 'none', fullName?: string): void {
      account(state, login);
      if (fullName === undefined) state.defaultRoles.set(login.toLowerCase(), role);
      else find(fullName).roles.set(login.toLowerCase(), role);
    },

    /** Labels are those of an issue form: they are applied whoever opens the issue. */
    openIssue: (input: NewIssue & { repo: string; as: string }): Promise<Issue> =>
      told(openIssue(world, find(input.repo), as(input.as), input)),
    editIssue: (repo: string, number: number, change: IssueChange, login: string): Promise<void> =>
      told(changeIssue(world, find(repo), findIssue(find(repo), number), as(login), change)),
    closeIssue: (repo: string, number: number, login: string): Promise<void> =>
      told(changeIssue(world, find(repo), findIssue(find(repo), number), as(login), { state: 'closed' })),
    reopenIssue: (repo: string, number: number, login: string): Promise<void> =>
      told(changeIssue(world, find(repo), findIssue(find(repo), number), as(login), { state: 'open' })),
    label: (repo: string, number: number, label: string, login: string): Promise<void> =>
      told(addLabels(world, find(repo), findIssue(find(repo), number), as(login), [label])),
    unlabel: (repo: string, number: number, label: string, login: string): Promise<void> =>
      told(removeLabels(world, find(repo), findIssue(find(repo), number), as(login), [label])),
    comment: (repo: string, number: number, body: string, login: string) =>
      told(addComment(world, find(repo), findIssue(find(repo), number), as(login), body)),
    editComment(repo: string, id: number, body: string, login: string): Promise<void> {
      const comment = find(repo).comments.get(id);
      if (!comment) throw new Error(`no comment ${id}`);
      return told(changeComment(world, find(repo), comment, as(login), body));
    },
    deleteComment(repo: string, id: number, login: string): Promise<void> {
      const comment = find(repo).comments.get(id);
      if (!comment) throw new Error(`no comment ${id}`);
      return told(deleteComment(world, find(repo), comment, as(login)));
    },

    review: (repo: string, number: number, input: NewReview, login: string) =>
      told(addReview(world, find(repo), findPull(find(repo), number), as(login), input)),
    editReview(repo: string, number: number, id: number, body: string, login: string): Promise<void> {
      const review = find(repo).reviews.get(id);
      if (!review) throw new Error(`no review ${id}`);
      return told(changeReview(world, find(repo), findPull(find(repo), number), review, as(login), body));
    },
    reviewComment: (
      repo: string,
      number: number,
      input: { path: string; line?: number; body: string },
      login: string,
    ) => told(addReviewComment(world, find(repo), findPull(find(repo), number), as(login), { ...input, review: 0 })),
    mergePull: (repo: string, number: number, login: string, method: MergeMethod = 'merge'): Promise<string> =>
      told(mergePull(world, find(repo), findPull(find(repo), number), as(login), { method })),
    closePull: (repo: string, number: number, login: string): Promise<void> =>
      told(changeIssue(world, find(repo), findPull(find(repo), number), as(login), { state: 'closed' })),
    reopenPull: (repo: string, number: number, login: string): Promise<void> =>
      told(changeIssue(world, find(repo), findPull(find(repo), number), as(login), { state: 'open' })),

    /** A commit by a person; the branch is made from the default branch when it is missing. */
    async commitOnBranch(
      repo: string,
      branch: string,
      files: Files,
      login: string,
      message = `Change ${Object.keys(files).join(', ')}`,
    ): Promise<string> {
      const repository = find(repo);
      const { git } = repository;
      const ref = `refs/heads/${branch}`;
      const before = await git.ref(ref);
      const parent = before ?? (await git.ref(`refs/heads/${repository.defaultBranch}`));
      if (parent === null) throw new Error(`${repo} is empty`);
      const commit = await git.writeCommit({
        tree: await git.writeTree(parent, files),
        parents: [parent],
        message,
        author: personOf(state, login),
      });
      await git.setRef(ref, commit);
      await told(refsChanged(world, repository, as(login), [{ ref, before, after: commit }]));
      return commit;
    },
    async deleteBranch(repo: string, branch: string, login: string): Promise<void> {
      const repository = find(repo);
      const ref = `refs/heads/${branch}`;
      const before = await repository.git.ref(ref);
      await repository.git.setRef(ref, null);
      await told(refsChanged(world, repository, as(login), [{ ref, before, after: null }]));
    },
    /** The text of a file as a branch or commit has it, or null. */
    async fileAt(repo: string, revision: string, file: string): Promise<string | null> {
      const { git } = find(repo);
      const content = await git.git(['cat-file', 'blob', `${revision}:${file}`]).catch(() => null);
      return content?.toString('utf8') ?? null;
    },

    /** A commit status, as older CI systems report. */
    async status(
      repo: string,
      branch: string,
      input: { state: 'error' | 'failure' | 'pending' | 'success'; context: string; description?: string },
      login = 'ci-system',
    ): Promise<void> {
      const repository = find(repo);
      const sha = await repository.git.resolve(branch);
      if (sha === null) throw new Error(`${repo} has no ${branch}`);
      await told(addStatus(world, repository, as(login), { sha, ...input }));
    },
    /** Another app's check suite with one completed run each: `check_run` and `check_suite` `completed`. */
    async completeCheckSuite(
      repo: string,
      branch: string,
      runs: { name: string; conclusion: string; summary?: string }[],
      app = 'ci',
    ): Promise<void> {
      const repository = find(repo);
      const headSha = await repository.git.resolve(branch);
      if (headSha === null) throw new Error(`${repo} has no ${branch}`);
      const actor = as(`${app}[bot]`);
      for (const run of runs) {
        const output = { title: run.name, summary: run.summary ?? run.conclusion, text: null };
        await createCheckRun(world, repository, actor, {
          app,
          name: run.name,
          headSha,
          status: 'completed',
          conclusion: run.conclusion,
          output,
        });
      }
      await told(undefined);
    },
  };
}
