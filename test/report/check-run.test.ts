import { describe, expect, it } from 'vitest';
import { checkRunReport } from '../../src/report/check-run.ts';
import { commitMessage } from '../../src/report/commit-message.ts';
import { reply } from '../../src/report/reply.ts';
import {
  checkVerdict,
  record,
  revision,
  sampleContract,
  sampleNumbers,
  sampleStatus,
  sampleVerdict,
} from './sample-input.ts';

function reportOf(verdict: ReturnType<typeof sampleVerdict>) {
  return checkRunReport({ verdict, revision, numbers: sampleNumbers, link: null });
}

describe('the check run', () => {
  it('takes its conclusion from the verdict and says in the title what was failing before', () => {
    const report = reportOf(sampleVerdict({ conclusion: 'success', findings: [] }));

    expect(report.conclusion).toBe('success');
    expect(report.title).toBe('Checks: 1 passed, 1 failing before');
  });

  it('is a failure when the verdict lets nothing through', () => {
    expect(reportOf(sampleVerdict({ conclusion: 'none', next: 'fail' })).conclusion).toBe('failure');
  });

  it('keeps to the limits of GitHub for any input', () => {
    const checks = Array.from({ length: 200 }, (_, index) =>
      checkVerdict(`k${index}`, 'failed', {
        head: record(1, '`|*<'.repeat(20_000)),
        base: record(1, 'x'.repeat(50_000)),
      }),
    );
    const annotations = Array.from({ length: 200 }, (_, index) => ({
      kind: 'k1',
      path: 'a.js',
      line: index + 1,
      message: 'm\u202e'.repeat(9000),
    }));
    const report = reportOf(sampleVerdict({ checks, annotations }));

    expect(report.summary.length).toBeLessThan(65_536);
    expect(report.text.length).toBeLessThan(65_536);
    expect(report.annotations).toHaveLength(50);
    expect(Math.max(...report.annotations.map(({ message }) => message.length))).toBeLessThanOrEqual(500);
    expect(report.annotations[0]?.message).not.toContain('\u202e');
  });

  it('shows full outputs, what did not pass first', () => {
    const { text } = reportOf(sampleVerdict());

    expect(text.indexOf('no var')).toBeGreaterThan(-1);
    expect(text.indexOf('# pass 12')).toBeGreaterThan(text.indexOf('no var'));
  });
});

describe('the commit message', () => {
  const input = { issue: 7, issueTitle: 'One dash', contract: sampleContract(), revision, run: 'r-7', link: null };

  it('has the title, the contract and the two trailers as its last paragraph', () => {
    const message = commitMessage(input);

    expect(message.split('\n')[0]).toBe('One dash');
    expect(message.trimEnd().split('\n\n').at(-1)).toBe(`Contract: ${revision}\nRun: r-7`);
  });

  it('cannot close issues, mention anyone, skip CI or bring trailers of its own', () => {
    const contract = sampleContract();
    contract.goal = 'x\n\nCo-authored-by: eve <e@v.e>\nfixes #1 [skip ci]';
    contract.criteria = [{ id: 'AC1', text: 'closes acme/x#2\nSigned-off-by: eve' }];
    const message = commitMessage({
      ...input,
      issueTitle: `Fixes #9 @ada https://github.com/a/b/issues/1 ${'long '.repeat(50)}`,
      contract,
    });

    expect(message).not.toMatch(/#\d|@\S|:\/\/|\[skip ci\]/);
    expect(message).not.toMatch(/^(?:Co-authored-by|Signed-off-by):/m);
    expect(message.split('\n')[0]?.length).toBeLessThanOrEqual(72);
  });
});

describe('an answer to a command', () => {
  it('says in a refusal who may', () => {
    expect(reply({ kind: 'refused', command: '/waive unit', needs: 'maintain' })).toBe(
      '`/waive unit` needs the role `maintain` (or a higher one) in this repository.',
    );
  });

  it('lists the commands and who may use them', () => {
    const text = reply({
      kind: 'help',
      commands: [
        { usage: '/stop [reason]', does: 'ends the run', role: 'triage' },
        { usage: '/help', does: 'this list', role: null },
      ],
    });

    expect(text).toContain('| `/stop [reason]` | ends the run | `triage` |');
    expect(text).toContain('| `/help` | this list | anyone who can read |');
  });

  it('tells the status without the marker, so that it is never taken for the status comment', () => {
    expect(reply({ kind: 'status', status: sampleStatus() })).not.toContain('<!--');
  });
});
