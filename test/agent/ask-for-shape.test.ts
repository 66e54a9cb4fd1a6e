import { expect, test } from 'vitest';
import { askForShape } from '../../src/agent/ask-for-shape.ts';
import { PlanShape, ReviewShape } from '../../src/agent/shapes.ts';
import { ScriptedModel } from '../doubles/scripted-model.ts';

const request = { name: 'plan', model: 'm', effort: null, messages: [{ role: 'user' as const, text: 'Plan it.' }] };
const plan = {
  files: ['src/a.js'],
  interfaces: [],
  testsFirst: [],
  tools: [],
  decisions: [],
  estimate: { files: 1, lines: 10 },
  split: [],
  notes: [],
};

test('gives a checked value, asked for by a schema that demands every field', async () => {
  const model = new ScriptedModel({ text: JSON.stringify(plan) });

  const reply = await askForShape(model, request, PlanShape);

  expect(reply).toMatchObject({ ok: true, value: plan, calls: 1 });
  expect(model.requests[0]?.schema).toMatchObject({
    name: 'plan',
    json: { type: 'object', additionalProperties: false, required: Object.keys(plan) },
  });
});

test('gives the model one chance to mend, and adds up both calls', async () => {
  const model = new ScriptedModel({ text: '{"findings": [{"file": 3}]}' }, { text: '{"findings": []}' });

  const reply = await askForShape(model, request, ReviewShape);

  expect(reply).toMatchObject({ ok: true, value: { findings: [] }, calls: 2, usage: { inputTokens: 200 } });
  expect(model.requests[1]?.messages.at(-1)?.text).toContain('findings[0].file');
});

test.each([
  ['invalid', [{ text: 'no' }, { text: 'still no' }], 'invalid'],
  ['refused', [{ finish: 'refusal' as const, text: 'No.' }], 'refusal'],
  ['filtered', [{ finish: 'content-filter' as const }], 'content-filter'],
  ['cut twice', [{ finish: 'length' as const }, { finish: 'length' as const }], 'length'],
  ['too long', [{ finish: 'too-long' as const }], 'too-long'],
])('a reply that is %s is a failure with its reason', async (_name, replies, reason) => {
  const model = new ScriptedModel(...replies);

  const reply = await askForShape(model, request, PlanShape);

  model.done();
  expect(reply).toMatchObject({ ok: false, reason });
});
