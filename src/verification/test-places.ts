import { sourceText } from './source-text.ts';
import { declaredTests, withoutLongLines } from './test-markers.ts';

/** More would cost more than they tell. */
const mostTests = 2000;
const mostDepth = 30;
const elementChars = 100;
/** Lines above a test in which its class is looked for. */
const mostLinesAbove = 2000;

/**
 * Where each declared test stands: what encloses it, outermost first, with strings emptied. A test that came to stand in something else (a
 * function, a condition, another class) may no longer run, though not a letter of it changed.
 */
export function testPlaces(path: string, text: string): Map<string, Set<string>> {
  const { code, bare } = sourceText(path, withoutLongLines(text));
  const tests = declaredTests(code).slice(0, mostTests);
  const lines = bare.split('\n');
  const chains = /\.(?:py|rb)$/.test(path) ? indented(lines) : bracketed(lines);
  const starts = lineStarts(code);
  const places = new Map<string, Set<string>>();
  let line = 0;
  for (const test of tests) {
    while ((starts[line + 1] ?? Number.POSITIVE_INFINITY) <= test.at) line += 1;
    const before = code.slice(starts[line], test.at).trim();
    const place = [...chains(line), ...(before === '' ? [] : [before])].slice(-mostDepth).join('\n');
    places.set(test.name, (places.get(test.name) ?? new Set()).add(place));
  }
  return places;
}

/** Whether tests that are still declared stand nowhere in a place where they stood before. */
export function placesChanged(
  before: ReadonlyMap<string, ReadonlySet<string>>,
  after: ReadonlyMap<string, ReadonlySet<string>>,
): boolean {
  return [...before].some(([name, places]) => {
    const now = after.get(name);
    return now !== undefined && [...places].some((place) => !now.has(place));
  });
}

type Chains = (line: number) => readonly string[];

/** Enclosing lines by brackets. Asked for ascending lines. A line that hangs on the one above (`const later = () =>`) counts as enclosed. */
function bracketed(lines: readonly string[]): Chains {
  const open: string[] = [];
  let at = 0;
  let above = '';
  return (line) => {
    for (; at < line; at += 1) {
      const text = lines[at] ?? '';
      for (const { 0: bracket, index } of text.matchAll(/[()[\]{}]/g)) {
        if (/[)\]}]/.test(bracket)) open.pop();
        else
          open.push(
            element(`${hangs(above) ? above : ''} ${text.slice(Math.max(0, index - elementChars), index + 1)}`),
          );
      }
      if (text.trim() !== '') above = text.slice(-elementChars);
    }
    return hangs(above) ? [...open.slice(-mostDepth), element(above)] : open.slice(-mostDepth);
  };
}

/** Whether what follows the line belongs to it. */
function hangs(line: string): boolean {
  return /(?:=>|[=&|?,])\s*$/.test(line.slice(-elementChars));
}

/** Enclosing lines by indentation, and decorators right above. */
function indented(lines: readonly string[]): Chains {
  return (line) => {
    const chain: string[] = [];
    let depth = depthOf(lines[line] ?? '');
    let decorating = true;
    const first = Math.max(0, line - mostLinesAbove);
    for (let at = line - 1; at >= first && (depth > 0 || decorating) && chain.length < mostDepth; at -= 1) {
      const text = lines[at] ?? '';
      if (text.trim() === '') continue;
      decorating &&= /^\s*@/.test(text);
      if (decorating || depthOf(text) < depth) chain.unshift(element(text));
      depth = Math.min(depth, depthOf(text));
    }
    return chain;
  };
}

function depthOf(line: string): number {
  return line.length - line.trimStart().length;
}

function element(text: string): string {
  return text.trim().replace(/\s+/g, ' ').slice(-elementChars);
}

function lineStarts(text: string): number[] {
  const starts = [0];
  for (let at = text.indexOf('\n'); at !== -1; at = text.indexOf('\n', at + 1)) starts.push(at + 1);
  return starts;
}
