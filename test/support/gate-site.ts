import type { Doors } from '../../src/doors.ts';
import { reconcile } from '../../src/reconcile.ts';
import { FolderEngine } from '../doubles/sandbox-engine.ts';
import { type Factory, startFactory } from './factory.ts';
import { type GitHubOptions, type GitHubStandIn, startGitHub } from './github-stand-in.ts';
import { type ModelScript, type ModelStandIn, type Reply, startModel } from './model-stand-in.ts';
import { call, scripted, submit } from './scripted.ts';
import { until } from './until.ts';

export const repo = 'acme/small';

/** A repository whose one check wants a file that is not there yet. */
export const gateRepository = {
  'README.md': '# small\n',
  'check.sh': 'test -f src/sum.txt\n',
  '.github/millwright.yml': 'files: { allow: ["src/**", "test/**"] }\nchecks: { unit: sh check.sh }\n',
  '.github/ISSUE_TEMPLATE/agent-task.yml': 'name: Agent task\n',
};

export const gateContract = `## Goal
- Goal: write the sum.

## Acceptance criteria
- Given 2 and 3
- When they are added
- Then src/sum.txt says 5

## Execution boundaries
- Allowed files: src/**, test/**
`;

/** Writes the file and hands it in. */
export const writes = (content = '5\n', path = 'src/sum.txt'): Reply[] => [
  call('write_file', { path, content }),
  submit('the sum is written'),
];

/** The real service over real HTTP with real git and store; containers are folders. */
export interface GateSite extends AsyncDisposable {
  github: GitHubStandIn;
  model: ModelStandIn;
  factory: Factory;
  engine: FolderEngine;
  open(as?: string, body?: string): Promise<number>;
  /** Opens an issue as `maya`, who may start, and labels it. */
  labelled(body?: string, by?: { author?: string; labeller?: string }): Promise<number>;
  /** State labels of an issue. */
  labels(number: number): string[];
  /** Bodies of the comments on an issue or pull request that the app wrote. */
  said(number: number): string[];
  /** The one status comment. */
  status(number: number): string;
  reactions(commentId: number): string[];
  pulls(): number[];
  reaches(number: number, label: string, deadlineMs?: number): Promise<void>;
  /** Waits until the app has no delivery left to apply. */
  quiet(): Promise<void>;
  /** A pass of reconciliation, until what it found has been applied. */
  pass(): Promise<void>;
  /** No webhook comes any more, and none comes again: what happens is found by looking only. */
  deafen(): void;
  /** Moves GitHub's clock: its times have whole seconds, so what happens within one cannot be told apart. */
  later(): void;
}

export interface GateOptions {
  files?: Record<string, string>;
  script?: ModelScript;
  env?: Record<string, string>;
  users?: NonNullable<GitHubOptions['users']>;
  /** Before the service starts. */
  before?: (github: GitHubStandIn) => unknown;
  /** Doors in the place of the real ones; the sandbox is a folder anyway. */
  replace?: (doors: Doors, github: GitHubStandIn) => Partial<Doors>;
}

export const people = {
  maya: 'maintain',
  rita: 'write',
  tom: 'triage',
  otto: 'read',
  norma: 'none',
} as const;

export async function openSite(options: GateOptions = {}): Promise<GateSite> {
  const github = await startGitHub({ users: options.users ?? people });
  const model = await startModel(options.script ?? scripted(writes()));
  await github.createRepository(repo, { files: { ...gateRepository, ...options.files } });
  await options.before?.(github);
  const engine = new FolderEngine();
  const factory = await startFactory(github, model, {
    env: options.env ?? {},
    replace: (doors) => ({ sandbox: engine, ...options.replace?.(doors, github) }),
  });
  const commentsOf = (number: number) =>
    [...github.repository(repo).comments.values()].filter((comment) => comment.issue === number);
  const site: GateSite = {
    github,
    model,
    factory,
    engine,
    open: async (as = 'maya', body = gateContract) =>
      (await github.openIssue({ repo, as, title: 'write the sum', body })).number,
    async labelled(body = gateContract, { author = 'maya', labeller = 'maya' } = {}) {
      const number = await site.open(author, body);
      await github.label(repo, number, 'agent-ready', labeller);
      return number;
    },
    labels: (number) => github.issue(repo, number).labels.filter((name) => name.startsWith('agent:')),
    said: (number) =>
      commentsOf(number)
        .filter((comment) => comment.author === github.botLogin)
        .map((comment) => comment.body ?? ''),
    status: (number) => site.said(number).find((body) => body.startsWith('<!-- millwright:status -->')) ?? '',
    reactions: (id) =>
      github
        .repository(repo)
        .comments.get(id)
        ?.reactions.map((reaction) => reaction.content) ?? [],
    pulls: () =>
      [...github.repository(repo).issues.values()].filter((issue) => issue.pull).map((issue) => issue.number),
    reaches: (number, label, deadlineMs = 60_000) =>
      until(() => site.labels(number).join() === label, deadlineMs).catch((error) => {
        throw new Error(`#${number} has ${site.labels(number).join() || 'no label'}: ${site.status(number)}`, {
          cause: error,
        });
      }),
    quiet: () =>
      until(async () => {
        await github.settled();
        const [row] = await factory.doors.db.all<{ left: number }>(
          `SELECT COUNT(*) AS left FROM deliveries WHERE state = 'new'`,
        );
        return row?.left === 0;
      }),
    async pass() {
      await reconcile(factory.doors);
      await site.quiet();
    },
    deafen() {
      github.dropWebhooks(true);
      github.fault({ path: /\/app\/hook\/deliveries/, status: 404, times: 1_000 });
    },
    later: () => github.advanceClock(2_000),
    async [Symbol.asyncDispose]() {
      await site.factory[Symbol.asyncDispose]();
      await github.close();
      await model.close();
    },
  };
  return site;
}
