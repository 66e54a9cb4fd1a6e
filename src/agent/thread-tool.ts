import { z } from 'zod';
import { MillwrightError } from '../errors.ts';
import { headAndTail } from './output-store.ts';
import { type AgentTool, defineTool, result } from './tool.ts';

const shown = { head: 10_000, tail: 6_000 };
/** Each one costs a few calls of GitHub's quota. */
const mostThreads = 40;

/** Reads an issue or pull request of the repository that is worked on. `read` gives its text, null when there is none. */
export function readThread(read: (number: number) => Promise<string | null>): AgentTool {
  const known = new Map<number, Promise<string | null>>();
  return defineTool({
    name: 'read_thread',
    readsOnly: true,
    description:
      'Reads an issue or pull request of this repository, with comments and reviews, as far as people who may steer the work ' +
      'wrote them.',
    shape: z.object({ number: z.int().positive().max(999_999_999) }),
    async run({ number }, context) {
      if (!known.has(number) && known.size >= mostThreads)
        return result(`Not read: ${mostThreads} issues and pull requests were read already.`);
      try {
        const reading = known.get(number) ?? read(number);
        known.set(number, reading);
        const text = await reading;
        if (text === null) return result(`There is no issue or pull request #${number} in this repository.`);
        const safe = context.mask(text);
        const cut = safe.length > shown.head + shown.tail;
        const note = cut ? `; read them with read_file path "${context.outputs.keep(safe)}"` : '';
        return result(context.data(`thread #${number}`, headAndTail(safe, shown.head, shown.tail, note)), {
          fingerprint: safe,
        });
      } catch (error) {
        known.delete(number);
        // The work can go on without; what is wrong with GitHub comes to light where it matters.
        if (error instanceof MillwrightError && error.code.startsWith('outside.github'))
          return result(`Not read: GitHub did not answer. Go on without #${number}, or try again later.`);
        throw error;
      }
    },
  });
}
