import { until } from '../support/until.ts';
import { type ChaosSite, repo } from './site.ts';

const marker = '<!-- millwright:status -->';
const quietMs = 60_000;

/**
 * What must hold after anything at all: one branch, one pull request, one status comment and one check run a commit for
 * each issue; no acknowledged delivery lost; every run ended or alive; no container left. Returns what does not.
 */
export async function violations(site: ChaosSite, issues: readonly number[]): Promise<string[]> {
  const { github } = site;
  await github.settled();
  const found: string[] = [];
  const expectThat = (holds: boolean, otherwise: string) => {
    if (!holds) found.push(otherwise);
  };
  const repository = github.repository(repo);
  const branches = [...(await repository.git.refs('refs/heads/millwright/')).keys()];
  const wanted = issues.map((number) => `refs/heads/millwright/issue-${number}`);
  expectThat(branches.sort().join() === wanted.sort().join(), `branches: ${branches}`);
  for (const number of issues) {
    const comments = [...repository.comments.values()].filter((comment) => comment.issue === number);
    const status = comments.filter((comment) => comment.body?.startsWith(marker));
    expectThat(comments.length === 1 && status.length === 1, `#${number} has ${comments.length} comments`);
    const head = `millwright/issue-${number}`;
    const pulls = [...repository.issues.values()].filter((issue) => issue.pull?.headRef === head);
    expectThat(pulls.length === 1, `#${number} has ${pulls.length} pull requests`);
    const headSha = pulls[0]?.pull?.headSha;
    const checks = [...repository.checkRuns.values()].filter((check) => check.headSha === headSha);
    expectThat(checks.length === 1, `#${number} has ${checks.length} check runs on its head`);
    const sum = await github.fileAt(repo, head, 'src/sum.txt');
    expectThat(sum === '5\n', `#${number} has the sum ${sum}`);
    const commits = headSha ? await repository.git.commitsBetween('main', headSha) : [];
    expectThat(commits.length === 1, `#${number} has ${commits.length} commits`);
  }
  found.push(...(await lostDeliveries(site)), ...(await lostRuns(site)));
  await until(async () => (await site.containers()).length === 0, quietMs).catch(() => {});
  const left = await site.containers();
  expectThat(left.length === 0, `containers left: ${left}`);
  return found;
}

/** Whatever GitHub was told is taken must be in the inbox, and come to its end there. */
async function lostDeliveries(site: ChaosSite): Promise<string[]> {
  const db = site.db();
  const states = async () =>
    new Map(
      (await db.all<{ id: string; state: string }>('SELECT id, state FROM deliveries')).map(({ id, state }) => [
        id,
        state,
      ]),
    );
  await until(async () => ![...(await states()).values()].includes('new'), quietMs).catch(() => {});
  const kept = await states();
  const taken = site.github.deliveries().filter(({ statusCode }) => statusCode >= 200 && statusCode < 300);
  const lost = taken.filter(({ guid }) => !kept.has(guid)).map(({ guid, event }) => `delivery lost: ${event} ${guid}`);
  const stuck = [...kept].filter(([, state]) => state !== 'done').map(([id, state]) => `delivery ${id} is ${state}`);
  return [...lost, ...stuck];
}

async function lostRuns(site: ChaosSite): Promise<string[]> {
  const db = site.db();
  const rows = await db.all<{ id: string; state: string }>(
    `SELECT id, state FROM runs WHERE state = 'running' AND lease_until_ms < ${db.nowMs}`,
  );
  return rows.map(({ id }) => `run ${id} is running and nobody holds it`);
}
