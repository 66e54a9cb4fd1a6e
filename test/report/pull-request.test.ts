import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { pullRequestBody, pullRequestTitle } from '../../src/report/pull-request.ts';
import { hostileText, poisoned } from './hostile-text.ts';
import { liveText, nodes, parse, textOf } from './markdown.ts';
import { checkVerdict, record, samplePullRequest, sampleVerdict } from './sample-input.ts';

const sections = ['What changed', 'Acceptance criteria', 'Checks', 'Skipped checks', 'Not verified', 'Rollback', 'Run'];

/** Keys whose values are the app's own words, numbers or choices. */
const own = new Set(['state', 'end', 'origin', 'next', 'conclusion', 'gate', 'status', 'access', 'form', 'link', 'by']);

function headings(markdown: string): string[] {
  return nodes(parse(markdown))
    .filter((node) => node.type === 'heading')
    .map((node) => `${node.depth} ${textOf(node)}`);
}

function rowsOf(markdown: string, section: string): string[][] {
  const tree = parse(markdown);
  const start = (tree.children ?? []).findIndex((node) => node.type === 'heading' && textOf(node) === section);
  const rest = (tree.children ?? []).slice(start + 1);
  const end = rest.findIndex((node) => node.type === 'heading');
  const table = rest.slice(0, end === -1 ? undefined : end).find((node) => node.type === 'table');
  return (table?.children ?? []).map((row) => (row.children ?? []).map(textOf));
}

