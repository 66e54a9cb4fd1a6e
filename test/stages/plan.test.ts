import { describe, expect, it } from 'vitest';
import type { PlanShape } from '../../src/agent/shapes.ts';
import { Briefing } from '../../src/stages/context.ts';
import { PlanResult, plan, planFacts, planRevision, planText, planWait } from '../../src/stages/plan.ts';
import { ScriptedModel } from '../doubles/scripted-model.ts';
import { goodPlan, planning, planningWalls, someRun } from './planning.ts';

const briefing = Briefing.parse({
  entries: [{ path: 'src/slug.ts', kind: 'file', why: 'named', tokens: 9, text: 'export const slug = 1;' }],
  missing: [],
  tokens: 9,
});

const says = (change: Partial<PlanShape> = {}) => ({ text: JSON.stringify({ ...goodPlan, ...change }) });
const result = (change: Partial<PlanResult> = {}): PlanResult => ({
  plan: goodPlan,
  objections: [],
  note: null,
  issues: [],
  ...change,
});
const lastMessage = (model: ScriptedModel) => model.requests.at(-1)?.messages.at(-1)?.text ?? '';

async function planned(model: ScriptedModel, change: Parameters<typeof planning>[1] = {}): Promise<PlanResult> {
  const made = await plan(planning(model, change), briefing);
  model.done();
  return made;
}

