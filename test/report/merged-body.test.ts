import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { withMergedRollback } from '../../src/report/merged-body.ts';
import { pullRequestBody } from '../../src/report/pull-request.ts';
import { hostileText, poisoned } from './hostile-text.ts';
import { samplePullRequest } from './sample-input.ts';

const commit = 'c'.repeat(40);
const squash = { form: 'squash', commit } as const;
const own = new Set(['state', 'end', 'origin', 'next', 'conclusion', 'gate', 'status', 'access', 'form', 'link', 'by']);

describe('the body of a merged pull request', () => {
  it.each([
    ['merge commit', { form: 'merge', commit }, `git revert -m 1 ${commit}`],
    ['one commit', squash, `git revert --no-edit ${commit}`],
    [
      'rebase',
      { form: 'rebase', first: 'd'.repeat(40), last: commit },
      `git revert --no-edit ${'d'.repeat(40)}^..${commit}`,
    ],
  ] as const)('is what it would have been if a %s had been known from the start', (form, merged, command) => {
    const body = withMergedRollback(pullRequestBody(samplePullRequest()), merged);

    expect(body).toBe(pullRequestBody(samplePullRequest({ merged })));
    expect(body).toContain(`Merged (${form})`);
    expect(body).toContain(command);
    expect(body).not.toContain('MERGE_COMMIT');
    expect(body).toContain('Tried: reverting');
  });

  it('is filled in once: again changes nothing', () => {
    const once = withMergedRollback(pullRequestBody(samplePullRequest()), squash);

    expect(withMergedRollback(once, squash)).toBe(once);
  });

  it('keeps every other section as it is, whatever stands in it', () => {
    fc.assert(
      fc.property(fc.array(hostileText, { minLength: 3, maxLength: 3 }), (texts) => {
        let turn = 0;
        const before = pullRequestBody(poisoned(samplePullRequest(), () => texts[turn++ % texts.length] ?? '', own));
        const after = withMergedRollback(before, squash);
        const outside = (body: string) => [
          body.slice(0, body.indexOf('\n## Rollback\n')),
          body.slice(body.indexOf('\n## Run\n')),
        ];

        expect(after).not.toBe(before);
        expect(outside(after)).toEqual(outside(before));
      }),
      { numRuns: 30 },
    );
  });

  it('keeps what a person wrote, in the section too, and the line ends of their browser', () => {
    const edited = pullRequestBody(samplePullRequest())
      .replace('## Checks', '## Notes of Ada\n\n```md\n## Rollback\n```\n\n## Checks')
      .replace('## Run', 'Ask Ada first.\n\n## Run')
      .replaceAll('\n', '\r\n');

    const body = withMergedRollback(edited, squash);

    expect(body).toContain('```md\r\n## Rollback\r\n```');
    expect(body).toContain('Ask Ada first.\r\n\r\n## Run');
    expect(body).toContain(`Merged (one commit)`);
    expect(body).not.toContain('SQUASH_COMMIT');
    expect(body.replaceAll('\r\n', '')).not.toMatch(/[\r\n]/);
  });

  it('has it at the head of the section where a person rewrote that, and nowhere where they took it out', () => {
    const rewritten = '## What changed\n\nx\n\n## Rollback\n\nCall Ada.\n\n## Run\n\ny';

    expect(withMergedRollback(rewritten, squash)).toBe(
      `## What changed\n\nx\n\n## Rollback\n\nMerged (one commit). To undo it, or \`/rollback\` as a comment:\n\n\`\`\`sh\ngit revert --no-edit ${commit}\n\`\`\`\n\nCall Ada.\n\n## Run\n\ny`,
    );
    expect(withMergedRollback('Nothing of it.', squash)).toBe('Nothing of it.');
    expect(withMergedRollback('', squash)).toBe('');
  });

  it('never grows beyond what GitHub takes', () => {
    const full = `## Rollback\n\n${'x'.repeat(65_500)}`;

    expect(withMergedRollback(full, squash)).toBe(full);
  });
});
