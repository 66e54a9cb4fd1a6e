import { sourceText } from './source-text.ts';
import { withoutLongLines } from './test-markers.ts';

/** A statement that expects something: an assertion, a matcher, a comparison in a test. */
const expecting =
  /\b(?:assert\w*|expect\w*|should\w*|require|EXPECT_\w+|ASSERT_\w+|t\.(?:is|deepEqual|throws\w*|equal|same|Error\w*|Fatal\w*))\b|\bto(?:Be|Equal|Throw|Match|Contain|Have|StrictEqual)\w*\(|\braises\(/;

/** Values and strictness that an expectation holds code to. Identifiers are left out, so that a renamed function changes none. */
const held =
  /"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`|(?<![\w$])-?\d[\d_.]*(?:e[+-]?\d+)?\b|\b(?:true|false|null|undefined|None|True|False|nil|NaN)\b|[!=]=+|\b(?:not|strictEqual|deepStrictEqual|deepEqual|notEqual|toBe\w*|toEqual|toStrictEqual|toThrow\w*|toMatch\w*|toContain\w*|toHave\w*|throws|rejects|raises|assertEqual\w*|assertRaises\w*|assertIn|await|return)\b/g;

const literal =
  /"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`|(?<![\w$])-?\d[\d_.]*(?:e[+-]?\d+)?\b|\b(?:true|false|null|undefined|None|True|False|nil|NaN)\b/g;
const title =
  /((?<![\w.$])(?:it|test|specify|describe|suite|context)(?:\.\w+)*\s*\(\s*)(?:"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`)/g;

const importing =
  /^\s*(?:import\b|from\s+\S+\s+import\b|(?:const|let|var)\s+[^=]+=\s*(?:await\s+)?(?:require|import)\(|use\s+|package\s|#include|export\s.*\bfrom\b)/;

/**
 * Expectations of the old text that the new one no longer holds: counted values (literals, comparisons, matchers) in asserting lines.
 * Moved, re-ordered and re-imported tests lose none; a changed expected value, a weaker matcher or a removed assertion does.
 */
export function lostExpectations(path: string, before: string, after: string): string[] {
  return lostValues(expectationsOf(path, before), expectationsOf(path, after));
}

/**
 * The same of every line: rows of a table of cases, and inputs that stand above their assertion, hold code to account as well. Titles do not.
 */
export function lostLiterals(path: string, before: string, after: string): string[] {
  return lostValues(literalsOf(path, before), literalsOf(path, after));
}

function literalsOf(path: string, text: string): string[] {
  const { code } = sourceText(path, withoutLongLines(text));
  return code
    .replace(title, '$1')
    .split('\n')
    .filter((line) => !importing.test(line))
    .flatMap((line) => line.match(literal) ?? []);
}

function lostValues(before: readonly string[], after: readonly string[]): string[] {
  const remaining = counted(after);
  const lost: string[] = [];
  for (const value of before) {
    const left = remaining.get(value) ?? 0;
    if (left > 0) remaining.set(value, left - 1);
    else lost.push(value);
  }
  return lost;
}

function expectationsOf(path: string, text: string): string[] {
  const { code } = sourceText(path, withoutLongLines(text));
  const lines = code.split('\n');
  const kept: string[] = [];
  let open = 0;
  for (const line of lines) {
    if (importing.test(line)) continue;
    // A call that goes on over several lines belongs to the expectation that began it.
    if (open === 0 && !expecting.test(line)) continue;
    kept.push(line);
    open = Math.max(0, Math.min(40, open + depth(line)));
  }
  return kept.flatMap((line) => line.match(held) ?? []);
}

function depth(line: string): number {
  const bare = line.replace(/"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|`(?:\\.|[^`\\])*`/g, '');
  return (bare.match(/[([{]/g)?.length ?? 0) - (bare.match(/[)\]}]/g)?.length ?? 0);
}

function counted(values: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return counts;
}