describe('making a plan', () => {
  it('takes a plan without fault at once, with the briefing as data', async () => {
    const model = new ScriptedModel(says());

    const made = await planned(model);

    expect(made).toEqual(result());
    expect(lastMessage(model)).toContain('export const slug = 1;');
    expect(model.requests[0]?.tools ?? []).toEqual([]);
  });

  it.each([
    ['a path outside scope', { files: ['src/a.ts', 'lib/b.ts'] }, 'scope', 'lib/b.ts is outside the allowed files'],
    [
      'a protected path',
      { files: ['.github/workflows/ci.yml'] },
      'scope',
      '.github/workflows/ci.yml is protected or outside the repository',
    ],
    [
      'a path that leaves the repository',
      { files: ['../x.ts'] },
      'scope',
      '../x.ts is protected or outside the repository',
    ],
    [
      'a denied path',
      { files: ['src/generated/x.ts'] },
      'scope',
      'src/generated/x.ts must not change (src/generated/**)',
    ],
    ['no file but a pattern', { files: ['src/**'] }, 'paths', 'src/** names no single file: list each file'],
    ['no test', { testsFirst: [] }, 'tests', 'no test is named that will be written or changed first'],
    [
      'a test out of scope',
      { testsFirst: ['spec/a.spec.ts: x'] },
      'tests',
      'the test spec/a.spec.ts stands outside the allowed files',
    ],
    [
      'too many files',
      { files: Array.from({ length: 21 }, (_, index) => `src/${index}.ts`) },
      'size',
      '21 files are planned, 20 are allowed',
    ],
  ] as const)('sends %s back once, saying why, and takes what is mended', async (_case, fault, _kind, text) => {
    const model = new ScriptedModel(says(fault as Partial<PlanShape>), says());

    const made = await planned(model);

    expect(made).toEqual(result());
    expect(lastMessage(model)).toContain(`- ${text}`);
  });

  it.each([
    [
      'a tool that the contract denies',
      'curl -s x',
      { denied: ['curl'], clis: [] },
      'curl -s x may not be used: the contract denies curl',
    ],
    ['a command that the policy denies', 'npm publish', { denied: [], clis: [] }, /^npm publish may not be used: /],
    ['a command outside the allowed ones', 'make all', { denied: [], clis: [] }, /^make all may not be used: /],
    [
      'a read-only tool used to change',
      'git push',
      { denied: [], clis: [{ name: 'git', access: 'read-only' as const }] },
      /^git push may not be used: /,
    ],
    [
      'a tool that its server does not grant',
      'docs.delete',
      { denied: [], clis: [] },
      'docs.delete may not be used: the server docs has no granted tool of that name',
    ],
  ])('objects to %s', async (_case, tool, tools, text) => {
    const walls = {
      tools,
      commands: { allow: [['npm *', 'git *', 'curl *']], deny: ['npm publish *'] },
      mcp: { docs: { search: 'read-only' as const } },
    };
    const model = new ScriptedModel(
      says({ tools: [tool] }),
      says({ tools: ['npm test', 'docs.search', 'docs', 'read_file', '`git diff`'] }),
    );

    const made = await planned(model, { walls });
    const still = await planned(new ScriptedModel(says({ tools: [tool] }), says({ tools: [tool] })), { walls });

    expect(made.objections).toEqual([]);
    expect(still.objections).toEqual([
      { kind: 'tools', text: typeof text === 'string' ? text : expect.stringMatching(text) },
    ]);
  });

  it('asks no more than twice, and keeps what is still wrong', async () => {
    const model = new ScriptedModel(says({ files: ['lib/a.ts'] }), says({ files: ['lib/b.ts'], testsFirst: [] }));

    const made = await planned(model);

    expect(made.objections.map(({ kind }) => kind)).toEqual(['scope', 'tests']);
    expect(made.plan?.files).toEqual(['lib/b.ts']);
  });

  it('keeps the first plan when the second would wait for more', async () => {
    const made = await planned(new ScriptedModel(says({ testsFirst: [] }), says({ files: ['lib/b.ts'] })));

    expect(made.plan?.files).toEqual(goodPlan.files);
    expect(made.objections.map(({ kind }) => kind)).toEqual(['tests']);
  });

  it('asks for no test where none is run, where nothing can be shown, and for words alone', async () => {
    const untested = says({ testsFirst: [] });

    const noCheck = await planned(new ScriptedModel(untested), { walls: { checks: [] } });
    const noCriteria = await planned(new ScriptedModel(untested), { contract: { criteria: [] } });
    const words = await planned(new ScriptedModel(says({ files: ['src/README.md', 'src/LICENSE'], testsFirst: [] })));

    expect([noCheck, noCriteria, words].flatMap(({ objections }) => objections)).toEqual([]);
  });

  it('counts files as verification will, and never believes the estimate', async () => {
    const walls = { limits: { ...planningWalls().limits, files: 2 } };
    const large = says({
      estimate: { files: 900, lines: 90_000 },
      files: ['src/a.ts', './src/a.ts', '`src/b.ts` (new)', 'package-lock.json'],
    });
    const small = says({ estimate: { files: 1, lines: 1 }, files: ['src/a.ts', 'src/b.ts', 'src/c.ts'] });
    const inParts = says({
      files: [],
      split: [{ title: 'a', goal: 'b', criteria: [], files: ['src/a.ts', 'src/b.ts', 'src/c.ts'] }],
    });

    expect((await planned(new ScriptedModel(large), { walls })).objections).toEqual([]);
    expect((await planned(new ScriptedModel(small, small), { walls })).objections).toEqual([
      { kind: 'size', text: '3 files are planned, 2 are allowed' },
    ]);
    expect((await planned(new ScriptedModel(inParts, inParts), { walls })).objections.map(({ kind }) => kind)).toEqual([
      'size',
    ]);
  });

  it('takes `None` for an empty list', async () => {
    const made = await planned(new ScriptedModel(says({ decisions: ['None', ' '], tools: ['n/a'], notes: ['none.'] })));

    expect(made.plan).toMatchObject({ decisions: [], tools: [], notes: [] });
  });

  it('goes on without a plan when the model gives none, and says so', async () => {
    const made = await planned(new ScriptedModel({ finish: 'refusal', text: 'No.' }));

    expect(made).toEqual(result({ plan: null, note: 'The model gave no plan (refusal).' }));
    expect(planFacts(made)).toBeNull();
    expect(planText(made)).toBe('The model gave no plan (refusal).');
  });

  it.each([
    ['plan', true],
    ['intake', true],
    ['build', false],
  ] as const)('hears the guidance of a retry from %s: %s', async (from, heard) => {
    const model = new ScriptedModel(says());

    await planned(model, { run: { start: { from, reason: 'retry', guidance: 'Use the table.' } } });

    expect(lastMessage(model).includes('Use the table.')).toBe(heard);
  });
});

