import { afterEach, beforeEach, expect, test } from 'vitest';
import { type Clock, systemClock } from '../../src/clock.ts';
import { MillwrightError } from '../../src/errors.ts';
import type { GitHub, RepositoryGitHub } from '../../src/github/github.ts';
import { createGitHub } from '../../src/github/octokit-github.ts';
import { roleFrom } from '../../src/github/roles.ts';
import { labelSpecs, stateLabels } from '../../src/labels.ts';
import { type GitHubStandIn, startGitHub } from '../support/github-stand-in.ts';
import { until } from '../support/until.ts';

const repo = 'acme/small';
let stand: GitHubStandIn;
let door: GitHub;
let github: RepositoryGitHub;
let issue: number;
/** Waits that the door asked for, in milliseconds; they pass at once. */
let waits: number[];
let skewMs = 0;
/** What a wrong time server has put on the machine's clock. */
let jumpMs = 0;

const clock: Clock = {
  nowMs: () => Date.now() + skewMs + jumpMs,
  elapsedMs: () => performance.now() + skewMs,
  sleep: async (durationMs) => {
    waits.push(durationMs);
    skewMs += durationMs;
  },
};

beforeEach(async () => {
  waits = [];
  skewMs = 0;
  jumpMs = 0;
  stand = await startGitHub({ users: { maya: 'maintain', rita: 'write', tom: 'triage', otto: 'read', norma: 'none' } });
  await stand.createRepository(repo);
  issue = (await stand.openIssue({ repo, as: 'maya', title: 'one', body: 'text' })).number;
  door = createGitHub({
    appId: stand.appId,
    privateKey: stand.privateKeyPem,
    apiUrl: stand.apiUrl,
    clock,
    log: { warn: () => {} },
  });
  github = door.repository({ installationId: stand.installationId, owner: 'acme', name: 'small' });
});

afterEach(async () => {
  expect(stand.unhandled()).toEqual([]);
  await stand.close();
});

const marker = '<!-- one -->';
const comments = () => [...stand.repository(repo).comments.values()].map((comment) => comment.body);
const pulls = () => [...stand.repository(repo).issues.values()].filter((entry) => entry.pull);
const codeOf = (work: Promise<unknown>) =>
  work.then(
    () => 'done',
    (error: unknown) => (error instanceof MillwrightError ? error.code : String(error)),
  );

/** Every verb that writes, with what there is to count afterwards. */
const writes: {
  verb: string;
  path: RegExp;
  method: string;
  make: () => Promise<unknown>;
  count: () => number;
}[] = [
  {
    verb: 'upsertComment',
    path: /\/issues\/\d+\/comments$/,
    method: 'POST',
    make: () => github.upsertComment(issue, marker, `${marker}\nhello`),
    count: () => comments().length,
  },
  {
    verb: 'setStateLabel',
    path: /\/issues\/\d+\/labels$/,
    method: 'POST',
    make: () => github.setStateLabel(issue, 'agent:running', stateLabels),
    count: () => stand.issue(repo, issue).labels.length,
  },
  {
    verb: 'assign',
    path: /\/assignees$/,
    method: 'POST',
    make: () => github.assign(issue, 'rita'),
    count: () => stand.issue(repo, issue).assignees.length,
  },
  {
    verb: 'upsertPullRequest',
    path: /\/pulls$/,
    method: 'POST',
    make: async () => {
      if ((await stand.repository(repo).git.ref('refs/heads/work')) === null)
        await stand.commitOnBranch(repo, 'work', { 'a.txt': 'a' }, 'maya');
      return github.upsertPullRequest({ branch: 'work', base: 'main', title: 't', body: 'b', draft: false });
    },
    count: () => pulls().length,
  },
  {
    verb: 'upsertCheckRun',
    path: /\/check-runs$/,
    method: 'POST',
    make: async () =>
      github.upsertCheckRun({
        name: 'millwright',
        headSha: (await stand.repository(repo).git.ref('refs/heads/main')) ?? '',
        externalId: 'run-1',
        status: 'completed',
        conclusion: 'success',
        title: 't',
        summary: 's',
      }),
    count: () => stand.repository(repo).checkRuns.size,
  },
  {
    verb: 'ensureLabels',
    path: /\/labels$/,
    method: 'POST',
    make: () => github.ensureLabels(labelSpecs.slice(0, 1)),
    count: () => [...stand.repository(repo).labels.values()].filter((label) => label.name === 'agent-ready').length,
  },
];