describe('the body of a pull request', () => {
  it('has the seven sections in their order and no other heading', () => {
    const body = pullRequestBody(samplePullRequest());

    expect(headings(body)).toEqual(sections.map((section) => `2 ${section}`));
  });

  it('tells contract, base, head, rounds, turns, tokens, cost, duration and link of the run', () => {
    const rows = rowsOf(pullRequestBody(samplePullRequest()), 'Run');

    expect(rows.map(([name]) => name)).toEqual([
      ...['Run', 'Contract', 'Base', 'Head', 'Rounds', 'Turns', 'Tokens', 'Cost', 'Duration', 'Link'],
    ]);
    expect(rows[1]?.[1]).toMatch(/^sha256:[0-9a-f]{64}$/);
  });

  it('shows per criterion what showed it, or that nothing did', () => {
    const rows = rowsOf(pullRequestBody(samplePullRequest()), 'Acceptance criteria');

    expect(rows.slice(1).map((row) => row[2])).toEqual([
      '✅ shown by test/slug.test.js: fails before, passes after',
      '✅ shown by Unit tests',
      '⚪ no automated evidence',
    ]);
  });

  it('shows what was red before first', () => {
    const rows = rowsOf(pullRequestBody(samplePullRequest()), 'Checks');

    expect(rows.map((row) => row[0])).toEqual(['Check', 'lint', 'Unit tests unit']);
    expect(rows[1]).toEqual(['lint', 'npm run lint', 'failed', 'failed', '1', '3.2 s', '🟠 failing before']);
  });

  it('says how many more checks were red before than it names', () => {
    const checks = Array.from({ length: 23 }, (_, index) => checkVerdict(`part-${index}`, 'failing-before'));

    const body = pullRequestBody(samplePullRequest({ verdict: sampleVerdict({ checks }) }));

    expect(body).toContain('`part-18`, `part-19` and 3 more are red on the base commit as well.');
  });

  it('names the tests that failed before and those that are new, as many as a reader takes in', () => {
    const failingBefore = Array.from({ length: 30 }, (_, index) => `old › ${index} @ada`);
    const checks = [
      checkVerdict('unit', 'failing-before', { base: record(1), failingBefore }),
      checkVerdict('e2e', 'waived', {
        base: record(1),
        newFailures: ['cart › empties'],
        failingBefore: ['cart › fills'],
      }),
    ];

    const body = pullRequestBody(samplePullRequest({ verdict: sampleVerdict({ checks }) }));

    expect(body).toContain(
      '**Failing before this change:** `unit` (30 tests: `old › 0 @ada`, `old › 1 @ada`, `old › 2 @ada`, `old › 3 @ada`, `old › 4 @ada` and 25 more) is red',
    );
    expect(body).toContain('**Failing before, on base as well**\n\n- `old › 0 @ada`');
    expect(body).toContain('- `old › 19 @ada`\n- and 10 more');
    expect(body).toContain('**Fails on head and not on base**\n\n- `cart › empties`');
    expect(body).toContain('**Failing before, on base as well**\n\n- `cart › fills`');
  });

  it('shows all outputs of a flake, on head and on base', () => {
    const checks = [
      checkVerdict('e2e', 'flaky', {
        head: record(1, 'red at first'),
        headAgain: record(0, 'green at the second try'),
        base: record(0, 'base was green'),
        baseAgain: record(0, 'base was green again'),
      }),
    ];

    const body = pullRequestBody(samplePullRequest({ verdict: sampleVerdict({ checks }) }));

    for (const seen of ['red at first', 'green at the second try', 'base was green', 'base was green again'])
      expect(body).toContain(seen);
    expect(body).toContain('Head, run again: passed, exit code 0');
    expect(rowsOf(body, 'Checks')[1]?.at(-1)).toBe('🟠 flaky');
  });

  it('says how each check ended that was killed, and who waived one', () => {
    const killed = (kind: string, end: 'timed-out' | 'out-of-memory' | 'output-limit') =>
      checkVerdict(kind, end, { head: record(null, '', { end }) });
    const waived = checkVerdict('lint', 'waived', { reason: 'failed, waived by ada: legacy' });
    const checks = [killed('a', 'timed-out'), killed('b', 'out-of-memory'), killed('c', 'output-limit'), waived];

    const rows = rowsOf(pullRequestBody(samplePullRequest({ verdict: sampleVerdict({ checks }) })), 'Checks');

    expect(rows.slice(1).map((row) => [row[0], row[3], row.at(-1)])).toEqual([
      ['lint', 'failed', '🟡 waived: failed, waived by ada: legacy'],
      ['a', 'timed out', '❌ timed out'],
      ['b', 'out of memory', '❌ out of memory'],
      ['c', 'output limit', '❌ output limit'],
    ]);
  });

  it.each([
    ['db/migrations/7_add.sql', 'Data: a migration'],
    ['yarn.lock', 'Dependencies: install again'],
    ['config/app.yml', 'Configuration: deploy it again'],
    ['src/api.pb.go', 'Generated files: generate them again'],
  ])('notes beside the rollback what reverting %s does not undo', (path, note) => {
    const touched = { path, status: 'modified' as const, binary: false, added: 1, removed: 0 };
    const rollback = (changes: ReturnType<typeof samplePullRequest>['changes']) =>
      pullRequestBody(samplePullRequest({ changes })).split('## Rollback')[1] ?? '';

    expect(rollback([touched])).toContain(`${note}`);
    expect(rollback([touched])).toContain(`\`${path}\``);
    expect(rollback([{ ...touched, path: 'src/slug.js' }])).not.toContain(note);
  });

  it('says whether reverting was tried, and what it gave', () => {
    const tried = (rollbackTried: ReturnType<typeof sampleVerdict>['rollbackTried']) =>
      pullRequestBody(samplePullRequest({ verdict: sampleVerdict({ rollbackTried }) }));

    expect(tried({ ok: true, note: '' })).toContain('Tried: reverting `base..head` gives exactly the tree of base.');
    expect(tried({ ok: false, note: 'conflicts in a.js' })).toContain(
      'does not give the tree of base: `conflicts in a.js`',
    );
    expect(tried(null)).toContain('Reverting was not tried.');
  });

  it('names every check that did not run, with the reason', () => {
    const body = pullRequestBody(samplePullRequest());

    expect(body).toContain('- Type checks (not configured): neither the contract nor the repository names one');
    expect(body).toContain('- Smoke test (skipped): needs a database');
  });

  it('fills in the rollback once merged, and never puts anything but a commit into a command', () => {
    const merged = pullRequestBody(samplePullRequest({ merged: { form: 'squash', commit: 'c'.repeat(40) } }));
    const forged = pullRequestBody(samplePullRequest({ merged: { form: 'merge', commit: 'x; rm -rf /' } }));

    expect(merged).toContain(`git revert --no-edit ${'c'.repeat(40)}`);
    expect(forged).toContain('git revert -m 1 UNKNOWN');
  });

  it('closes the issue only when there is one', () => {
    expect(pullRequestBody(samplePullRequest())).toMatch(/^Closes #7$/m);
    expect(pullRequestBody(samplePullRequest({ issue: null }))).not.toContain('Closes');
  });

  it('cannot be forged by any text that it is given', () => {
    const before = samplePullRequest();
    fc.assert(
      fc.property(fc.array(hostileText, { minLength: 3, maxLength: 3 }), (texts) => {
        let turn = 0;
        const body = pullRequestBody(poisoned(before, () => texts[turn++ % texts.length] ?? '', own));

        const tree = parse(body);
        expect(headings(body)).toEqual(sections.map((section) => `2 ${section}`));
        expect(liveText(body.replace('\nCloses #7\n', '\n'))).toEqual([]);
        const html = nodes(tree).filter((node) => node.type === 'html');
        expect(
          html.map((node) => (node.value ?? '').replace(/<summary>[^<]*(?:<wbr>[^<]*)*<\/summary>/g, '').trim()),
        ).toEqual(html.map((_, index) => (index % 2 === 0 ? '<details>' : '</details>')));
        expect(
          nodes(tree).filter((node) =>
            ['image', 'imageReference', 'linkReference', 'definition', 'footnoteDefinition'].includes(node.type),
          ),
        ).toEqual([]);
        expect(
          nodes(tree)
            .filter((node) => node.type === 'link')
            .map((node) => node.url),
        ).toEqual([before.link]);
        for (const table of nodes(tree).filter((node) => node.type === 'table')) {
          expect(new Set(table.children?.map((row) => row.children?.length)).size).toBe(1);
        }
      }),
      { numRuns: 25 },
    );
  });

  it('stays under the limit of GitHub and keeps all sections for any input, without cutting a table or a fence', () => {
    const long = '`x|y` *z* <b> @ada #1 '.repeat(2000);
    const many = 400;
    const input = samplePullRequest({
      changes: Array.from({ length: many }, (_, index) => ({
        path: `${index}/${long}`,
        status: 'modified' as const,
        binary: false,
        added: 1,
        removed: 1,
      })),
      verdict: sampleVerdict({
        checks: Array.from({ length: many }, (_, index) =>
          checkVerdict(`kind-${index}-${long}`, 'failed', {
            reason: long,
            command: long,
            head: record(1, long.repeat(3)),
            base: record(1, long),
          }),
        ),
        findings: Array.from({ length: many }, () => ({
          name: long,
          gate: 'check' as const,
          message: long,
          paths: Array.from({ length: 30 }, () => long),
          next: 'none' as const,
          waivedBy: long,
          waiveReason: long,
        })),
        criteria: Array.from({ length: many }, (_, index) => ({
          id: `AC${index + 1}`,
          text: long,
          state: 'shown' as const,
          by: long,
          note: long,
        })),
        tests: Array.from({ length: many }, () => ({ path: long, state: 'not-run' as const, note: long })),
        notes: Array.from({ length: many }, () => long),
      }),
      missingContext: Array.from({ length: many }, () => long),
      deviations: Array.from({ length: many }, () => long),
      blockedCommands: Array.from({ length: many }, () => ({ command: long, reason: long })),
      claims: {
        summary: long,
        assumptions: Array.from({ length: many }, () => long),
        reviewNote: long,
      },
    });
    const body = pullRequestBody({ ...input, contract: { ...input.contract, goal: long, reviewNote: long } });

    expect(body.length).toBeLessThan(65_536);
    expect(headings(body)).toEqual(sections.map((section) => `2 ${section}`));
    expect(rowsOf(body, 'Run')).toHaveLength(10);
    for (const section of ['What changed', 'Acceptance criteria', 'Checks']) {
      expect(rowsOf(body, section).length, section).toBeGreaterThan(5);
    }
    expect(body.match(/<details>/g)?.length ?? 0).toBe(body.match(/<\/details>/g)?.length ?? 0);
  });

  it('stays under the limit with whole tables however much of whatever there is', () => {
    const sizes = fc.record({
      checks: fc.integer({ min: 0, max: 150 }),
      criteria: fc.integer({ min: 0, max: 300 }),
      notes: fc.integer({ min: 0, max: 500 }),
      chars: fc.integer({ min: 0, max: 40_000 }),
      text: hostileText,
    });
    fc.assert(
      fc.property(sizes, ({ checks, criteria, notes, chars, text }) => {
        const long = text.repeat(Math.ceil(chars / Math.max(1, text.length))).slice(0, chars);
        const verdict = sampleVerdict({
          checks: Array.from({ length: checks }, (_, index) =>
            checkVerdict(`k${index}`, 'failing-before', { reason: long, head: record(1, long), base: record(1, long) }),
          ),
          criteria: Array.from({ length: criteria }, (_, index) => ({
            ...{ id: `AC${index}`, text: long, state: 'none' as const, by: null, note: long },
          })),
          notes: Array.from({ length: notes }, () => long),
        });

        const body = pullRequestBody(samplePullRequest({ verdict, missingContext: [long, long] }));

        expect(body.length).toBeLessThan(65_536);
        expect(headings(body)).toEqual(sections.map((section) => `2 ${section}`));
        const parsed = nodes(parse(body));
        for (const table of parsed.filter((node) => node.type === 'table'))
          expect(new Set(table.children?.map((row) => row.children?.length)).size).toBe(1);
        const html = parsed.filter((node) => node.type === 'html').map((node) => node.value ?? '');
        expect(html.filter((each) => each.startsWith('<details>')).length).toBe(
          html.filter((each) => each.startsWith('</details>')).length,
        );
      }),
      { numRuns: 6 },
    );
  });

  it('has a plain title from the issue, or from the goal when that is empty', () => {
    const { contract } = samplePullRequest();

    expect(pullRequestTitle({ issueTitle: 'Fix @ada\nfixes #3', contract })).toBe('Fix @ ada fixes # 3');
    expect(pullRequestTitle({ issueTitle: ' \u202e ', contract })).toBe(contract.goal);
  });
});
