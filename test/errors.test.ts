import { expect, test } from 'vitest';
import { asMillwrightError, MillwrightError } from '../src/errors.ts';

test('work that fails, and whose clean-up fails as well, failed as the work did', async () => {
  const first = new MillwrightError('outside.sandbox', { message: 'the container is lost' });
  const work = async () => {
    await using _container = {
      [Symbol.asyncDispose]: async () => {
        throw new MillwrightError('outside.no-engine');
      },
    };
    throw first;
  };

  const failure = await work().catch(asMillwrightError);

  expect(failure).toBe(first);
});