const faults = [
  { what: 'an answer of 500 before', fault: { status: 500, mode: 'before' } },
  { what: 'an answer of 502 after', fault: { status: 502, mode: 'after' } },
  { what: 'a connection that drops before', fault: { drop: true, mode: 'before' } },
  { what: 'an answer that is lost', fault: { drop: true, mode: 'after' } },
  { what: '429 with Retry-After', fault: { status: 429, headers: { 'retry-after': '3' } } },
  {
    what: 'a secondary limit',
    fault: {
      status: 403,
      headers: { 'retry-after': '3' },
      body: { message: 'You have exceeded a secondary rate limit.' },
    },
  },
] as const;

for (const { verb, path, method, make, count } of writes) {
  test.each(faults)(`${verb} makes one thing in spite of $what`, async ({ fault }) => {
    const placed = stand.fault({ ...fault, path, method });

    // What the door does not mend is asked for again, as a delivery or a stage is.
    for (let tries = 1; (await codeOf(make())) !== 'done' && tries < 5; tries++);

    expect(placed.hits()).toBe(1);
    expect(count()).toBe(1);
    if ('headers' in fault) expect(Math.max(...waits)).toBeGreaterThanOrEqual(2_900);
  });
}

test('a read is tried again after 500, 502 and a dropped connection, and given up in the end', async () => {
  stand.fault({ path: /graphql/, status: 500 });
  stand.fault({ path: /graphql/, status: 502 });
  stand.fault({ path: /graphql/, drop: true });

  expect((await github.issue(issue)).title).toBe('one');
  stand.fault({ path: /graphql/, status: 500, times: 50 });
  expect(await codeOf(github.issue(issue))).toBe('outside.github');
});

test('a long wait is left to the caller, and nothing is asked before it is over', async () => {
  stand.fault({ path: /graphql/, status: 429, headers: { 'retry-after': '120' } });

  const error = await github.issue(issue).catch((caught: unknown) => caught);
  const made = stand.requests().length;
  const early = await codeOf(github.facts());

  expect(error).toMatchObject({ code: 'outside.github', retryAfterMs: 120_000 });
  expect(early).toBe('outside.github');
  expect(stand.requests()).toHaveLength(made);
  skewMs += 121_000;
  expect(await codeOf(github.facts())).toBe('done');
});

test.each([4, -4])(
  'a clock that jumps by %i hours makes the pause that GitHub asked for neither shorter nor longer',
  async (hours) => {
    stand.fault({ path: /graphql/, status: 429, headers: { 'retry-after': '120' } });
    await codeOf(github.issue(issue));
    const made = stand.requests().length;

    jumpMs = hours * 3_600_000;
    const early = await codeOf(github.facts());
    const madeEarly = stand.requests().length;
    skewMs += 121_000;

    expect([early, madeEarly]).toEqual(['outside.github', made]);
    expect(await codeOf(github.facts())).toBe('done');
  },
);

test('a call that is not wanted any more is given up at once and not made again, and what others wait for as well goes on', async () => {
  const over = Promise.withResolvers<void>();
  stand.fault({ path: /^\/app$/, until: over.promise });
  const asked = stand.fault({ path: /^\/repos\/acme\/small$/, until: over.promise });
  const stop = new AbortController();

  const facts = door.whileWanted(stop.signal, () => github.facts());
  const shared = door.whileWanted(stop.signal, () => door.identity());
  const mine = door.identity();
  await until(() => asked.hits() === 1);
  stop.abort(new MillwrightError('run.cancelled'));

  expect(await codeOf(facts)).toBe('run.cancelled');
  over.resolve();
  expect(await mine).toEqual(await shared);
  expect(waits).toEqual([]);
  await expect(door.whileWanted(stop.signal, () => github.facts())).rejects.toMatchObject({ code: 'run.cancelled' });
});

