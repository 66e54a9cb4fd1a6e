/** Where tests begin in a file that also holds what they test: Rust's module of tests, or its first test; vitest's tests in a source. */
const beginnings: readonly { path: RegExp; begins: RegExp }[] = [
  { path: /\.rs$/, begins: /^[ \t]*#!?\[(?:cfg\([^\n]*\btest\b|(?:\w+::)*test\b)/m },
  { path: /\.[cm]?[jt]sx?$/, begins: /^[ \t]*if \(import\.meta\.vitest\b/m },
];

/** The tests that lie in a source, to the end of the file; null where there are none. */
export function inlineTests(path: string, text: string | null): string | null {
  const begins = beginnings.find((each) => each.path.test(path))?.begins;
  const at = text === null || begins === undefined ? -1 : text.search(begins);
  return at === -1 ? null : (text?.slice(at) ?? null);
}

/** The conditions under which they are compiled or run. */
export function inlineGate(tests: string): string {
  return [...tests.matchAll(/^[ \t]*(?:#!?\[cfg(?:_attr)?\([^\n]*|if \(import\.meta\.vitest[^\n]*)/gm)]
    .map(([line]) => line.trim())
    .sort()
    .join('\n');
}