describe('waiting for a person', () => {
  const at = (change: Parameters<typeof someRun>[0] = {}, walls: Parameters<typeof planningWalls>[0] = {}) => ({
    run: someRun(change),
    walls: planningWalls(walls),
  });

  it('is for nothing that a plan may leave open', () => {
    const open = result({
      objections: [
        { kind: 'tests', text: 'no test is named' },
        { kind: 'paths', text: 'src/** names no single file' },
      ],
    });

    expect(planWait(open, at())).toBeNull();
    expect(
      planWait(result({ plan: { ...goodPlan, split: [{ title: 't', goal: 'g', criteria: [], files: [] }] } }), at()),
    ).toBeNull();
  });

  it.each([
    ['scope', 'plan-scope', /\/allow GLOB/],
    ['tools', 'plan-tools', /\/retry from plan/],
    ['size', 'too-big', /smaller issues/],
  ] as const)('is for %s', (kind, code, question) => {
    const wait = planWait(result({ objections: [{ kind, text: 'what is wrong' }] }), at());

    expect(wait).toMatchObject({ code, question: expect.stringMatching(question) });
    expect(`${wait?.text}${wait?.detail}`).toContain('what is wrong');
  });

  it('does not offer /allow for what a policy above the contract forbids', () => {
    const outside = result({
      plan: { ...goodPlan, files: ['lib/a.ts'] },
      objections: [{ kind: 'scope', text: 'lib/a.ts is outside' }],
    });
    const files = { ...planningWalls().files, allowBy: ['repository' as const] };

    expect(planWait(outside, at({}, { files }))?.question).toMatch(/no \/allow can admit/);
  });

  it('is for decisions, and asks everything at once', () => {
    const plan = { ...goodPlan, decisions: ['UTC or local time?'] };

    expect(planWait(result({ plan }), at())).toMatchObject({
      code: 'decision',
      question: expect.stringContaining('UTC or local time?'),
    });
    expect(planWait(result({ plan, objections: [{ kind: 'scope', text: 'x is outside' }] }), at())).toMatchObject({
      code: 'plan-scope',
      question: expect.stringMatching(/^1\. Widen[^\n]*\n2\. UTC or local time\?/),
    });
  });

  it.each(['build', 'verify', 'review'] as const)('is over once an attempt begins at %s', (from) => {
    const faulty = result({ plan: { ...goodPlan, decisions: ['which?'] }, objections: [{ kind: 'scope', text: 'x' }] });

    expect(planWait(faulty, at({ start: { from } }))).toBeNull();
  });

  it('is not for a size that was waived', () => {
    const big = result({ objections: [{ kind: 'size', text: '21 files' }] });

    expect(planWait(big, at({ request: { waived: [{ name: 'size', reason: 'r', by: 'ada' }] } }))).toBeNull();
  });

  it('is for the policy’s approval of this very plan, which no retry gets around', () => {
    const approved = (of: PlanResult) => [{ gate: 'plan' as const, revision: planRevision(of), by: 'ada' }];
    const other = result({ plan: { ...goodPlan, files: ['src/other.ts'] } });
    const gate = { plan: 'approve' as const };

    expect(planWait(result(), at({}, gate))).toMatchObject({ code: 'plan-approval' });
    expect(planWait(result(), at({ start: { from: 'build' } }, gate))).toMatchObject({ code: 'plan-approval' });
    expect(planWait(result(), at({ request: { approved: approved(result()) } }, gate))).toBeNull();
    expect(planWait(other, at({ request: { approved: approved(result()) } }, gate))).toMatchObject({
      code: 'plan-approval',
    });
    expect(planWait(result({ plan: null, note: 'none' }), at({}, gate))).toMatchObject({ code: 'plan-approval' });
  });
});

it('reads plans that earlier versions saved', () => {
  const { tools: _tools, ...before } = goodPlan;

  const read = PlanResult.parse({ plan: before, objections: [{ kind: 'size', text: 'x' }], note: null });

  expect(read).toEqual(result({ plan: { ...goodPlan, tools: [] }, objections: [{ kind: 'size', text: 'x' }] }));
});
