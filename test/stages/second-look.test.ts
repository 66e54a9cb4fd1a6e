import { describe, expect, it } from 'vitest';
import type { Attempt } from '../../src/attempt.ts';
import { lookAgain, secondLookEvent } from '../../src/stages/second-look.ts';
import { wallsWith } from '../bench/bench-walls.ts';
import { sampleContract, sampleVerdict } from '../report/sample-input.ts';

const finding = (file: string, line: number | null, consequence = 'An empty title collides.') => ({
  file,
  line,
  message: 'Empty titles are not refused.',
  consequence,
});

async function look(findings: object[], limit = 5) {
  const asked: string[] = [];
  const recorded: [string, unknown][] = [];
  const door = {
    complete: async (request: { messages: unknown }) => {
      asked.push(JSON.stringify(request.messages));
      const usage = { inputTokens: 1, cachedInputTokens: 0, outputTokens: 1 };
      return { text: JSON.stringify({ findings }), calls: [], finish: 'stop', usage, model: 'm' };
    },
  };
  const attempt = {
    walls: wallsWith([], { limits: { ...wallsWith([]).limits, findings: limit } }),
    contract: sampleContract(),
    nonce: 'NONCE-7',
    mask: (text: string) => text.replaceAll('s3cret', '***'),
    signal: new AbortController().signal,
    model: () => ({ name: 'm', effort: null, door }),
    repository: 'host/acme/shop',
    base: { branch: 'main', commit: 'b' },
    record: async (kind: string, data: unknown) => void recorded.push([kind, data]),
  } as unknown as Attempt;
  const file = { path: 'src/slug.js', status: 'modified', binary: false, added: 1, removed: 1 };
  const git = { diff: async () => ({ files: [file], text: '+const token = "s3cret";' }) } as never;
  return { found: await lookAgain(sampleVerdict(), attempt, { git }), asked, recorded };
}

describe('the second look', () => {
  it('sees contract, change and what the app saw, and not what the agent says of it', async () => {
    const { asked } = await look([]);

    for (const seen of ['the slug is', 'Lint: failing-before', 'AC3: no automated evidence', 'size: The change'])
      expect(asked[0]).toContain(seen);
    expect(asked[0]).toContain('Nothing is claimed.');
    expect(asked[0]).not.toContain('s3cret');
  });

  it('keeps findings about the change that have a consequence, with their lines, at most as many as the policy says', async () => {
    const many = [
      finding('src/slug.js', 2),
      finding('etc/passwd', 1),
      finding('src/slug.js', 9, ' '),
      finding('src/slug.js', -1),
    ];

    const { found } = await look([...many, finding('src/slug.js', 3)], 2);

    expect(found).toEqual([
      { path: 'src/slug.js', line: 2, consequence: 'Empty titles are not refused. An empty title collides.' },
      { path: 'src/slug.js', line: null, consequence: 'Empty titles are not refused. An empty title collides.' },
    ]);
  });

  it('leaves its findings in the ledger, where those that come back can be told', async () => {
    const { found, recorded } = await look([finding('src/slug.js', 2)]);

    expect(recorded).toEqual([[secondLookEvent, { findings: found }]]);
  });
});
