import { afterEach, describe, expect, test } from 'vitest';
import { eventsOf } from '../src/engine/ledger.ts';
import { listRuns } from '../src/engine/runs.ts';
import { lessonsOf } from '../src/learning/lessons.ts';
import { readMetrics } from '../src/learning/metrics.ts';
import { publishNextLesson } from '../src/learning/publish-lesson.ts';
import { expireLessons, scoreOf } from '../src/learning/score.ts';
import { reconcile } from '../src/reconcile.ts';
import { type GateOptions, type GateSite, gateContract, openSite, repo, writes } from './support/gate-site.ts';
import type { ChatRequest, Reply } from './support/model-stand-in.ts';
import { scripted } from './support/scripted.ts';
import { until } from './support/until.ts';

let site: GateSite;
afterEach(() => site[Symbol.asyncDispose]());

/** A check that fails with a seed, a time and a line that differ in every run. */
const noisyCheck = [
  'n=$(od -An -N4 -tu4 /dev/urandom | tr -d " ")',
  'test "$(cat src/sum.txt)" = 5 && exit 0',
  'echo "Using seed $n"',
  'echo "AssertionError: the sum is wrong at /tmp/x$n/run.js:$n (took $n ms)"',
  'exit 1',
].join('\n');
const files = (more = '') => ({
  'check.sh': noisyCheck,
  '.github/millwright.yml': `files: { allow: ["src/**", "test/**"] }\nchecks: { unit: sh check.sh }\nlimits: { rounds: 1 }\n${more}`,
});

const open = async (options: GateOptions = {}) => {
  site = await openSite({ files: files(), script: scripted(wrong(6)), ...options });
  return site;
};
/** So many runs that all write the same wrong sum. */
const wrong = (runs: number) => Array.from({ length: runs }, () => writes('6\n')).flat();
const lessonPulls = () =>
  [...site.github.repository(repo).issues.values()].filter(({ pull }) =>
    pull?.headRef.startsWith('millwright/lesson-'),
  );
const key = () => `${site.factory.doors.host.githubHost}/${repo}`;
const lessons = () => lessonsOf(site.factory.doors.db, key(), ['new', 'open', 'active', 'closed', 'retired']);
const quiet = async () => {
  await site.quiet();
  await until(async () => {
    const { db } = site.factory.doors;
    const [due] = await db.all<{ n: number }>(
      'SELECT (SELECT COUNT(*) FROM records WHERE due > 0) + (SELECT COUNT(*) FROM lessons WHERE due > 0) AS n',
    );
    return Number(due?.n) === 0;
  }, 20_000);
};
const fails = async () => {
  const number = await site.labelled();
  await site.reaches(number, 'agent:failed');
  await quiet();
  return number;
};
const failTwice = async () => [await fails(), await fails()] as const;
/** A person marks the draft as ready and merges it. */
const mergeReady = async (number: number) => {
  site.github.pull(repo, number).pull.draft = false;
  await site.github.mergePull(repo, number, 'maya');
};
const onlyPull = () => {
  expect(lessonPulls()).toHaveLength(1);
  const [pull] = lessonPulls();
  if (!pull?.pull) throw new Error('there is no pull request');
  return { number: pull.number, body: pull.body ?? '', title: pull.title, ...pull.pull, state: pull.state };
};

