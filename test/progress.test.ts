import { afterEach, describe, expect, test, vi } from 'vitest';
import { Progress } from '../src/cli/progress.ts';
import type { Terminal } from '../src/cli/terminal.ts';

afterEach(() => void vi.restoreAllMocks());

/** What a run told: lines that stayed, and, on a terminal, what the last line said from moment to moment. */
function watched(columns: number | null) {
  const lines: string[] = [];
  const moments: string[] = [];
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    moments.push(String(text));
    return true;
  });
  const terminal: Terminal = { out: () => {}, err: (text) => void lines.push(text), bytes: () => {}, columns };
  const progress = new Progress(terminal, Date.now());
  const tell = (kind: string, data: unknown) => progress.tell({ id: 1, runId: 'r', attempt: 1, kind, atMs: 0, data });
  tell('stage', { stage: 'intake', note: null });
  tell('stage', { stage: 'build', note: 'round 1 of 3' });
  tell('model.call', { usage: { inputTokens: 1200, outputTokens: 34 }, costUsd: 0.25 });
  tell('tool.call', { name: 'run_command\u001b[2J\n' });
  tell('stage', { stage: 'verify', note: 'round 1 of 3' });
  progress.end();
  return { lines, moments };
}

describe('the progress of a run', () => {
  test('is a line for each stage where nobody watches, with turns, tokens and spend', () => {
    const { lines, moments } = watched(null);

    expect(lines).toEqual([
      expect.stringMatching(/^intake {3}[\d.]+ s$/),
      expect.stringMatching(/^build {4}round 1 of 3; [\d.]+ s$/),
      expect.stringMatching(/^verify {3}round 1 of 3; 1 turn, 1\.2k tokens, \$0\.25, [\d.]+ s$/),
    ]);
    expect(moments).toEqual([]);
  });

  test('is on a terminal one line more, that is written over, fits, and is gone at the end', () => {
    const { lines, moments } = watched(60);

    expect(lines).toHaveLength(3);
    const shown = moments.map((moment) => moment.replace('\r\u001b[K', ''));
    expect(shown.join('\n')).toContain('build, round 1 of 3 · run_command');
    expect(shown.join('\n')).toMatch(/· 1 turn, 1\.2k tokens, \$0\.25/);
    expect(moments.every((moment) => moment.startsWith('\r\u001b[K'))).toBe(true);
    expect(Math.max(...shown.map((text) => text.length))).toBeLessThanOrEqual(58);
    for (const steering of ['\u001b', '\n']) expect(shown.join('')).not.toContain(steering);
    expect(moments.at(-1)).toBe('\r\u001b[K');
  });
});