test('a secondary limit without a word is left alone for a minute', async () => {
  stand.fault({ path: /graphql/, status: 403, body: { message: 'You have exceeded a secondary rate limit.' } });

  expect(await github.issue(issue).catch((caught: unknown) => caught)).toMatchObject({ retryAfterMs: 60_000 });
});

test('a token that was revoked is replaced', async () => {
  await github.facts();
  stand.state.installationTokens.clear();

  expect(await codeOf(github.facts())).toBe('done');
});

test('a key that GitHub refuses ends in a refusal', async () => {
  stand.fault({ path: /access_tokens/, status: 401, times: 50 });

  expect(await codeOf(github.facts())).toBe('outside.github-refused');
});

test('git tokens are limited to the repository and to contents, and renewed soon', async () => {
  const first = await github.gitToken();
  expect(await github.gitToken()).toBe(first);
  skewMs += 31_000;

  expect(await github.gitToken()).not.toBe(first);
  const asked = stand.requests().findLast((request) => /access_tokens/.test(request.path));
  expect(asked?.body).toEqual({ repository_ids: [stand.repository(repo).id], permissions: { contents: 'write' } });
});

test.each([true, false])(
  'git tokens may change workflows where the operator gives them free, if the app has the permission: %s',
  async (has) => {
    if (has)
      for (const installation of stand.state.installations.values()) installation.permissions.workflows = 'write';
    const free = createGitHub({
      appId: stand.appId,
      privateKey: stand.privateKeyPem,
      apiUrl: stand.apiUrl,
      pushesWorkflows: true,
      clock: systemClock,
      log: { warn: () => {} },
    }).repository({ installationId: stand.installationId, owner: 'acme', name: 'small' });

    const token = await free.gitToken();

    const { contents, workflows } = stand.state.installationTokens.get(token)?.permissions ?? {};
    expect({ contents, workflows }).toEqual({ contents: 'write', workflows: has ? 'write' : undefined });
  },
);

test('a repository that is gone is told as gone, and a missing file as missing', async () => {
  const gone = door.repository({ installationId: stand.installationId, owner: 'acme', name: 'nowhere' });

  expect(await codeOf(gone.facts())).toBe('outside.repository-gone');
  expect(await codeOf(gone.issue(1))).toBe('outside.repository-gone');
  expect(await github.readFile('missing.txt')).toBeNull();
});

test('roles come from the permission flags, also those that the old field does not know', async () => {
  const roles = await Promise.all(
    ['maya', 'rita', 'tom', 'otto', 'norma', 'nobody'].map((login) => github.roleOf(login)),
  );

  expect(roles).toEqual(['maintain', 'write', 'triage', 'read', 'none', 'none']);
  expect(roleFrom({ permission: 'write', user: null })).toBe('write');
  expect(roleFrom({ permission: 'odd', user: null })).toBe('none');
});

test('a role is asked for again after some seconds', async () => {
  expect(await github.roleOf('rita')).toBe('write');
  stand.addUser('rita', 'none');
  skewMs += 6_000;

  expect(await github.roleOf('rita')).toBe('none');
});

test('bots keep their [bot] in what GraphQL tells, and who is gone is nobody', async () => {
  const { number } = await stand.openIssue({ repo, as: 'planner[bot]', title: 'two', body: 'text' });
  await stand.editIssue(repo, number, { body: 'more' }, 'helper[bot]');
  expect(await github.issue(number)).toMatchObject({ author: 'planner[bot]', editor: 'helper[bot]' });

  stand.issue(repo, number).editor = null;
  expect((await github.issue(number)).editor).toBe('ghost');
  expect((await github.issue(issue)).editor).toBeNull();
});

