import { describe, expect, it } from 'vitest';
import { fenceParts, newNonce } from '../../src/agent/fence.ts';
import type { Lesson } from '../../src/context/choose.ts';
import { type Contract, emptyContract } from '../../src/contract/contract.ts';
import type { AttemptStart } from '../../src/run.ts';
import {
  Briefing,
  briefingBudgetTokens,
  briefingParts,
  briefingWait,
  selectContext,
} from '../../src/stages/context.ts';
import { fetched, workbench } from '../git/workbench.ts';

function contractOn(change: {
  goal?: string;
  context?: Partial<Contract['context']>;
  boundaries?: Partial<Contract['boundaries']>;
}): Contract {
  const empty = emptyContract();
  return {
    ...empty,
    goal: change.goal ?? 'It works.',
    context: { ...empty.context, ...change.context },
    boundaries: { ...empty.boundaries, ...change.boundaries },
  };
}

type Extra = { decisions?: [string, string][]; lessons?: Lesson[]; budgetTokens?: number };

async function briefed(files: Parameters<typeof fetched>[0], contract: Contract, extra: Extra = {}) {
  const { git, repository, base } = await fetched(files);
  return selectContext({ repository, base, contract, ...extra, decisions: new Map(extra.decisions) }, { git });
}

const fenced = (briefing: Briefing) => fenceParts('briefing', briefingParts(briefing), newNonce());
const shown = ({ entries }: Briefing) => entries.map(({ kind, path }) => `${kind} ${path}`);
const whyOf = ({ entries }: Briefing, path: string) => entries.find((entry) => entry.path === path)?.why;

const widget = {
  'AGENTS.md': 'Use tabs.\n',
  'CLAUDE.md': { link: 'AGENTS.md' },
  'CONTRIBUTING.md': 'Be kind.\n',
  'docs/AGENTS.md': 'Short words.\n',
  'docs/slugs.md': '# Slugs\n',
  'src/AGENTS.md': 'No default exports.\n',
  'src/CLAUDE.md': 'No default exports.\n',
  'src/accents.ts': "const table = new Map([['é', 'e']]);\nexport function fold(text: string) {\n  return text;\n}\n",
  'src/slug.ts': "import { fold } from './accents.js';\nexport const slug = (title: string) => fold(title);\n",
  'src/titles.ts': "import { slug } from './slug.js';\nexport const titles = [slug('a')];\n",
  'test/api.test.ts': "import { titles } from '../src/titles.js';\n",
  'test/other.test.ts': "import { other } from '../src/other.js';\n",
  'test/slug.test.ts': "import { slug } from '../src/slug.js';\n",
};

it('says which files no container can hold because of their names', async () => {
  const briefing = await briefed({ 'src/.wh.slug.ts': 'x', 'src/slug.ts': 'y' }, contractOn({}));

  expect(briefing.missing).toEqual([
    'src/.wh.slug.ts is not checked out: container images read its name as a deletion',
  ]);
});

