import { describe, expect, test } from 'vitest';
import { mendedBy, revertedBy, revertedIn } from '../../src/learning/escapes.ts';

const contract = (goal: string, decisions = '') =>
  `## Goal\n- Goal: ${goal}\n\n## Acceptance criteria\n- The sum is 5.\n\n## Context in scope\n- Prior decisions: ${decisions}\n`;

describe('what is reverted', () => {
  test.each([
    ['millwright/revert-12', false, 'x', '', 12],
    ['millwright/revert-12', true, 'x', '', null],
    ['revert-12-patch', false, 'Revert "Add sums"', 'Reverts acme/shop#12', 12],
    ['revert-12-patch', false, 'Add sums', 'Reverts acme/shop#12', null],
    ['topic', false, 'Revert "Add sums"', 'nothing named', null],
  ])('by the branch %s (of a fork: %s) titled %s with the body "%s" is %s', (branch, ofFork, title, body, number) => {
    expect(revertedBy({ branch, ofFork, title, body })).toBe(number);
  });

  test.each([
    ['Revert "Add sums (#12)"', 12],
    ['Revert "Add sums (#12)" (#30)', 12],
    ['Revert "Merge pull request #12 from acme/topic"', 12],
    ['Revert "Add sums" (#12) (#31)', 12],
    ['Merge pull request #40 from acme/millwright/revert-12', 12],
    ['Add sums (#12)', null],
    ['Merge pull request #40 from acme/topic', null],
  ])('in the commit %s is %s', (subject, number) => {
    expect(revertedIn(subject)).toBe(number);
  });
});

describe('what a contract mends', () => {
  test('is what it names, when it speaks of mending', () => {
    expect(mendedBy({ title: 'Sums are wrong since #12', body: contract('The sum is right.') })).toEqual([12]);
    expect(mendedBy({ title: 'Sums', body: contract('Fix the sum.', '#12, #13') })).toEqual([12, 13]);
    expect(mendedBy({ title: 'Sums', body: contract('Extend the sum.', '#12') })).toEqual([]);
    expect(mendedBy({ title: 'Fix sums', body: contract('The sum is right.') })).toEqual([]);
  });
});
