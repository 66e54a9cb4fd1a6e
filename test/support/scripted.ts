import type { ChatRequest, Reply } from './model-stand-in.ts';
import { schemaInstance } from './schema-instance.ts';

/** A plan that fits the small repositories of these tests. */
const hints = {
  files: ['src/add.js', 'test/add.test.js'],
  testsFirst: ['test/add.test.js: adds'],
  decisions: [],
  split: [],
  notes: [],
  interfaces: [],
  findings: [],
};

/** Plan and second look are answered by their shape; the build loop gets the replies in order, and fails on one too many. */
export function scripted(
  replies: readonly (Reply | ((request: ChatRequest) => Reply | Promise<Reply>))[],
): ((request: ChatRequest) => Promise<Reply>) & { rest: () => number } {
  const queue = [...replies];
  const script = async (request: ChatRequest): Promise<Reply> => {
    const schema = request.response_format?.json_schema?.schema;
    if (schema) return { text: JSON.stringify(schemaInstance(schema, hints)) };
    const next = queue.shift();
    if (next === undefined)
      throw new Error(`one call too many: ${JSON.stringify(request.messages.at(-1)).slice(0, 500)}`);
    return typeof next === 'function' ? next(request) : next;
  };
  return Object.assign(script, { rest: () => queue.length });
}

export const call = (name: string, args: object): Reply => ({ toolCalls: [{ name, arguments: args }] });

export const submit = (summary = 'done'): Reply =>
  call('submit', { summary, criteria: [{ criterion: 'AC1', evidence: { check: 'unit' } }], assumptions: [] });

/** A repository whose `add` subtracts, with a test that does not notice. */
export const smallRepository = {
  'package.json': JSON.stringify({ name: 'small', type: 'module', scripts: { test: 'node --test' } }, null, 2),
  'src/add.js': 'export const add = (a, b) => a - b;\n',
  'test/add.test.js':
    "import assert from 'node:assert/strict';\nimport { test } from 'node:test';\nimport { add } from '../src/add.js';\n\ntest('adds nothing', () => assert.equal(add(2, 0), 2));\n",
  '.github/millwright.yml': 'files: { allow: ["src/**", "test/**"] }\nchecks: { unit: npm test }\n',
  '.github/ISSUE_TEMPLATE/agent-task.yml': 'name: Agent task\n',
};

export const goodSource = 'export const add = (a, b) => a + b;\n';
export const goodTest = `${smallRepository['test/add.test.js']}test('adds', () => assert.equal(add(2, 3), 5));\n`;

/** Writes the regression test and the fix, and hands them in. */
export const solve: readonly Reply[] = [
  call('write_file', { path: 'test/add.test.js', content: goodTest }),
  call('write_file', { path: 'src/add.js', content: goodSource }),
  submit('add adds now'),
];

export const contract = `## Goal
- Goal: \`add\` adds its two numbers.

## Acceptance criteria
- Given 2 and 3
- When they are added
- Then the result is 5

## Execution boundaries
- Allowed files: src/**, test/**

## Checks before review
- Unit tests: npm test
`;
