import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { createBudget } from '../../src/agent/budget.ts';
import { runAgent } from '../../src/agent/loop.ts';
import { systemClock } from '../../src/clock.ts';
import { createOpenAiModel } from '../../src/model/openai-model.ts';
import { FolderSandbox } from '../doubles/sandbox.ts';
import { demoModel } from '../support/demo-model.ts';
import { startModel } from '../support/model-stand-in.ts';
import { someContract, someWalls } from './task.ts';

const project = new URL('../fixtures/sample-project/', import.meta.url).pathname;

async function projectFiles(): Promise<Record<string, string>> {
  const entries = await readdir(project, { recursive: true, withFileTypes: true });
  const files: Record<string, string> = {};
  for (const entry of entries.filter((found) => found.isFile())) {
    const full = join(entry.parentPath, entry.name);
    files[full.slice(project.length)] = await readFile(full, 'utf8');
  }
  return files;
}

test('a model behind a real HTTP server mends the sample project with the real tools', async () => {
  await using sandbox = await FolderSandbox.open(await projectFiles());
  sandbox.path = process.env.PATH ?? sandbox.path;
  const standIn = await startModel(demoModel);
  const model = createOpenAiModel({ apiKey: standIn.apiKey, baseUrl: standIn.url, clock: systemClock });

  const result = await runAgent(
    {
      contract: someContract(),
      walls: someWalls(),
      model: { name: 'demo', effort: null },
      briefing: [],
      plan: '',
      feedback: null,
      guidance: null,
      conversation: null,
    },
    {
      model,
      sandbox,
      clock: systemClock,
      budget: createBudget({ limits: { tokens: 1_000_000, dollars: null }, price: null }),
      record: async () => undefined,
      mask: (text) => text,
    },
    new AbortController().signal,
  );
  await standIn.close();

  expect(result.end).toBe('submitted');
  const changed = (await sandbox.changes()).map((change) => change.path).filter((path) => !path.startsWith('.npm'));
  expect(changed.sort()).toEqual(['src/duration.js', 'test/duration.test.js']);
  expect(result.stablePrefix).toBeGreaterThan(0.8);
});