describe('lessons', { timeout: 120_000 }, () => {
  test('two issues that fail the same way bring one draft pull request that names them, and a third updates it', async () => {
    await open();
    const first = await fails();
    expect(lessonPulls()).toEqual([]);
    const second = await fails();

    const pull = onlyPull();
    expect(pull).toMatchObject({ draft: true, state: 'open' });
    const runs = await listRuns(site.factory.doors.db, {});
    for (const { id, issue } of runs) expect(pull.body).toMatch(new RegExp(`\`${id}\` \\| 1 \\| #${issue} `));
    expect(pull.body).toContain(`#${first}`);
    expect(pull.body).toContain(`#${second}`);
    expect(pull.body).toContain('AssertionError: the sum is wrong at <path>');
    const rules = (await site.github.fileAt(repo, pull.headRef, 'AGENTS.md')) ?? '';
    expect(rules).toMatch(/<!-- millwright:lesson:[0-9a-f]{10} -->/);

    const third = await fails();

    const updated = onlyPull();
    expect(updated.number).toBe(pull.number);
    expect(updated.headSha).toBe(pull.headSha);
    expect(updated.body).toContain(`#${third}`);
    expect(updated.body).toContain('3 attempts');
    const [group] = await readMetrics(site.factory.doors.db, { by: 'all', nowMs: Date.now() });
    expect(group?.repeatedMistakes).toEqual({ count: 2, of: 3 });
  });

  test('a run whose attempts fail the same way brings nothing: it is one run', async () => {
    await open();
    const number = await fails();
    site.later();

    await site.github.comment(repo, number, '/retry', 'rita');
    await until(() => /Failed.*attempt 2/.test(site.status(number)), 30_000);
    await quiet();

    expect(lessonPulls()).toEqual([]);
    expect(await lessons()).toEqual([]);
  });

  test('closed unmerged it is silent: a further run brings nothing', async () => {
    await open();
    await failTwice();
    const pull = onlyPull();
    await site.github.closePull(repo, pull.number, 'maya');
    await until(async () => (await lessons())[0]?.state === 'closed');

    await fails();

    expect(onlyPull()).toMatchObject({ state: 'closed', body: pull.body });
    expect(await lessons()).toHaveLength(1);
  });

  test('opened again by a person it goes on: the next run is added to it', async () => {
    await open();
    await failTwice();
    const pull = onlyPull();
    await site.github.closePull(repo, pull.number, 'maya');
    await until(async () => (await lessons())[0]?.state === 'closed');
    await site.github.reopenPull(repo, pull.number, 'maya');
    await until(async () => (await lessons())[0]?.state === 'open');

    const third = await fails();

    const updated = onlyPull();
    expect(updated).toMatchObject({ number: pull.number, state: 'open', draft: true, headSha: pull.headSha });
    expect(updated.body).toContain('3 attempts');
    expect(updated.body).toContain(`#${third}`);
  });

  test('merged it enters the briefing of the next run, and whether the failure came back is counted', async () => {
    const prompts: string[] = [];
    const heard = (request: ChatRequest) => {
      prompts.push(JSON.stringify(request.messages));
      return writes('6\n')[0] as never;
    };
    await open({ script: scripted([...wrong(2), heard, writes()[1] as never]) });
    await failTwice();
    await mergeReady(onlyPull().number);
    await until(async () => (await lessons())[0]?.state === 'active');

    await fails();

    const [lesson] = await lessons();
    if (!lesson) throw new Error('there is no lesson');
    expect(prompts[0]).toContain(`lesson-${lesson.id} (lesson: `);
    expect(prompts[0]).toContain('a lesson of earlier runs');
    const score = await scoreOf(site.factory.doors.db, lesson);
    expect(score).toMatchObject({
      before: { count: 2, of: 2 },
      after: { count: 1, of: 1 },
      used: { count: 1, of: 1 },
    });
    expect(lessonPulls()).toHaveLength(1);
  });

  test('a merge and a close that no delivery told of are found by reconciliation', async () => {
    await open();
    await failTwice();
    site.github.setWebhookUrl('http://127.0.0.1:9/');
    await mergeReady(onlyPull().number);

    await reconcile(site.factory.doors);

    expect((await lessons())[0]?.state).toBe('active');
  });

  test('a crash between push and pull request, and two workers at once, make no second one', async () => {
    await open();
    await fails();
    const fault = site.github.fault({ method: 'POST', path: /\/pulls$/, status: 500, times: 50 });
    const number = await site.labelled();
    await site.reaches(number, 'agent:failed');
    const branch = async () =>
      site.github.repository(repo).git.resolve(`millwright/lesson-${(await lessons())[0]?.id}`);
    await until(async () => (await branch().catch(() => null)) !== null, 20_000);
    const pushed = await branch();
    expect(lessonPulls()).toEqual([]);
    fault.remove();

    const { db } = site.factory.doors;
    const again = () => db.run(`UPDATE lessons SET due = 1, due_at_ms = 0`);
    await again();
    const { signal } = new AbortController();
    await Promise.all([
      publishNextLesson(site.factory.doors, signal),
      again().then(() => publishNextLesson(site.factory.doors, signal)),
    ]);
    await quiet();

    expect(onlyPull().headSha).toBe(pushed);
  });

  test('with learn: off nothing is proposed', async () => {
    await open({ files: files('learn: "off"\n') });

    await failTwice();

    expect(lessonPulls()).toEqual([]);
    expect(await lessons()).toMatchObject([{ state: 'new', pullRequest: null }]);
  });

  test('a model words the rule, escaped and bounded; what it cost is in the ledger', async () => {
    const build = scripted(wrong(2)) as (request: ChatRequest, index: number) => Promise<Reply>;
    await open({
      script: async (request: ChatRequest, index: number) => {
        if (request.response_format?.json_schema?.name !== 'lesson') return build(request, index);
        return {
          text: JSON.stringify({
            sentence: 'Ask @maya <!-- millwright:lessons --> and closes #77 | ![x](http://x.example/y)',
          }),
        };
      },
    });

    await failTwice();

    const pull = onlyPull();
    const rules = (await site.github.fileAt(repo, pull.headRef, 'AGENTS.md')) ?? '';
    expect(rules).toContain('maya');
    expect(rules.match(/<!-- millwright:lessons -->/g)).toHaveLength(1);
    for (const text of [rules, pull.body]) expect(text.replace(/`[^`]*`/g, '')).not.toMatch(/@maya|#77|!\[x\]/);
    expect(pull.body).toContain('A model worded this sentence');
    const runs = await listRuns(site.factory.doors.db, {});
    const calls = await eventsOf(site.factory.doors.db, runs[0]?.id ?? '', { kinds: ['model.call'] });
    expect(calls.length).toBeGreaterThan(
      (await eventsOf(site.factory.doors.db, runs[1]?.id ?? '', { kinds: ['model.call'] })).length,
    );
  });

  test('guidance that has to be given in two runs is proposed as a rule; that of people who may not command never counts', async () => {
    await open({
      script: scripted([...writes(), ...writes('5\n\n'), ...writes(), ...writes('5\n\n')]),
      files: { ...files(), 'check.sh': 'exit 0' },
    });
    for (const _run of [1, 2]) {
      const number = await site.labelled();
      await site.reaches(number, 'agent:review');
      await site.github.comment(repo, number, '/retry Round to HALF even, always.', 'otto');
      await site.github.comment(repo, number, '/retry Keep a trailing blank line!', 'rita');
      await until(
        async () => (await site.github.fileAt(repo, `millwright/issue-${number}`, 'src/sum.txt')) === '5\n\n',
        30_000,
      );
      await site.reaches(number, 'agent:review');
      await quiet();
    }

    const rules = (await site.github.fileAt(repo, onlyPull().headRef, 'AGENTS.md')) ?? '';
    expect(rules).toContain('Keep a trailing blank line');
    expect(JSON.stringify(lessonPulls())).not.toContain('HALF');
  });

  test('what the second look finds in two runs is proposed as a rule, its words inert', async () => {
    const build = scripted([...writes(), ...writes('5\n\n')]) as (
      request: ChatRequest,
      index: number,
    ) => Promise<Reply>;
    const found = {
      file: 'src/sum.txt',
      line: 1,
      message: 'No unit: ask @maya <!-- x -->.',
      consequence: 'Readers guess.',
    };
    await open({
      files: { ...files(), 'check.sh': 'exit 0' },
      script: async (request: ChatRequest, index: number) =>
        request.response_format?.json_schema?.name === 'review'
          ? { text: JSON.stringify({ findings: [found] }) }
          : build(request, index),
    });
    for (const _run of [1, 2]) {
      await site.reaches(await site.labelled(), 'agent:review');
      await quiet();
    }

    const pull = onlyPull();
    const rules = (await site.github.fileAt(repo, pull.headRef, 'AGENTS.md')) ?? '';
    expect(rules).toMatch(/Mind `src\/sum\.txt`: the second look found the same in several runs: No unit: ask/);
    for (const text of [rules, pull.body]) expect(text.replace(/`[^`]*`/g, '')).not.toMatch(/@maya|(?<!\\)<!-- x/);
  });

  test('contracts that want the same field twice bring a change of the issue form', async () => {
    const form =
      'name: Agent task\nbody:\n  - type: textarea # keep me\n    attributes:\n      label: Acceptance criteria\n';
    await open({ files: { ...files(), '.github/ISSUE_TEMPLATE/agent-task.yml': form } });
    for (const _run of [1, 2]) {
      const number = await site.labelled(
        '## Goal\n- Goal: write the sum.\n\n## Execution boundaries\n- Allowed files: src/**\n',
      );
      await site.reaches(number, 'agent:waiting');
      await quiet();
    }

    const changed = await site.github.fileAt(repo, onlyPull().headRef, '.github/ISSUE_TEMPLATE/agent-task.yml');
    expect(changed).toMatch(/# keep me[\s\S]*required: true/);
  });

  test('tests that two runs lost from one file are guarded by a regression test', async () => {
    const before = "import { test } from 'node:test';\ntest('sums', () => {});\ntest('keeps zero', () => {});\n";
    const loses = writes().toSpliced(
      1,
      0,
      ...writes(before.replace(/test.'keeps.*\n/, ''), 'test/sum.test.js').slice(0, 1),
    );
    await open({
      files: { ...files(), 'check.sh': 'exit 0', 'test/sum.test.js': before },
      script: scripted([...loses, ...loses]),
    });
    for (const _run of [1, 2]) {
      await site.reaches(await site.labelled(), 'agent:waiting');
      await quiet();
    }

    const pull = onlyPull();
    const [lesson] = await lessons();
    const guard = await site.github.fileAt(repo, pull.headRef, `test/millwright-lesson-${lesson?.id}.test.js`);
    expect(guard).toContain('["test/sum.test.js", "keeps zero"],');
    expect(pull.body).toContain('proposes a regression test');
  });

  test('a file that checks want in vain is proposed as a fixture; merged and of no help, its removal is proposed', async () => {
    await open({ script: scripted([...writes(), ...writes()]), files: { 'check.sh': 'cat test/data/rates.json\n' } });
    for (const _run of [1, 2]) {
      await site.reaches(await site.labelled(), 'agent:waiting');
      await quiet();
    }
    const pull = onlyPull();
    expect(await site.github.fileAt(repo, pull.headRef, 'test/data/rates.json')).toBe('{}\n');
    expect(pull.body).toContain('proposes a fixture');
    await mergeReady(pull.number);
    await until(async () => (await lessons())[0]?.state === 'active');
    const { db } = site.factory.doors;
    const [lesson] = await lessons();
    for (let run = 0; run < 8; run++) {
      const late = Number(lesson?.decidedAtMs) + run;
      await db.run(
        `INSERT INTO causes (run_id, attempt, signature, repository, issue, kind, data, at_ms)
         SELECT $1, 1, signature, repository, issue, kind, data, CAST($2 AS BIGINT) FROM causes LIMIT 1`,
        `late-${run}`,
        late,
      );
      await db.run(
        `INSERT INTO records (run_id, attempt, repository, issue, latest, state, outcome, ended_at_ms, week, due)
         VALUES ($1, 1, $2, 1, 1, 'waiting', 'not-runnable', $3, 1, 0)`,
        `late-${run}`,
        key(),
        late,
      );
    }

    await expireLessons(db);
    await quiet();

    const [removal] = lessonPulls().filter(({ state }) => state === 'open');
    expect(removal?.body).toContain('8 of 8 runs met the failure since it was merged');
    expect(await site.github.fileAt(repo, removal?.pull?.headRef ?? '', 'test/data/rates.json')).toBeNull();
    await mergeReady(removal?.number ?? 0);
    await until(async () => (await lessons()).every(({ state }) => state === 'retired'));
  });

  test('a rule that nobody uses for ninety days is proposed for removal, once, and merged it is gone', async () => {
    await open();
    await failTwice();
    await mergeReady(onlyPull().number);
    await until(async () => (await lessons())[0]?.state === 'active');
    const { db } = site.factory.doors;
    await db.run(`UPDATE lessons SET decided_at_ms = decided_at_ms - CAST($1 AS BIGINT)`, 91 * 24 * 3_600_000);

    await expireLessons(db);
    await expireLessons(db);
    await quiet();

    const removal = lessonPulls().filter(({ state }) => state === 'open');
    expect(removal).toHaveLength(1);
    expect(removal[0]?.body).toContain('No run has used it for 91 days');
    expect(await site.github.fileAt(repo, removal[0]?.pull?.headRef ?? '', 'AGENTS.md')).not.toContain(
      'millwright:lesson',
    );
    await mergeReady(removal[0]?.number ?? 0);
    await until(async () => (await lessons()).every(({ state }) => state === 'retired'));
  });
});

describe('escaped defects', { timeout: 120_000 }, () => {
  const merged = async () => {
    const number = await site.labelled();
    await site.reaches(number, 'agent:review');
    const pull = [...site.github.repository(repo).issues.values()].find(
      (each) => each.pull?.headRef === `millwright/issue-${number}`,
    );
    await site.github.mergePull(repo, pull?.number ?? 0, 'maya', 'squash');
    await site.reaches(number, '');
    await quiet();
    return { issue: number, pull: pull?.number ?? 0 };
  };
  const escaped = async () => {
    const [group] = await readMetrics(site.factory.doors.db, { by: 'all', nowMs: Date.now() });
    return group?.escapedDefects;
  };

  test('are merged pull requests whose /rollback is merged', async () => {
    await open({ files: { ...files(), 'check.sh': 'exit 0' }, script: scripted(writes()) });
    const { issue, pull } = await merged();
    expect(await escaped()).toEqual({ count: 0, of: 1 });
    site.later();
    await site.github.comment(repo, issue, '/rollback', 'rita');
    const revert = () =>
      [...site.github.repository(repo).issues.values()].find(
        (each) => each.pull?.headRef === `millwright/revert-${pull}`,
      );
    await until(() => revert() !== undefined, 20_000);
    await quiet();

    await site.github.mergePull(repo, revert()?.number ?? 0, 'maya');

    await until(async () => (await escaped())?.count === 1);
  });

  test('are merged pull requests that a pushed commit reverts, as the next run sees', async () => {
    await open({ files: { ...files(), 'check.sh': 'exit 0' }, script: scripted([...writes(), ...writes('5\n\n')]) });
    const { pull } = await merged();
    await site.github.commitOnBranch(
      repo,
      'main',
      { 'src/sum.txt': null },
      'maya',
      `Revert "write the sum (#${pull})"`,
    );

    const next = await site.labelled();
    await site.reaches(next, 'agent:review');

    expect(await escaped()).toEqual({ count: 1, of: 1 });
  });

  test('are merged runs that a later merged run names as what it mends', async () => {
    await open({ files: { ...files(), 'check.sh': 'exit 0' }, script: scripted([...writes(), ...writes('5\n\n')]) });
    const { issue } = await merged();
    const body = gateContract.replace('write the sum.', `fix the sum of #${issue}.`);
    const number = await site.labelled(body);
    await site.reaches(number, 'agent:review');
    expect(await escaped()).toEqual({ count: 0, of: 1 });
    const second = [...site.github.repository(repo).issues.values()].find(
      (each) => each.pull?.headRef === `millwright/issue-${number}`,
    );

    await site.github.mergePull(repo, second?.number ?? 0, 'maya');

    await until(async () => JSON.stringify(await escaped()) === JSON.stringify({ count: 1, of: 2 }));
  });
});