test('two processes that comment at once leave one comment', async () => {
  const other = createGitHub({
    appId: stand.appId,
    privateKey: stand.privateKeyPem,
    apiUrl: stand.apiUrl,
    clock,
    log: { warn: () => {} },
  }).repository({ installationId: stand.installationId, owner: 'acme', name: 'small' });

  await Promise.all([
    github.upsertComment(issue, marker, `${marker}\nleft`),
    other.upsertComment(issue, marker, `${marker}\nright`),
  ]);
  await github.upsertComment(issue, marker, `${marker}\nlast`);

  expect(comments()).toEqual([`${marker}\nlast`]);
});

test('a comment that a person deleted is made anew, and one by a person is never taken for the app’s', async () => {
  await stand.comment(repo, issue, `${marker}\nforged`, 'otto');
  const { id } = await github.upsertComment(issue, marker, `${marker}\nmine`);
  await stand.deleteComment(repo, id, 'maya');

  await github.upsertComment(issue, marker, `${marker}\nagain`);

  expect(comments()).toEqual([`${marker}\nforged`, `${marker}\nagain`]);
});

test('a comment that is the same already is not written, and an edit costs one look and one write', async () => {
  await github.upsertComment(issue, marker, `${marker}\none`);
  stand.clearRequests();

  await github.upsertComment(issue, marker, `${marker}\none`);
  await github.upsertComment(issue, marker, `${marker}\ntwo`);

  expect(stand.requests().map(({ method }) => method)).toEqual(['GET', 'GET', 'PATCH']);
});

test('there are never two state labels', async () => {
  await stand.label(repo, issue, 'agent:running', 'maya');
  await stand.label(repo, issue, 'bug', 'maya');
  stand.clearRequests();

  await github.setStateLabel(issue, 'agent:review', stateLabels);

  expect(stand.issue(repo, issue).labels).toEqual(['bug', 'agent:review']);
  const order = stand
    .requests()
    .flatMap(({ method, path }) => (method !== 'GET' && /labels/.test(path) ? [method] : []));
  expect(order).toEqual(['DELETE', 'POST']);
});

test('reviews come with who edited them and with their comments', async () => {
  await stand.commitOnBranch(repo, 'work', { 'a.txt': 'a' }, 'maya');
  const { number } = await github.upsertPullRequest({
    branch: 'work',
    base: 'main',
    title: 't',
    body: 'b',
    draft: false,
  });
  const review = await stand.review(
    repo,
    number,
    { event: 'REQUEST_CHANGES', body: 'no', comments: [{ path: 'a.txt', line: 1, body: 'why' }] },
    'rita',
  );
  await stand.editReview(repo, number, review.id, 'no!', 'otto');

  const [found] = await github.reviews(number);

  expect(found).toMatchObject({
    id: review.id,
    author: 'rita',
    editor: 'otto',
    state: 'changes-requested',
    comments: [{ author: 'rita', editor: null, path: 'a.txt', line: 1, body: 'why' }],
  });
});

test('the time at which a label went or an issue was closed is told with who did it', async () => {
  expect(await github.leftEvent(issue, 'agent-ready')).toBeNull();
  await stand.label(repo, issue, 'agent-ready', 'maya');
  expect(await github.labelEvent(issue, 'agent-ready')).toMatchObject({ actor: 'maya' });
  await stand.unlabel(repo, issue, 'agent-ready', 'rita');

  expect(await github.labelEvent(issue, 'agent-ready')).toBeNull();
  expect(await github.leftEvent(issue, 'agent-ready')).toMatchObject({ actor: 'rita', how: 'unlabeled' });
});

test('who can review is asked, also beside somebody who cannot', async () => {
  await stand.commitOnBranch(repo, 'work', { 'b.txt': 'b' }, 'maya');
  const request = { branch: 'work', base: 'main', title: 't', body: 'b', draft: false };
  const { number } = await github.upsertPullRequest(request);

  await github.requestReviewers(number, ['norma', 'rita', 'nobody', 'maya']);

  expect(stand.pull(repo, number).pull.reviewers).toEqual(['rita', 'maya']);
});
