import { describe, expect, it } from 'vitest';
import { type DecisionInput, decide, type Objection, outcomeTable } from '../../src/verification/outcomes.ts';
import type { CheckVerdict } from '../../src/verification/verdict.ts';

function check(state: CheckVerdict['state'], kind = 'unit'): CheckVerdict {
  const none = { head: null, base: null, headAgain: null, baseAgain: null, newFailures: [], failingBefore: [] };
  return { kind, label: kind, command: 'npm test', origin: 'repository', state, reason: null, ...none };
}

function objection(gate: Objection['gate'], name: string = gate): Objection {
  return { gate, name, message: 'something', paths: ['a.js'] };
}

function decided(more: Partial<DecisionInput>) {
  return decide({ checks: [], objections: [], waived: [], flaky: 'wait', lastRound: false, sentBack: [], ...more });
}

describe('the outcome table', () => {
  // SPEC §7, row by row: first time, when it has sent the work back before, on the last round, conclusion once it is let through.
  it.each([
    ['passed', 'open', 'open', 'open'],
    ['skipped', 'open', 'open', 'open'],
    ['not-configured', 'open', 'open', 'open'],
    ['failing-before', 'open', 'open', 'open'],
    ['failed', 'build', 'build', 'fail'],
    ['timed-out', 'build', 'build', 'fail'],
    ['out-of-memory', 'build', 'build', 'fail'],
    ['output-limit', 'build', 'build', 'fail'],
    ['flaky', 'build', 'wait', 'wait'],
    ['not-runnable', 'wait', 'wait', 'wait'],
  ] as const)('a check that is %s: %s, again %s, on the last round %s', (state, first, again, last) => {
    const name = state === 'flaky' ? 'flaky' : 'unit';

    expect(decided({ checks: [check(state)] }).next).toBe(first);
    expect(decided({ checks: [check(state)], sentBack: [name] }).next).toBe(again);
    expect(decided({ checks: [check(state)], lastRound: true }).next).toBe(last);
  });

  it.each([
    ['tests', 'build', 'wait', 'wait'],
    ['definitions', 'build', 'wait', 'wait'],
    ['size', 'build', 'wait', 'wait'],
    ['scope', 'wait', 'wait', 'wait'],
    ['protected', 'build', 'build', 'fail'],
    ['secret', 'build', 'build', 'fail'],
    ['patch', 'build', 'build', 'fail'],
    ['empty', 'wait', 'wait', 'wait'],
  ] as const)('an objection of the gate %s: %s, again %s, on the last round %s', (gate, first, again, last) => {
    const objections = [objection(gate)];

    expect(decided({ objections }).next).toBe(first);
    expect(decided({ objections, sentBack: [gate] }).next).toBe(again);
    expect(decided({ objections, lastRound: true }).next).toBe(last);
  });

  it('has a row for everything that lets nothing through or something', () => {
    for (const row of Object.values(outcomeTable)) {
      expect(row.opensPullRequest).toBe(row.first === 'none');
    }
  });
});

describe('the decision', () => {
  it('waits for scope at once only when it is the only objection', () => {
    expect(decided({ objections: [objection('scope')] }).next).toBe('wait');
    expect(decided({ objections: [objection('scope')], checks: [check('failed')] }).next).toBe('build');
  });

  it('fails on the last round when anything cannot be let through, whatever else waits', () => {
    const verdict = decided({
      objections: [objection('scope'), objection('tests')],
      checks: [check('failed')],
      lastRound: true,
    });

    expect(verdict.next).toBe('fail');
  });

  it('lets a waived check, finding or flake through, neutrally and on the record', () => {
    const waived = ['unit', 'tests', 'flaky'].map((name) => ({ name, reason: 'known', by: 'ada' }));
    const verdict = decided({
      checks: [check('failed'), check('flaky', 'e2e')],
      objections: [objection('tests')],
      waived,
    });

    expect(verdict.next).toBe('open');
    expect(verdict.conclusion).toBe('neutral');
    expect(verdict.checks.map(({ state, reason }) => `${state}: ${reason}`)).toEqual([
      'waived: failed, waived by ada: known',
      'waived: differs when run again, waived by ada: known',
    ]);
    expect(verdict.findings.map(({ name, waivedBy, waiveReason }) => [name, waivedBy, waiveReason])).toEqual([
      ['unit', 'ada', 'known'],
      ['flaky', 'ada', 'known'],
      ['tests', 'ada', 'known'],
    ]);
  });

  it.each(['protected', 'secret', 'patch', 'scope', 'empty'] as const)('never lets %s be waived', (gate) => {
    const waived = [{ name: gate, reason: 'please', by: 'ada' }];

    expect(decided({ objections: [objection(gate)], waived }).next).not.toBe('open');
  });

  it('takes a waiver of one flaky check by its kind', () => {
    const waived = [{ name: 'e2e', reason: 'known', by: 'ada' }];

    expect(decided({ checks: [check('flaky', 'e2e')], waived }).next).toBe('open');
    expect(decided({ checks: [check('flaky', 'e2e'), check('flaky', 'unit')], waived }).next).toBe('build');
  });

  it('opens past a flake, neutrally, where policy says so', () => {
    const verdict = decided({ checks: [check('flaky')], flaky: 'pass' });

    expect([verdict.next, verdict.conclusion]).toEqual(['open', 'neutral']);
  });

  it('is a success when everything passed or was red before', () => {
    const verdict = decided({ checks: [check('passed'), check('failing-before', 'lint'), check('skipped', 'smoke')] });

    expect([verdict.next, verdict.conclusion]).toEqual(['open', 'success']);
  });
});
