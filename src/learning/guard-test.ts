import { code } from '../report/escape.ts';
import { testMarkers } from '../verification/test-markers.ts';
import type { Proposal, ReadFile } from './proposal.ts';

/** What a file's name, and a test's, may be made of to be quoted in a test. */
const plainPath = /^[\w./@+-]{1,200}$/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is kept out
const unplain = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u200b-\u200f\u202a-\u202e\u2066-\u2069]/;
const mostFiles = 10;
const mostNames = 200;

interface Guarded {
  path: string;
  text: string;
  names: string[];
}

/**
 * A regression test that fails when tests vanish which several runs have lost, written by code in the runner of the first of their
 * files. What it quotes stands on the default branch, as literals. Null where there are none, or no runner is known.
 */
export async function guardTest(id: string, paths: readonly string[], read: ReadFile): Promise<Proposal | null> {
  const guarded: Guarded[] = [];
  for (const path of paths.filter((each) => plainPath.test(each)).slice(0, mostFiles)) {
    const text = await read(path);
    const names = text === null ? [] : namesIn(path, text);
    if (text !== null && names.length > 0) guarded.push({ path, text, names });
  }
  const [first] = guarded;
  const file = first === undefined ? null : (pythonTest(id, first, guarded) ?? scriptTest(id, first, guarded));
  if (file === null) return null;
  const files = guarded.map(({ path }) => code(path)).join(', ');
  const rule = `A test fails when a test of ${files} goes: several runs have lost some. Take a name out of ${code(file.path)} when its test is meant to go.`;
  return { ...file, what: 'a regression test', rule };
}

/** Names as the file spells them: found again by a plain search. */
function namesIn(path: string, text: string): string[] {
  const names = testMarkers(path, text).names.filter(
    (name) => name !== '' && !unplain.test(name) && text.includes(name),
  );
  return [...new Set(names)].slice(0, mostNames);
}

const because = (id: string) =>
  `Several runs have lost tests of these files (Millwright's lesson ${id}). Take a name out when its test is meant to go.`;

function scriptTest(id: string, { path, text }: Guarded, guarded: readonly Guarded[]) {
  const ending = /[._-](?:test|spec)\.([cm]?[jt]sx?)$/.exec(path)?.[0];
  if (ending === undefined) return null;
  const isModule = /^\s*import\s/m.test(text) || !/\brequire\s*\(/.test(text);
  const runner = /['"]node:test['"]/.test(text) ? 'node:test' : /['"]vitest['"]/.test(text) ? 'vitest' : null;
  const imports = (what: string, from: string) =>
    isModule ? `import ${what} from '${from}';` : `const ${what} = require('${from}');`;
  const call = runner === null ? 'it' : 'test';
  const lines = [
    imports('assert', 'node:assert/strict'),
    imports('{ readFileSync }', 'node:fs'),
    ...(runner === null ? [] : [imports('{ test }', runner)]),
    '',
    `// ${because(id)}`,
    'const names = [',
    ...guarded.flatMap((each) => each.names.map((name) => `  [${literal(each.path)}, ${literal(name)}],`)),
    '];',
    '',
    'for (const [path, name] of names) {',
    `  ${call}(\`\${path} still has the test \${name}\`, () => {`,
    "    assert.ok(readFileSync(path, 'utf8').includes(name));",
    '  });',
    '}',
    '',
  ];
  return { path: `${folderOf(path)}millwright-lesson-${id}${ending}`, text: lines.join('\n') };
}

function pythonTest(id: string, { path }: Guarded, guarded: readonly Guarded[]) {
  if (!path.endsWith('.py')) return null;
  const lines = [
    'from pathlib import Path',
    '',
    'import pytest',
    '',
    `# ${because(id)}`,
    'NAMES = [',
    ...guarded.flatMap((each) => each.names.map((name) => `    (${literal(each.path)}, ${literal(name)}),`)),
    ']',
    '',
    '',
    '@pytest.mark.parametrize("path, name", NAMES)',
    'def test_is_still_there(path, name):',
    '    assert name in Path(path).read_text(encoding="utf-8")',
    '',
  ];
  return { path: `${folderOf(path)}test_millwright_lesson_${id}.py`, text: lines.join('\n') };
}

/** The same in JavaScript and Python: nothing but printable characters is in it. */
const literal = (text: string): string => JSON.stringify(text);

const folderOf = (path: string): string => path.slice(0, path.lastIndexOf('/') + 1);
