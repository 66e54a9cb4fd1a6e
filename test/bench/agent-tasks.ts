/** What an engineer does in a step, whatever the tools are called. */
export type Step =
  | { read: string; from?: number; to?: number }
  | { find: string }
  | { edit: string; old: string; with: string }
  | { write: string; text: string }
  | { run: string };

export interface BenchTask {
  name: string;
  goal: string;
  files: Record<string, string>;
  /** Files that the context stage selects: they stand in the briefing, and nobody has to look for them. */
  briefed: string[];
  /** How one finds them without a briefing. */
  explore: Step[][];
  /** The work itself, one entry a turn; its steps do not depend on each other. */
  work: Step[][];
}

const numbered = (count: number, line: (index: number) => string) =>
  Array.from({ length: count }, (_, index) => line(index)).join('\n');

/** A module of some hundred lines, as they stand around the place that matters. */
const module = (name: string, lines = 150) =>
  `${numbered(lines, (index) => `export function ${name}${index}(value) {\n  return value + ${index};\n}`)}\n`;

const addBug = 'export const add = (a, b) => a - b;\n';
const addTest = "import { add } from '../src/add.js';\nif (add(2, 0) !== 2) throw new Error('add');\n";
const betterTest = `${addTest}if (add(2, 3) !== 5) throw new Error('adds');\n`;

export const benchTasks: readonly BenchTask[] = [
  {
    name: 'a fault in a small file',
    goal: '`add` adds its two numbers.',
    files: {
      'src/add.js': addBug,
      'src/other.js': module('other'),
      'test/add.test.js': addTest,
      'README.md': 'Adds.\n',
    },
    briefed: ['src/add.js', 'test/add.test.js'],
    explore: [[{ run: 'ls -R src test' }], [{ find: 'add' }], [{ read: 'src/add.js' }, { read: 'test/add.test.js' }]],
    work: [
      [{ write: 'test/add.test.js', text: betterTest }],
      [{ run: 'node test/add.test.js' }],
      [{ edit: 'src/add.js', old: 'a - b', with: 'a + b' }],
      [{ run: 'node test/add.test.js' }],
    ],
  },
  {
    name: 'a name that eight files use',
    goal: '`oldName` is called `newName` everywhere.',
    files: Object.fromEntries(
      Array.from({ length: 8 }, (_, index) => [
        `src/part${index}.js`,
        `${module('part', 40)}export const use${index} = oldName;\n`,
      ]),
    ),
    briefed: [],
    explore: [],
    work: [
      [{ find: 'oldName' }],
      Array.from({ length: 8 }, (_, index) => ({ edit: `src/part${index}.js`, old: 'oldName', with: 'newName' })),
      [{ find: 'oldName' }],
    ],
  },
  {
    name: 'a test run that says very much',
    goal: 'The suite passes.',
    files: {
      'src/limit.js': 'export const limit = 10;\n',
      'suite.sh':
        'seq 1 20000 | sed "s/^/ok test number /"; grep -q "limit = 20" src/limit.js || { echo "not ok: limit is 10, expected 20"; exit 1; }\n',
    },
    briefed: ['src/limit.js'],
    explore: [[{ run: 'ls -R .' }], [{ read: 'src/limit.js' }]],
    work: [
      [{ run: 'sh suite.sh' }],
      [{ edit: 'src/limit.js', old: 'limit = 10', with: 'limit = 20' }],
      [{ run: 'sh suite.sh' }],
    ],
  },
  {
    name: 'one line in a file of 4,500',
    goal: '`part700` multiplies.',
    files: { 'src/part.js': module('part', 1_500) },
    briefed: [],
    explore: [[{ run: 'ls -R src' }]],
    work: [
      [{ find: 'function part700' }],
      [{ read: 'src/part.js', from: 2_095, to: 2_110 }],
      [{ edit: 'src/part.js', old: 'return value + 700;', with: 'return value * 700;' }],
      [{ run: 'node --check src/part.js' }],
    ],
  },
  {
    name: 'an edit that misses, and is mended',
    goal: '`greet` greets politely.',
    files: {
      'src/greet.js': `${module('before', 60)}export function greet(name) {\n\treturn 'Hi ' + name;\n}\n${module('after', 60)}`,
    },
    briefed: ['src/greet.js'],
    explore: [[{ run: 'ls -R src' }], [{ read: 'src/greet.js' }]],
    work: [
      [{ edit: 'src/greet.js', old: "  return 'Hi ' + name;", with: "  return 'Good day, ' + name;" }],
      // Both mend it at once, though only ours is shown the closest match.
      [{ edit: 'src/greet.js', old: "\treturn 'Hi ' + name;", with: "\treturn 'Good day, ' + name;" }],
      [{ run: 'node --check src/greet.js' }],
    ],
  },
  {
    name: 'sixty long files, one after the other',
    goal: 'Every module has been looked at, and the last one says so.',
    files: Object.fromEntries(
      Array.from({ length: 60 }, (_, index) => [`src/long${index}.js`, module(`long${index}x`, 140)]),
    ),
    briefed: [],
    explore: [[{ run: 'ls -R src' }]],
    work: [
      ...Array.from({ length: 60 }, (_, index) => [{ read: `src/long${index}.js` }]),
      [{ write: 'src/done.js', text: 'export const done = true;\n' }],
    ],
  },
];
