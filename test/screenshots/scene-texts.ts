/** What the runs of the scene asked for, and what happened in them. */

export const base = '41c07d2f9be0a7c3d5521e8f6a90b7d8c3e4f501';

export const contractText = `## Goal
\`parseDuration\` refuses texts that are only partly a duration. Today \`1h30\` is read as one hour.

## Acceptance criteria
- Given the text \`1h30\`, When it is parsed, Then a RangeError is thrown that quotes the text
- Given the texts \`1h30m\` and \`2d 4h\`, When they are parsed, Then the results are 5400 and 187200 as before

## Non-goals
- Do not add units

## Execution boundaries
- Allowed files: \`src/duration.js\`, \`test/**\`

## Checks before review
- Unit tests: \`npm test\`

## Stop condition
- max minutes: 90
`;

export const brokenPatch = `diff --git a/src/duration.js b/src/duration.js
index 5f2b1aa..9c0de11 100644
--- a/src/duration.js
+++ b/src/duration.js
@@ -12,7 +12,7 @@ const seconds = { s: 1, m: 60, h: 3600, d: 86400 };
 export function parseDuration(text) {
-  const parts = text.matchAll(part);
+  const parts = [part.exec(text)];
   let total = 0;
`;

export const patch = `diff --git a/src/duration.js b/src/duration.js
index 5f2b1aa..9c0de11 100644
--- a/src/duration.js
+++ b/src/duration.js
@@ -8,12 +8,15 @@ const seconds = { s: 1, m: 60, h: 3600, d: 86400 };
 const part = /(\\d+)\\s*([smhd])/g;
 
 /** Seconds of a text such as \`1h30m\`. */
 export function parseDuration(text) {
-  const parts = [...text.matchAll(part)];
-  if (parts.length === 0) throw new RangeError('not a duration');
+  const left = text.replace(part, '').trim();
+  if (left !== '' || text.trim() === '') {
+    throw new RangeError(\`not a duration: \${JSON.stringify(text)}\`);
+  }
+  const parts = [...text.matchAll(part)];
   let total = 0;
   for (const [, amount, unit] of parts) {
     total += Number(amount) * seconds[unit];
   }
   return total;
 }
diff --git a/test/duration.test.js b/test/duration.test.js
index 77a0c12..d01ffab 100644
--- a/test/duration.test.js
+++ b/test/duration.test.js
@@ -20,3 +20,13 @@ test('a text of several parts is the sum of them', () => {
   assert.equal(parseDuration('1h30m'), 5400);
   assert.equal(parseDuration('2d 4h'), 187200);
 });
+
+test('a text that is only partly a duration is refused, and quoted', () => {
+  for (const text of ['1h30', 'h1', '1h and more', '']) {
+    assert.throws(
+      () => parseDuration(text),
+      (error) => error instanceof RangeError && error.message.includes(JSON.stringify(text)),
+    );
+  }
+});
`;

/** Second of the run, kind of the event, what it holds. */
export type Happened = [second: number, kind: string, data: unknown];

const call = (second: number, turn: number, tokens: number, tool: string): Happened => [
  second,
  'model.call',
  {
    turn,
    model: 'gpt-5-mini',
    durationMs: 2100 + turn * 130,
    usage: { inputTokens: tokens, cachedInputTokens: Math.round(tokens * 0.8), outputTokens: 180 + turn * 17 },
    costUsd: 0.031,
    stablePrefix: 0.94,
    text: '',
    toolCalls: [{ name: tool }],
  },
];
const tool = (second: number, name: string, input: object, durationMs = 12): Happened => [
  second,
  'tool.call',
  { turn: 1, name, argumentsText: JSON.stringify(input), result: 'ok', refused: null, durationMs },
];
const command = (second: number, on: 'base' | 'head', text: string, exitCode: number, durationMs: number): Happened => [
  second,
  'verify.command',
  { on, command: text, state: 'ended', exitCode, end: 'exited', durationMs },
];
const stage = (second: number, name: string, note: string | null = null): Happened => [
  second,
  'stage',
  { stage: name, note },
];

export function eventsOfRun(state: 'done' | 'running' | 'waiting'): Happened[] {
  const first: Happened[] = [
    [0, 'run.state', { state: 'queued', by: 'maya', reason: 'label' }],
    [1, 'run.state', { state: 'running' }],
    stage(1, 'intake'),
    stage(2, 'context'),
    stage(4, 'plan'),
    call(9, 1, 6200, 'plan'),
    stage(11, 'build', 'round 1 of 3'),
    call(15, 1, 7100, 'read_file'),
    tool(15, 'read_file', { path: 'src/duration.js' }),
    call(19, 2, 8400, 'read_file'),
    tool(19, 'read_file', { path: 'test/duration.test.js' }),
    call(24, 3, 9300, 'edit_file'),
    tool(24, 'edit_file', { path: 'test/duration.test.js', find: "test('a text of several parts" }),
    call(31, 4, 10_100, 'edit_file'),
    tool(31, 'edit_file', { path: 'src/duration.js', find: 'const parts = text.matchAll(part);' }),
    call(37, 5, 10_900, 'run_command'),
    tool(40, 'run_command', { command: 'npm test' }, 2400),
    call(46, 6, 11_700, 'submit'),
    stage(50, 'verify', 'round 1 of 3'),
    command(54, 'head', 'npm run format:check', 0, 900),
    command(56, 'head', 'npm run lint', 0, 1400),
    command(59, 'head', 'npm test', 1, 2200),
    command(63, 'base', 'npm test', 0, 2050),
    stage(66, 'build', 'round 2 of 3'),
    call(72, 7, 12_900, 'edit_file'),
    tool(72, 'edit_file', { path: 'src/duration.js', find: 'const parts = [part.exec(text)];' }),
    call(79, 8, 13_400, 'run_command'),
    tool(82, 'run_command', { command: 'npm test' }, 2300),
  ];
  if (state === 'running') return first;
  const verified: Happened[] = [
    ...first,
    call(88, 9, 13_900, 'submit'),
    stage(92, 'verify', 'round 2 of 3'),
    command(96, 'head', 'npm run format:check', 0, 900),
    command(98, 'head', 'npm run lint', 0, 1400),
    command(101, 'head', 'npm test', 0, 2100),
    command(105, 'base', 'npm test', 0, 2050),
  ];
  if (state === 'waiting')
    return [
      ...verified,
      [
        106,
        'run.state',
        {
          state: 'waiting',
          outcome: { code: 'scope', text: 'The patch changes a file that the contract does not allow.' },
        },
      ],
    ];
  return [
    ...verified,
    stage(107, 'review'),
    [110, 'run.state', { state: 'done', outcome: { code: 'review', text: 'The pull request is open.' } }],
    stage(110, 'learn'),
  ];
}
