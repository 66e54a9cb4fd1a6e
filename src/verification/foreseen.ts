import type { Contract } from '../contract/contract.ts';
import { matchesAny } from '../contract/globs.ts';
import { isTestPath } from './test-paths.ts';

/** A contract that allows nothing but tests to change is about the tests. */
export function onlyTestsAllowed(contract: Contract): boolean {
  const { files } = contract.boundaries;
  return files.length > 0 && files.every((glob) => isTestPath(glob) || isTestPath(`${glob.replace(/\/?$/, '')}/x`));
}

/** Whether the contract expects that what this test holds to account changes: it names the test, or allows this very file. */
export function isForeseen(path: string, contract: Contract): boolean {
  // A snapshot belongs to the test beside it.
  const owner = path.replace(/(?:^|(?<=\/))__snapshots__\//, '').replace(/\.snap(?:shot)?$/, '');
  return (
    [path, owner].some((each) => matchesAny(each, contract.context.tests)) ||
    contract.boundaries.files.includes(path) ||
    onlyTestsAllowed(contract)
  );
}
