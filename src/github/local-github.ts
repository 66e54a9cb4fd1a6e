import { MillwrightError } from '../errors.ts';
import type {
  GitHub,
  IssueFacts,
  PullRequestFacts,
  PullRequestRequest,
  RepositoryGitHub,
  RepositoryRef,
} from './github.ts';
import { keepReport, readLocalReport } from './local-report.ts';

export interface LocalGitHubOptions {
  ref: RepositoryRef;
  /** Absolute path of the repository. */
  dir: string;
  /** Branch that stands for the default branch. */
  branch: string;
  /** Whoever runs the command: they own the repository, so they may do anything. */
  login: string;
  /** The contract, in the place of an issue. */
  issue: { number: number; title: string; body: string };
  /** File of a branch of the repository, or null. */
  readFile(path: string, branch: string): Promise<string | null>;
  /** Where the pull request and the check run are kept. */
  keepDir: string;
  /** What GitHub would show as a comment. */
  onComment(marker: string, body: string): void;
}

const number = 1;

/** One repository of this machine behind the door to GitHub: one issue, one pull request, one person. Nothing leaves the machine. */
export function createLocalGitHub(options: LocalGitHubOptions): GitHub {
  const own = bindRepository(options);
  const other: RepositoryGitHub = { ...own, readFile: async () => null };
  return {
    repository: ({ owner, name }) => (owner === options.ref.owner && name === options.ref.name ? own : other),
    whileWanted: (_signal, work) => work(),
    installedRepositories: async () => [{ ...options.ref, id: 0, ownerId: 0 }],
    redeliverFailed: async () => 0,
    signIn: null,
    identity: async () => ({
      login: 'millwright[bot]',
      name: 'millwright[bot]',
      email: 'millwright@localhost',
      url: '',
    }),
  };
}

function bindRepository(options: LocalGitHubOptions): RepositoryGitHub {
  const { ref, dir, branch, login, issue, keepDir, onComment } = options;
  const pullRequest = (): PullRequestFacts | null => {
    const kept = readLocalReport(keepDir).pullRequest;
    return kept && factsOf(kept, login);
  };
  return {
    facts: async () => ({
      id: 0,
      fullName: `${ref.owner}/${ref.name}`,
      defaultBranch: branch,
      cloneUrl: dir,
      private: true,
      archived: false,
    }),
    signedCommit: async () => null,
    moveBranch: async () => {
      throw new MillwrightError('bug.unexpected', { message: 'a branch of this machine is moved by git' });
    },
    gitToken: async () => {
      throw new MillwrightError('bug.unexpected', { message: 'a path of this machine needs no token' });
    },
    roleOf: async (name) => (name === login ? 'admin' : 'none'),
    readFile: async (path, at) => {
      const text = await options.readFile(path, at ?? branch);
      return text === null ? null : { text };
    },
    issue: async (asked) => {
      if (asked === issue.number) return issueFacts(issue, login);
      throw new MillwrightError('outside.repository-gone', { message: `there is no issue ${asked} without GitHub` });
    },
    upsertComment: async (_number, marker, body) => {
      onComment(marker, body);
      return { id: 0, url: '', changedAtMs: Date.now() };
    },
    findPullRequest: async (head) => {
      const found = pullRequest();
      return found?.headBranch === head ? found : null;
    },
    pullRequest: async (asked) => {
      const found = pullRequest();
      if (found && asked === number) return found;
      throw new MillwrightError('outside.repository-gone', { message: `there is no pull request ${asked}` });
    },
    upsertPullRequest: async (request) => {
      keepReport(keepDir, { pullRequest: request });
      return factsOf(request, login);
    },
    upsertCheckRun: async (request) => keepReport(keepDir, { checkRun: request }),
    ...silent,
  };
}

/** What one person at a terminal has no use for. */
const silent = {
  recentComments: async () => [],
  recentReviewComments: async () => [],
  labelledIssues: async () => [],
  openPullRequests: async () => [],
  labelEvent: async () => null,
  leftEvent: async () => null,
  ensureLabels: async () => {},
  setStateLabel: async () => {},
  removeLabel: async () => {},
  react: async () => {},
  assign: async () => {},
  editPullRequestBody: async () => {},
  requestReviewers: async () => {},
  addLabels: async () => {},
  failedChecks: async () => [],
  comments: async () => [],
  reviews: async () => [],
} satisfies Partial<RepositoryGitHub>;

function issueFacts(issue: LocalGitHubOptions['issue'], login: string): IssueFacts {
  return {
    ...issue,
    author: login,
    editor: null,
    lastEditedAtMs: null,
    edits: [],
    state: 'open',
    labels: [],
    isPullRequest: false,
  };
}

function factsOf(request: PullRequestRequest, login: string): PullRequestFacts {
  return {
    number,
    url: '',
    state: 'open',
    closedAtMs: null,
    merged: false,
    draft: request.draft,
    headSha: '',
    headBranch: request.branch,
    baseBranch: request.base,
    mergeCommitSha: null,
    author: login,
  };
}
