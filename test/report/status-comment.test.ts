import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { statusComment, statusMarker } from '../../src/report/status-comment.ts';
import { wallsWith } from '../bench/bench-walls.ts';
import { hostileText, poisoned } from './hostile-text.ts';
import { liveText, nodes, parse, textOf } from './markdown.ts';
import { revision, samplePullRequest, sampleStatus } from './sample-input.ts';

const own = new Set([
  'state',
  'origin',
  'access',
  'by',
  'plan',
  'flaky',
  'learn',
  'start',
  'command',
  'stop',
  'waive',
  'url',
  'status',
  'label',
]);

describe('the status comment', () => {
  it('begins with the hidden marker by which it is found again', () => {
    expect(statusComment(sampleStatus()).startsWith(`${statusMarker}\n`)).toBe(true);
  });

  it('tells every limit of money that holds, and what was spent of the smallest', () => {
    const sample = sampleStatus();
    const walls = sample.walls ?? wallsWith([]);
    const limited = {
      ...walls,
      limits: { ...walls.limits, dollars: 3 },
      budget: { ...walls.budget, dollarsPerIssue: 1, dollarsPerDay: 2 },
    };

    const text = statusComment({ ...sample, walls: limited });

    expect(text).toContain('**Spent so far:** $0.37 of $1.00');
    expect(text).toContain('| Money | $1.00 for this issue, $2.00 a day for the repository |');
  });

  it('tells state, stages, contract, revision, policy, narrowing and spend', () => {
    const text = statusComment(sampleStatus());

    expect(text).toContain('**Running**');
    expect(text).toContain('| ✅ 0.8 s | ✅ 4.2 s | ✅ 9.0 s | ⚙️ 1 min 5 s round 1 of 3 | · | · | · |');
    expect(text).toContain(`\`${revision}\``);
    expect(text).toContain('`limits.minutes`: asked `90`, granted `30` (by the operator policy)');
    expect(text).toContain('**Spent so far:** $0.37');
    expect(text).toContain('Contract as parsed');
    expect(text).toContain('Policy in force');
  });

  it('lists each missing field with an example of a good value when the contract is refused', () => {
    const text = statusComment(
      sampleStatus({
        state: 'refused',
        contract: null,
        problems: [
          {
            field: 'Goal',
            line: 3,
            text: 'tbd',
            message: 'Nothing is said.',
            example: 'One dash for a run',
            blocking: true,
          },
        ],
        refusals: [{ key: 'secrets', name: 'PROD', message: 'The operator does not grant it.' }],
      }),
    );

    expect(text).toContain('- **Goal** (line 3): Nothing is said. Found: `tbd`. For example: `One dash for a run`.');
    expect(text).toContain('- `secrets` `PROD` is not granted: The operator does not grant it.');
    expect(text).toContain('remove the label `agent-ready` and add it again');
  });

  it('shows the queue position, the question and who stopped it', () => {
    const queued = statusComment(
      sampleStatus({ state: 'queued', queue: { position: 3, reason: 'the daily budget is used up' } }),
    );
    const waiting = statusComment(sampleStatus({ state: 'waiting', question: 'May docs/x.md change?' }));
    const stopped = statusComment(
      sampleStatus({ state: 'stopped', stoppedBy: { login: 'ada', reason: 'wrong issue' } }),
    );

    expect(queued).toContain('**Queued** at position 3: the daily budget is used up');
    expect(waiting).toContain('**Question**\n\n> May docs/x.md change?');
    expect(stopped).toContain('stopped by `ada`: wrong issue');
  });

  it('folds the last output and the diffstat when failed', () => {
    const text = statusComment(
      sampleStatus({ state: 'failed', detail: 'boom ``` ', changes: samplePullRequest().changes }),
    );

    expect(text).toContain('<summary>Last output</summary>\n\n````text\nboom ```\n````');
    expect(text).toContain('Patch so far: 3 files');
  });

  it('cannot be forged by any text that it is given', () => {
    const before = sampleStatus({
      state: 'waiting',
      question: 'x',
      detail: 'x',
      plan: samplePullRequest().plan,
      changes: samplePullRequest().changes,
      notices: ['x'],
      problems: [{ field: 'x', line: 1, text: 'x', message: 'x', example: 'x', blocking: true }],
      refusals: [{ key: 'x', name: 'x', message: 'x' }],
      outcome: { code: 'x', text: 'x' },
    });
    fc.assert(
      fc.property(fc.array(hostileText, { minLength: 3, maxLength: 3 }), (texts) => {
        let turn = 0;
        const text = statusComment(poisoned(before, () => texts[turn++ % texts.length] ?? '', own));

        const tree = parse(text);
        const found = nodes(tree);
        expect(found.filter((node) => node.type === 'heading').map(textOf)).toEqual([]);
        const html = found.filter((node) => node.type === 'html').map((node) => node.value ?? '');
        expect(html.filter((value) => !/^<\/?details>/.test(value))).toEqual([statusMarker]);
        expect(liveText(text)).toEqual([]);
        expect(found.filter((node) => node.type === 'link').map((node) => node.url)).toEqual([
          'https://mill.example.org/runs/r-7',
        ]);
        expect(found.filter((node) => node.type === 'image')).toEqual([]);
      }),
      { numRuns: 25 },
    );
  });

  it('stays under the limit of GitHub for any input', () => {
    const long = '`x|y` *z* <b> @ada #1 '.repeat(3000);
    const base = sampleStatus();
    const text = statusComment(
      sampleStatus({
        state: 'failed',
        question: long,
        detail: long,
        notices: Array.from({ length: 100 }, () => long),
        outcome: { code: long, text: long },
        stoppedBy: { login: long, reason: long },
        problems: Array.from({ length: 500 }, () => ({
          field: long,
          line: 1,
          text: long,
          message: long,
          example: long,
          blocking: true,
        })),
        refusals: Array.from({ length: 500 }, () => ({ key: long, name: long, message: long })),
        narrowed: Array.from({ length: 500 }, () => ({
          key: long,
          asked: long,
          granted: long,
          by: 'operator' as const,
        })),
        contract: base.contract && {
          ...base.contract,
          goal: long,
          criteria: Array.from({ length: 500 }, (_, index) => ({ id: `AC${index + 1}`, text: long })),
        },
        plan: {
          summary: long,
          files: Array.from({ length: 500 }, () => long),
          riskyInterfaces: [long],
          testsFirst: [long],
          decisions: [long],
          split: [long],
        },
      }),
    );

    expect(text.length).toBeLessThan(65_536);
    expect(text.match(/<details>/g)?.length ?? 0).toBe(text.match(/<\/details>/g)?.length ?? 0);
  });

  it('shows each proposed issue whole in a fold of its own, or says that there is no room for it', () => {
    const body = (size: number) => `## Goal\n- Goal: a part\n\n## Notes\n${'word '.repeat(size / 5)}END`;
    const issues = [20_000, 20_000, 30_000].map((size, index) => ({
      title: `Part <b>${index + 1}</b> @ada`,
      body: body(size),
    }));

    const text = statusComment(sampleStatus({ state: 'waiting', issues }));

    expect(text.length).toBeLessThanOrEqual(65_536);
    for (const { body: whole } of issues.slice(0, 2)) expect(text).toContain(`\`\`\`text\n${whole}\n\`\`\``);
    expect(text).toMatch(/Proposed issue 3 of 3, .*too long to be shown beside the others/);
    expect(text).not.toMatch(/(?<!\\)<b>/);
    expect(text).not.toMatch(/[^`\w]@ada/);
  });
});
