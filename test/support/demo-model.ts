import type { ChatMessage, ChatRequest, Reply } from './model-stand-in.ts';
import { type Hints, schemaInstance } from './schema-instance.ts';

const SOURCE = 'src/duration.js';
const TEST = 'test/duration.test.js';
const REGRESSION = 'refuses a text that is only partly a duration';

/** The last test of the sample project; the regression test goes after it. */
const LAST_TEST = `test('writes the shortest exact form', () => {
  assert.equal(formatDuration(0), '0s');
  assert.equal(formatDuration(90), '1m30s');
  assert.equal(formatDuration(5400), '1h30m');
});
`;

const NEW_TEST = `
test('${REGRESSION}', () => {
  for (const text of ['1h30', '1x5m', '5m soon']) {
    assert.throws(() => parseDuration(text), { name: 'RangeError', message: \`not a duration: "\${text}"\` });
  }
});
`;

const DOC = `
/**
 * Reads a duration such as \`1h30m\`, \`90s\` or \`2d 4h\` and returns seconds.
 * Throws a RangeError when the text is not a duration.
 */
export function parseDuration(text) {
`;

const OLD_PARSER = `const PART = /(\\d+)\\s*([dhms])/g;
${DOC}  let seconds = 0;
  let parts = 0;
  for (const [, amount, unit] of text.matchAll(PART)) {
    seconds += Number(amount) * SECONDS[unit];
    parts += 1;
  }
  if (parts === 0) throw new RangeError(\`not a duration: \${JSON.stringify(text)}\`);
  return seconds;
`;

const NEW_PARSER = `const PART = /(\\d+)\\s*([dhms])/g;
const WHOLE = /^\\s*(?:\\d+\\s*[dhms]\\s*)+$/;
${DOC}  if (!WHOLE.test(text)) throw new RangeError(\`not a duration: \${JSON.stringify(text)}\`);
  let seconds = 0;
  for (const [, amount, unit] of text.matchAll(PART)) seconds += Number(amount) * SECONDS[unit];
  return seconds;
`;

const CHECKS = 'npm test && npm run lint && npm run format:check';

const PLAN: Hints = {
  files: [SOURCE, TEST],
  interfaces: ['`parseDuration`: texts with something between or after the parts are refused from now on'],
  testsFirst: [`${TEST}: ${REGRESSION}`],
  decisions: [],
  estimate: { files: 2, lines: 20 },
  split: [],
  notes: ['The parser looks for parts with a global pattern and never asks whether the whole text was understood.'],
  findings: [],
};

interface Call {
  name: string;
  given: Record<string, unknown>;
  result: string;
}

/**
 * A "model" that solves the sample issue with the tools that it is offered. It remembers nothing: every step follows from
 * the conversation, so a fresh conversation over a half-finished work tree goes on where the tree stands.
 */
export function demoModel(request: ChatRequest): Reply {
  const asked = request.response_format?.json_schema;
  if (asked?.schema) return { text: JSON.stringify(schemaInstance(asked.schema, PLAN)) };
  const forced = typeof request.tool_choice === 'object' ? request.tool_choice.function.name : null;
  const tool = request.tools?.find((offered) => offered.function.name === forced);
  if (tool)
    return {
      toolCalls: [
        { name: tool.function.name, arguments: schemaInstance(tool.function.parameters ?? {}, PLAN) as object },
      ],
    };
  return nextStep(request.messages);
}

function nextStep(messages: ChatMessage[]): Reply {
  const calls = finishedCalls(messages);
  const round = roundCalls(messages, calls);
  const failed = calls.at(-1);
  if (failed && /^Not (edited|written|read|run)/.test(failed.result)) {
    return use('That did not work out.', 'ask', {
      question: `The sample project is not as expected: ${failed.result.slice(0, 200)}. Is ${SOURCE} changed?`,
    });
  }
  if (!hasRead(calls, SOURCE)) return use('First the code in question.', 'read_file', { path: SOURCE });
  if (!hasRead(calls, TEST)) return use('And its tests.', 'read_file', { path: TEST });
  const tested = edited(calls, TEST) || shows(calls, TEST, REGRESSION);
  const fixed = edited(calls, SOURCE) || shows(calls, SOURCE, 'const WHOLE');
  if (!tested) {
    if (!round.some(isTestRun)) return use('Do the tests pass as they are?', 'run_command', { command: 'npm test' });
    return use('They do, and none of them tells the fault: a regression test first.', 'edit_file', {
      path: TEST,
      old_text: LAST_TEST,
      new_text: `${LAST_TEST}${NEW_TEST}`,
    });
  }
  if (!fixed) return fix(round);
  return finish(messages, round);
}

