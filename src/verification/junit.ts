import { z } from 'zod';

/** Outcome of each test of a JUnit XML file. */
export const JunitReport = z.object({
  passed: z.array(z.string()),
  failed: z.array(z.string()),
  skipped: z.array(z.string()),
});
export type JunitReport = z.infer<typeof JunitReport>;

/** A reader of untrusted text needs an end: larger files are no reports. */
const largestChars = 16 * 1024 ** 2;
const largestTests = 100_000;
/** Looked at for the name of a test. */
const largestAttributesChars = 64 * 1024;

/** Begins at a space: anywhere in a long word it could begin again and again. */
const attribute = /\s([\w:.-]+)\s*=\s*(?:"([^"]*)"|'([^']*)')/g;
const entities: Readonly<Record<string, string>> = { lt: '<', gt: '>', quot: '"', apos: "'", amp: '&' };

/**
 * Reads the little of XML that JUnit files use: elements, attributes, the five named entities and numeric ones. No document type, no
 * entity of its own, no file is ever opened; a text that has a DOCTYPE is refused. Null when it is no such file.
 */
export function readJunit(text: string): JunitReport | null {
  if (text.length > largestChars || /<!(?:DOCTYPE|ENTITY)/i.test(text)) return null;
  const report: JunitReport = { passed: [], failed: [], skipped: [] };
  let test: { name: string; state: keyof JunitReport } | null = null;
  let seen = false;
  let tests = 0;
  const finish = () => {
    if (test !== null) report[test.state].push(test.name);
    test = null;
  };
  for (const { name, closing, empty, attributes } of tags(text)) {
    if (name === 'testsuite' || name === 'testsuites') seen = true;
    if (name === 'testcase') {
      finish();
      if (closing) continue;
      tests += 1;
      if (tests > largestTests) return null;
      test = { name: testName(attributes), state: 'passed' };
      if (empty) finish();
    } else if (test !== null && !closing) {
      test = { name: test.name, state: stateAfter(name, test.state) };
    }
  }
  finish();
  return seen ? report : null;
}

/** Several files of one run as one report. */
export function joinReports(reports: readonly JunitReport[]): JunitReport {
  return {
    passed: reports.flatMap((report) => report.passed),
    failed: reports.flatMap((report) => report.failed),
    skipped: reports.flatMap((report) => report.skipped),
  };
}

function stateAfter(element: string, state: keyof JunitReport): keyof JunitReport {
  if (element === 'failure' || element === 'error') return 'failed';
  return element === 'skipped' && state === 'passed' ? 'skipped' : state;
}

interface Tag {
  name: string;
  closing: boolean;
  empty: boolean;
  attributes: string;
}

/** One pass over the text, each character looked at a fixed number of times, whatever the text is. */
function* tags(text: string): Generator<Tag> {
  for (let at = text.indexOf('<'); at !== -1; at = text.indexOf('<', at)) {
    const skipped = stretches.find(({ opens }) => text.startsWith(opens, at));
    if (skipped !== undefined) {
      const end = text.indexOf(skipped.closes, at);
      if (end === -1) return;
      at = end + skipped.closes.length;
      continue;
    }
    const end = tagEnd(text, at);
    if (end === -1) return;
    const inside = text.slice(at + 1, end);
    const name = /^\/?([A-Za-z][\w:.-]*)/.exec(inside)?.[1];
    if (name !== undefined) {
      yield { name, closing: inside.startsWith('/'), empty: inside.endsWith('/'), attributes: inside };
    }
    at = end + 1;
  }
}

/** Where tags are only text. */
const stretches = [
  { opens: '<!--', closes: '-->' },
  { opens: '<![CDATA[', closes: ']]>' },
  { opens: '<?', closes: '?>' },
];

/** The `>` that ends the tag, not one inside a quoted value; -1 when there is none. */
function tagEnd(text: string, start: number): number {
  let quote = '';
  for (let at = start + 1; at < text.length; at += 1) {
    const character = text.charAt(at);
    if (quote !== '') {
      if (character === quote) quote = '';
    } else if (character === '"' || character === "'") quote = character;
    else if (character === '>') return at;
  }
  return -1;
}

function testName(attributes: string): string {
  const values = new Map(
    [...attributes.slice(0, largestAttributesChars).matchAll(attribute)].map((match) => [
      match[1],
      withEntities(match[2] ?? match[3] ?? ''),
    ]),
  );
  return [values.get('classname'), values.get('name')]
    .filter((part) => part !== undefined && part !== '')
    .join(' › ')
    .slice(0, 500);
}

function withEntities(text: string): string {
  return text.replace(/&(?:(lt|gt|quot|apos|amp)|#(\d{1,7})|#x([0-9a-f]{1,6}));/gi, (_, name, decimal, hex) => {
    if (name !== undefined) return entities[String(name).toLowerCase()] ?? '';
    const point = decimal === undefined ? Number.parseInt(hex, 16) : Number(decimal);
    return point > 0 && point <= 0x10ffff ? String.fromCodePoint(point) : '';
  });
}