describe('what the briefing holds', () => {
  it('puts the contract’s files first, then the tests that exercise them, the rules above them, docs, decisions, history and neighbours', async () => {
    const contract = contractOn({
      context: { files: ['src/slug.ts'], docs: ['docs/slugs.md'], decisions: ['#12 (slugs): see there', '#99'] },
    });

    const briefing = await briefed(widget, contract, { decisions: [['#12', 'Slugs are lower case.']] });

    expect(shown(briefing)).toEqual([
      'file src/slug.ts',
      'test test/slug.test.ts',
      'test test/api.test.ts',
      'rule AGENTS.md',
      'rule CONTRIBUTING.md',
      'rule docs/AGENTS.md',
      'rule src/AGENTS.md',
      'doc docs/slugs.md',
      'decision #12',
      'history git log',
      'neighbour src/accents.ts',
      'neighbour src/titles.ts',
    ]);
    expect(briefing.missing).toEqual(['Prior decisions: #99 could not be read']);
    expect(briefing.question).toBeNull();
  });

  it('says of each entry why it is there and what it costs', async () => {
    const briefing = await briefed(widget, contractOn({ context: { files: ['src/slug.ts'] } }));

    expect(whyOf(briefing, 'src/slug.ts')).toBe('named in the contract (src/slug.ts)');
    expect(whyOf(briefing, 'test/slug.test.ts')).toBe('imports src/slug.ts (+6); is named like src/slug.ts (+4)');
    expect(whyOf(briefing, 'test/api.test.ts')).toBe('reaches src/slug.ts through src/titles.ts (+3)');
    expect(whyOf(briefing, 'src/AGENTS.md')).toBe('rules for everything under src/');
    expect(whyOf(briefing, 'docs/AGENTS.md')).toBeUndefined();
    expect(whyOf(briefing, 'src/accents.ts')).toMatch(/^is imported by src\/slug\.ts \(\+/);
    expect(briefing.entries.every(({ tokens, text }) => tokens > (text?.length ?? 0) / 4)).toBe(true);
    expect(briefing.tokens).toBe(briefing.entries.reduce((sum, entry) => sum + entry.tokens, 0));
  });

  it('shows files whole and neighbours in outline', async () => {
    const briefing = await briefed(widget, contractOn({ context: { files: ['src/slug.ts'] } }));

    const textOf = (path: string) => briefing.entries.find((entry) => entry.path === path)?.text;
    expect(textOf('src/slug.ts')).toBe(widget['src/slug.ts']);
    expect(textOf('src/accents.ts')).toMatch(/\n2: export function fold\(text: string\) \{$/);
  });

  it('finds tests by what changed together with a file', async () => {
    const { git, origin, remote } = workbench();
    let parent = origin.commit({
      'app/core.rb': '0',
      'spec/flows/checkout_spec.rb': '0',
      'spec/flows/login_spec.rb': '0',
    });
    for (const version of ['1', '2', '3'])
      parent = origin.commit(
        { 'app/core.rb': version, 'spec/flows/checkout_spec.rb': version },
        { parent, message: `core ${version}` },
      );
    parent = origin.commit({ 'app/core.rb': '4' }, { parent, message: 'core alone' });
    const base = await git.fetch(remote, 'main');
    const contract = contractOn({ context: { files: ['app/core.rb'] } });

    const briefing = await selectContext(
      { repository: remote.repository, base, contract, decisions: new Map() },
      { git },
    );

    expect(shown(briefing)).toEqual(['file app/core.rb', 'test spec/flows/checkout_spec.rb', 'history git log']);
    expect(whyOf(briefing, 'spec/flows/checkout_spec.rb')).toBe('changed with app/core.rb in 4 of 5 commits (+2.4)');
    expect(
      briefing.entries
        .at(-1)
        ?.text?.split('\n')
        .map((line) => line.slice(22)),
    ).toEqual([
      'core alone (app/core.rb)',
      'core 3 (app/core.rb)',
      'core 2 (app/core.rb)',
      'core 1 (app/core.rb)',
      'a change (app/core.rb)',
    ]);
  });

  it.each([
    [
      'Python',
      { 'shop/cart.py': 'def total(): ...\n', 'tests/test_sums.py': 'from shop.cart import total\n' },
      'shop/cart.py',
      'tests/test_sums.py',
    ],
    [
      'Go',
      {
        'go.mod': 'module example.org/w\n',
        'cart/cart.go': 'package cart\n',
        'e2e/sum_test.go': 'package e2e\n\nimport "example.org/w/cart"\n',
      },
      'cart/cart.go',
      'e2e/sum_test.go',
    ],
    [
      'JavaScript',
      {
        'lib/cart.cjs': 'exports.total = 1;\n',
        'spec/sums.spec.js': "const { total } = require('../lib/cart.cjs');\n",
      },
      'lib/cart.cjs',
      'spec/sums.spec.js',
    ],
  ])('finds tests by their imports in %s', async (_language, files, subject, test) => {
    const briefing = await briefed(files, contractOn({ context: { files: [subject] } }));

    expect(whyOf(briefing, test)).toBe(`imports ${subject} (+6)`);
  });

  it('finds the files by itself when the contract names none', async () => {
    const contract = contractOn({ goal: 'Titles with accents keep their letters: `fold("é")` is `e`.' });

    const briefing = await briefed(widget, contract);

    expect(shown(briefing).slice(0, 2)).toEqual(['file src/accents.ts', 'file src/titles.ts']);
    expect(whyOf(briefing, 'src/accents.ts')).toBe(
      'defines `fold` (+8); its path says “accents” (+3); may change (+1)',
    );
  });

  it('takes from a wide glob the files that the goal points at', async () => {
    const files = Object.fromEntries(
      Array.from({ length: 40 }, (_, index) => [`src/part${index}.ts`, `export const p${index} = 0;\n`]),
    );
    const contract = contractOn({ goal: '`limitRate` waits.', context: { files: ['src/**'] } });

    const briefing = await briefed({ ...files, 'src/z.ts': 'export function limitRate() {}\n' }, contract);

    expect(shown(briefing)[0]).toBe('file src/z.ts');
    expect(whyOf(briefing, 'src/z.ts')).toBe(
      'named in the contract (src/**: 12 of 41 files); defines `limitRate` (+8); may change (+1)',
    );
    expect(briefing.entries.filter(({ kind }) => kind === 'file')).toHaveLength(12);
  });

  it('reads addresses of files on this host, and lessons that match', async () => {
    const contract = contractOn({
      context: { files: ['https://host.example/acme/widget/blob/main/src/slug.ts'], decisions: ['docs/slugs.md'] },
    });
    const lessons = [
      { name: 'lesson-1', text: 'Fold before cutting.', paths: ['src/**'] },
      { name: 'lesson-2', text: 'Not here.', paths: ['api/**'] },
      { name: 'lesson-3', text: 'Run the tests.', paths: [] },
    ];

    const briefing = await briefed(widget, contract, { lessons });

    expect(shown(briefing)).toEqual(
      expect.arrayContaining(['file src/slug.ts', 'decision docs/slugs.md', 'lesson lesson-1', 'lesson lesson-3']),
    );
    expect(shown(briefing)).not.toContain('lesson lesson-2');
    expect(whyOf(briefing, 'lesson-1')).toBe('a lesson of earlier runs about src/slug.ts');
  });

  it('takes the rules above files, tests and docs that are still to be written, and no others', async () => {
    const rules = [
      'AGENTS.md',
      'api/AGENTS.md',
      'api/v2/CLAUDE.md',
      'docs/AGENTS.md',
      'web/AGENTS.md',
      'web/CONTRIBUTING.md',
    ];
    const files = Object.fromEntries(rules.map((path) => [path, `rules in ${path}`]));
    const contract = contractOn({
      context: { files: ['api/v2/orders/new.ts'], docs: ['docs/guide/*.md'] },
      boundaries: { files: ['**'] },
    });

    const briefing = await briefed({ ...files, 'web/page.ts': 'x' }, contract);

    expect(shown(briefing).filter((entry) => entry.startsWith('rule '))).toEqual([
      'rule AGENTS.md',
      'rule api/AGENTS.md',
      'rule docs/AGENTS.md',
      'rule api/v2/CLAUDE.md',
    ]);
  });

  it('takes rules and files from the base commit only', async () => {
    const { git, origin, remote } = workbench();
    const base = await git.fetch(remote, origin.commit({ 'AGENTS.md': 'base rules', 'src/a.ts': 'base' }));
    await git.fetch(
      remote,
      origin.commit({ 'AGENTS.md': 'evil rules', 'src/a.ts': 'evil' }, { parent: base, branch: 'evil' }),
    );
    const contract = contractOn({ context: { files: ['src/a.ts'] } });

    const briefing = await selectContext(
      { repository: remote.repository, base, contract, decisions: new Map() },
      { git },
    );

    expect(fenced(briefing)).toContain('base rules');
    expect(fenced(briefing)).not.toContain('evil');
  });

  it('only names what is no text, and says what a checkout cannot hold', async () => {
    const pointer = `version https://git-lfs.github.com/spec/v1\noid sha256:${'a'.repeat(64)}\nsize 12345\n`;
    const files = { 'data/logo.png': Buffer.from([137, 80, 0, 1]), 'data/big.bin': pointer };

    const briefing = await briefed(files, contractOn({ context: { files: ['data/logo.png'] } }));

    expect(briefing.entries[0]).toMatchObject({ path: 'data/logo.png', text: null });
    expect(briefing.missing).toEqual(['Git LFS file data/big.bin holds only its pointer']);
    expect(fenced(briefing)).toContain('data/logo.png (file: named in the contract (data/logo.png)), named only\n');
  });

  it('is the same every time', async () => {
    const { git, repository, base } = await fetched(widget);
    const needs = {
      repository,
      base,
      contract: contractOn({ goal: 'slug and fold' }),
      decisions: new Map<string, string>(),
    };

    const [first, second] = [await selectContext(needs, { git }), await selectContext(needs, { git })];

    expect(second).toEqual(first);
  });
});

describe('the budget of the briefing', () => {
  it('is kept, however much is named', async () => {
    const long = Array.from({ length: 4_000 }, (_, index) => `export const value${index} = ${index};`).join('\n');
    const files = {
      'src/a.ts': long,
      'src/b.ts': long,
      'src/a.test.ts': `import './a.ts';\n${long}`,
      'AGENTS.md': long,
    };

    const briefing = await briefed(files, contractOn({ context: { files: ['src/*.ts', 'gone.md'] } }), {
      budgetTokens: 3_000,
    });

    expect(briefing.tokens).toBeLessThanOrEqual(3_000);
    expect(Buffer.byteLength(fenced(briefing)) / 3).toBeLessThanOrEqual(3_050);
    expect(briefing.entries.map(({ text }) => text?.includes('characters left out'))).toEqual([
      ...[true, true, true, true],
      false,
    ]);
  });

  it('follows the smallest window of the models that read it', () => {
    expect(briefingBudgetTokens([])).toBe(40_000);
    expect(briefingBudgetTokens(['gpt-5', 'claude-opus-4'])).toBe(40_000);
    expect(briefingBudgetTokens(['gpt-5', 'gpt-4'])).toBe(2_048);
  });
});

describe('what was named and is not there', () => {
  it('is listed with what is known of it, and a file of the same name is taken along', async () => {
    const { git, origin, remote } = workbench();
    const first = origin.commit({ 'lib/date.ts': 'old', 'README.md': '' });
    const moved = origin.commit({ 'lib/date.ts': null, 'src/date.ts': 'new' }, { parent: first, message: 'Move date' });
    const base = await git.fetch(remote, moved);
    const contract = contractOn({
      context: { files: ['lib/date.ts'], tests: ['test/date.test.ts'], docs: ['docs/*.md'] },
    });

    const briefing = await selectContext(
      { repository: remote.repository, base, contract, decisions: new Map() },
      { git },
    );

    expect(briefing.missing).toEqual([
      `Files: nothing matches lib/date.ts (last touched by ${moved.slice(0, 10)} 2023-11-14 Move date; there is src/date.ts)`,
      'Tests: nothing matches test/date.test.ts',
      'Docs: nothing matches docs/*.md',
    ]);
    expect(whyOf(briefing, 'src/date.ts')).toBe('has the name of lib/date.ts, which is not there (+6)');
    expect(briefing.question).toBeNull();
  });

  it.each([
    ['a file that the run may not create', 'lib/gone.ts', ['src/**'], true],
    ['a folder outside the allowed files', 'lib/**', ['src/**'], true],
    ['a file that the run may create', 'src/new.ts', ['src/**'], false],
    ['a file where everything is allowed', 'lib/gone.ts', [], false],
  ])('asks about %s or not', async (_case, file, allowed, asks) => {
    const contract = contractOn({ context: { files: [file] }, boundaries: { files: allowed } });

    const briefing = await briefed(widget, contract);

    expect(briefing.missing).toEqual([`Files: nothing matches ${file}`]);
    expect(briefing.question !== null).toBe(asks);
    if (asks) expect(briefing.question).toContain(`\`${file}\``);
  });

  it('asks about a file that only the policy keeps the run from creating', async () => {
    const { git, repository, base } = await fetched(widget);
    const walls = { files: { allow: [['src/**']], deny: ['src/gen/**'], companions: [], unprotect: [] } };
    const needs = { repository, base, decisions: new Map<string, string>(), walls };

    const denied = await selectContext(
      { ...needs, contract: contractOn({ context: { files: ['src/gen/x.ts'] } }) },
      { git },
    );
    const free = await selectContext({ ...needs, contract: contractOn({ context: { files: ['src/x.ts'] } }) }, { git });

    expect(denied.question).toContain('src/gen/x.ts');
    expect(free.question).toBeNull();
  });

  it('keeps the run waiting until a person goes on without it', () => {
    const briefing = Briefing.parse({
      entries: [],
      missing: ['Files: nothing matches x'],
      tokens: 0,
      question: 'Where is x?',
    });
    const from = (stage: AttemptStart['from']) =>
      ({ start: { from: stage, reason: 'retry', by: 'ada', guidance: null } }) as const;

    expect(briefingWait(briefing, from('intake'))).toMatchObject({ code: 'context-missing', question: 'Where is x?' });
    expect(briefingWait(briefing, from('context'))).not.toBeNull();
    expect(briefingWait(briefing, from('plan'))).toBeNull();
    expect(briefingWait(briefing, from('build'))).toBeNull();
    expect(briefingWait({ ...briefing, question: null }, from('intake'))).toBeNull();
  });
});

it('reads briefings that earlier versions saved', () => {
  const saved = { entries: [{ path: 'a', kind: 'file', why: 'w', tokens: 1, text: null }], missing: [], tokens: 1 };

  expect(Briefing.parse(saved)).toMatchObject({ question: null, leftOut: 0, entries: [{ path: 'a', score: 0 }] });
});
