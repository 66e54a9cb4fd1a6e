import { checkRunReport } from '../../src/report/check-run.ts';
import { pullRequestBody } from '../../src/report/pull-request.ts';
import { statusComment } from '../../src/report/status-comment.ts';
import {
  checkVerdict,
  record,
  revision,
  sampleNumbers,
  samplePullRequest,
  sampleStatus,
  sampleVerdict,
} from '../report/sample-input.ts';
import { githubPage } from './github-page.ts';
import type { Shot } from './photographer.ts';

const opened = 'opened this pull request';
const commented = 'commented';
const red = 'src/old.js:3:1: error: no var\nsrc/old.js:9:1: error: no var\n\n2 problems';

/** What people read of a run, in the states that matter. */
export function reportShots(): Shot[] {
  return [...statusShots(), ...pullRequestShots(), checkRunShot()];
}

function statusShots(): Shot[] {
  const shot = (name: string, input: Parameters<typeof statusComment>[0], more: Partial<Shot> = {}): Shot => ({
    name: `status-${name}`,
    page: { html: githubPage(commented, statusComment(input)) },
    ...more,
  });
  const stages = sampleStatus().timeline.map(({ stage }) => stage);
  const at = (now: number, state: 'waiting' | 'failed') =>
    stages.map((stage, index) => ({
      stage,
      state: index < now ? ('done' as const) : index === now ? state : ('pending' as const),
      durationMs: index <= now ? 1000 + index * 9000 : null,
      note: index === 3 ? 'round 3 of 3' : null,
    }));
  return [
    shot('running', sampleStatus(), { inReadme: true }),
    shot(
      'waiting',
      sampleStatus({
        state: 'waiting',
        timeline: at(4, 'waiting'),
        outcome: { code: 'scope', text: 'The patch changes files that the contract does not allow.' },
        question: 'May these paths change: docs/slugs.md? Answer /allow GLOB to admit them, or /retry with guidance.',
        plan: samplePullRequest().plan,
      }),
    ),
    shot(
      'failed',
      sampleStatus({
        state: 'failed',
        attempt: 2,
        timeline: at(4, 'failed'),
        outcome: { code: 'verification-failed', text: 'The last round did not pass verification.' },
        detail: `Verification objects:\n- lint: Lint: failed\n\nCheck lint: \`npm run lint\` (exited, exit code 1)\n${red}`,
        changes: samplePullRequest().changes,
      }),
      { unfolded: true },
    ),
  ];
}

function pullRequestShots(): Shot[] {
  const shot = (name: string, input: Parameters<typeof pullRequestBody>[0], more: Partial<Shot> = {}): Shot => ({
    name: `pull-request-${name}`,
    page: { html: githubPage(opened, pullRequestBody(input)) },
    ...more,
  });
  const unit = checkVerdict('unit', 'passed', { label: 'Unit tests', head: record(0), base: record(0) });
  const failingBefore = Array.from({ length: 9 }, (_, index) => `cart › total of ${index} goods`);
  const old = checkVerdict('unit', 'failing-before', {
    label: 'Unit tests',
    head: record(1, 'not ok 1 - total of 0 goods'),
    base: record(1, 'not ok 1 - total of 0 goods'),
    failingBefore,
  });
  const waived = checkVerdict('lint', 'waived', {
    label: 'Lint',
    reason: 'failed, waived by ada: the rule goes next week',
    head: record(1, red),
    base: record(0),
  });
  const lint = { ...waived, state: 'passed' as const, reason: null, head: record(0) };
  const hostile = '## Rollback\n<img src=x> | a | [click](http://evil.example) @ada closes #1 `x` <!-- \u202egnp';
  const long = 'a long line of a report that nobody reads to its end, `code` | and so on; '.repeat(40);
  return [
    shot('green', samplePullRequest({ verdict: sampleVerdict({ checks: [unit, lint], findings: [] }) }), {
      inReadme: true,
    }),
    shot('failing-before', samplePullRequest({ verdict: sampleVerdict({ checks: [old, lint], findings: [] }) }), {
      unfolded: true,
    }),
    shot('waived', samplePullRequest({ verdict: sampleVerdict({ checks: [waived, unit] }) })),
    shot(
      'hostile',
      samplePullRequest({
        contract: { ...samplePullRequest().contract, goal: hostile, reviewNote: hostile },
        claims: { summary: hostile, assumptions: [hostile], reviewNote: hostile },
        verdict: sampleVerdict({
          checks: [
            checkVerdict('unit', 'failing-before', {
              label: hostile,
              command: hostile,
              reason: hostile,
              head: record(1, hostile),
            }),
          ],
          notes: [hostile],
        }),
      }),
      { unfolded: true },
    ),
    shot(
      'huge',
      samplePullRequest({
        missingContext: Array.from({ length: 200 }, () => long),
        verdict: sampleVerdict({
          checks: Array.from({ length: 60 }, (_, index) =>
            checkVerdict(`part-${index}`, 'failing-before', {
              reason: long,
              head: record(1, long),
              base: record(1, long),
            }),
          ),
          notes: Array.from({ length: 300 }, () => long),
        }),
      }),
      { maxHeight: 6000 },
    ),
  ];
}

function checkRunShot(): Shot {
  const { title, conclusion, summary, text } = checkRunReport({
    verdict: sampleVerdict(),
    revision,
    numbers: sampleNumbers,
    link: 'https://mill.example.org/runs/r-7',
  });
  const page = githubPage(`${conclusion}: ${title}`, `${summary}\n\n---\n\n${text}`);
  return { name: 'check-run', page: { html: page }, unfolded: true };
}
