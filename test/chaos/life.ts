import { type Clock, systemClock } from '../../src/clock.ts';
import { createGitHub } from '../../src/github/octokit-github.ts';
import { type GateSite, openSite, repo, writes } from '../support/gate-site.ts';
import type { Fault } from '../support/github/faults.ts';
import { call, scripted } from '../support/scripted.ts';
import { until } from '../support/until.ts';

/** Far beyond what a step takes: only a life that stands still ends by it, however busy the machine. */
const stepMs = 240_000;
/** How much faster the door to GitHub lives than this machine, so that its back-offs do not take the test's time. */
export const hurry = 4;
const hurriedClock: Clock = {
  nowMs: systemClock.nowMs,
  elapsedMs: () => systemClock.elapsedMs() * hurry,
  sleep: (durationMs, signal) => systemClock.sleep(durationMs / hurry, signal),
};

/** What an issue's life has left on GitHub. */
export interface Left {
  branches: string[];
  pulls: number;
  statusComments: number;
  /** Names of the app's check runs by commit. */
  checkRuns: Record<string, string[]>;
  labels: string[];
  assignees: string[];
  reviewers: string[];
  sum: string | null;
  sumNow: string | null;
}

/**
 * The life of one issue: labelled, a question, its answer, a pull request, somebody's CI red on it, a second commit, merged.
 * Real service, store, git and HTTP; containers are folders. The faults are in place before the service starts.
 * `timeoutMs` is how long an answer of GitHub is waited for; without `databaseUrl` the store is the embedded one.
 */
export async function live(
  faults: readonly Fault[],
  { timeoutMs = 30_000, databaseUrl }: { timeoutMs?: number; databaseUrl?: string } = {},
): Promise<{ left: Left; site: GateSite; hits: number[] }> {
  const placed: { hits: () => number }[] = [];
  const site = await openSite({
    env: databaseUrl ? { DATABASE_URL: databaseUrl } : {},
    script: scripted([call('ask', { question: 'Which numbers?' }), ...writes('5\n'), ...writes('6\n')]),
    before: (github) => {
      for (const fault of faults) placed.push(github.fault(fault));
    },
    replace: (doors, github) => ({
      github: createGitHub({
        appId: github.appId,
        privateKey: github.privateKeyPem,
        apiUrl: github.apiUrl,
        clock: hurriedClock,
        log: doors.log,
        timeoutMs,
      }),
    }),
  });
  try {
    const number = await site.labelled();
    await site.reaches(number, 'agent:waiting', stepMs);
    await until(() => site.github.issue(repo, number).assignees.includes('maya'), stepMs);
    site.later();
    await site.github.comment(repo, number, '/retry two and three', 'maya');
    await reviewed(site, number, '5\n');
    const [first = 0] = site.pulls();
    await until(() => site.github.pull(repo, first).pull.reviewers.includes('maya'), stepMs);
    // The first commit is made by GitHub, the second pushed by git.
    site.github.signCommits(false);
    await site.github.completeCheckSuite(repo, branchOf(number), [{ name: 'ci', conclusion: 'failure' }]);
    await reviewed(site, number, '6\n');
    await site.quiet();
    const before = await leftBy(site, number);
    await site.github.mergePull(repo, first, 'maya');
    await until(() => site.labels(number).length === 0, stepMs);
    return {
      left: { ...before, sumNow: await site.github.fileAt(repo, 'main', 'src/sum.txt') },
      site,
      hits: placed.map(({ hits }) => hits()),
    };
  } catch (error) {
    await site[Symbol.asyncDispose]();
    throw error;
  }
}

const branchOf = (number: number) => `millwright/issue-${number}`;

async function reviewed(site: GateSite, number: number, sum: string): Promise<void> {
  // What starts a git comes last: it is asked all the time.
  const there = async () =>
    site.labels(number).join() === 'agent:review' &&
    site.status(number).includes('In review') &&
    (await site.github.fileAt(repo, branchOf(number), 'src/sum.txt')) === sum;
  await until(there, stepMs).catch((cause) => {
    throw new Error(`#${number} has ${site.labels(number).join() || 'no label'}: ${site.status(number)}`, { cause });
  });
}

async function leftBy(site: GateSite, number: number): Promise<Left> {
  const repository = site.github.repository(repo);
  const checkRuns: Record<string, string[]> = {};
  for (const { headSha, name } of repository.checkRuns.values())
    if (name === 'millwright') checkRuns[headSha] = [...(checkRuns[headSha] ?? []), name];
  const [pull = 0] = site.pulls();
  return {
    branches: [...(await repository.git.refs('refs/heads/millwright/')).keys()],
    pulls: site.pulls().length,
    statusComments: site.said(number).filter((body) => body.startsWith('<!-- millwright:status -->')).length,
    checkRuns,
    labels: site.github.issue(repo, number).labels,
    assignees: site.github.issue(repo, number).assignees,
    reviewers: site.github.pull(repo, pull).pull.reviewers,
    sum: await site.github.fileAt(repo, branchOf(number), 'src/sum.txt'),
    sumNow: null,
  };
}