/** Sees the regression test fail before it mends the parser. */
function fix(round: Call[]): Reply {
  const since = round.slice(round.findLastIndex(({ name, given }) => name === 'edit_file' && given.path === TEST) + 1);
  const red = since.find(isTestRun);
  if (!red) return use('It must fail before the fix.', 'run_command', { command: 'npm test' });
  if (passed(red))
    return use('The new test passes without a fix.', 'ask', {
      question: 'The fault cannot be reproduced: parseDuration refuses 1h30 already. What should change?',
    });
  const edit = { path: SOURCE, old_text: OLD_PARSER, new_text: NEW_PARSER };
  return use('Red for the right reason. The whole text must be a duration, so that is asked first.', 'edit_file', edit);
}

/** Runs every check over the finished work, then hands it in. */
function finish(messages: ChatMessage[], round: Call[]): Reply {
  const checks = round
    .slice(round.findLastIndex(({ name }) => name === 'edit_file') + 1)
    .findLast(({ given }) => given.command === CHECKS);
  if (!checks) return use('Green is what the checks say.', 'run_command', { command: CHECKS });
  if (!passed(checks))
    return use('A check fails.', 'ask', {
      question: `The checks fail after the fix: ${checks.result.slice(0, 300)} What should be done?`,
    });
  const test = `${TEST}: ${REGRESSION}`;
  const evidence = [{ test }, { test }, { test: `${TEST}: adds up the parts` }];
  return use('Done.', 'submit', {
    summary:
      'parseDuration now asks whether the whole text is a duration before it adds up the parts. Texts with anything between or after the parts, such as `1h30`, were accepted before and are refused now.',
    criteria: criteria(messages).map((criterion, index) => ({
      criterion,
      evidence: evidence[index] ?? { check: 'unit' },
    })),
    assumptions: ['Parts in any order stay allowed, because the code allowed them so far.'],
  });
}

/** The ids under which the conversation lists the criteria. */
function criteria(messages: ChatMessage[]): string[] {
  const ids = messages.flatMap((message) => textOf(message).match(/\bAC\d+\b/g) ?? []);
  const found = [...new Set(ids)].filter((id) => Number(id.slice(2)) <= 3);
  return found.length === 3 ? found.sort() : ['AC1', 'AC2', 'AC3'];
}

const textOf = ({ content }: ChatMessage): string =>
  typeof content === 'string' ? content : (content ?? []).map((part) => part.text ?? '').join('\n');

const use = (text: string, name: string, given: object): Reply => ({ text, toolCalls: [{ name, arguments: given }] });

/** Every call of the conversation that has its result, in order. */
function finishedCalls(messages: ChatMessage[]): Call[] {
  const results = new Map(
    messages.filter(({ role }) => role === 'tool').map((message) => [message.tool_call_id, textOf(message)]),
  );
  return messages.flatMap((message) =>
    (message.tool_calls ?? []).flatMap(({ id, function: called }) => {
      const result = results.get(id) ?? (called.name === 'submit' ? '' : undefined);
      return result === undefined
        ? []
        : [{ name: called.name, given: JSON.parse(called.arguments) as Record<string, unknown>, result }];
    }),
  );
}

/** The calls since the last submission: a further round of the same conversation starts over with its checks. */
function roundCalls(messages: ChatMessage[], calls: Call[]): Call[] {
  const submissions = messages
    .flatMap((message) => message.tool_calls ?? [])
    .filter(({ function: called }) => called.name === 'submit').length;
  return submissions === 0 ? calls : calls.slice(calls.findLastIndex(({ name }) => name === 'submit') + 1);
}

const edited = (calls: Call[], path: string): boolean =>
  calls.some(({ name, given }) => name === 'edit_file' && given.path === path);
const hasRead = (calls: Call[], path: string): boolean =>
  calls.some(({ name, given }) => name === 'read_file' && given.path === path);
const shows = (calls: Call[], path: string, text: string): boolean =>
  calls.some(({ name, given, result }) => name === 'read_file' && given.path === path && result.includes(text));
const isTestRun = ({ name, given }: Call): boolean => name === 'run_command' && given.command === 'npm test';
const passed = ({ result }: Call): boolean => /^Exit code 0\b/.test(result);
