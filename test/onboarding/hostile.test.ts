import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parsePolicyFile } from '../../src/contract/policy.ts';
import { detect } from '../../src/onboarding/detect.ts';
import { policyFile } from '../../src/onboarding/policy-file.ts';
import { onboardingBody, onboardingMessage } from '../../src/onboarding/pull-request.ts';
import { repositoryFiles } from '../../src/onboarding/repository-files.ts';
import { hostileText } from '../report/hostile-text.ts';
import { kinds, liveText, nodes, parse } from '../report/markdown.ts';

type Files = Record<string, string>;
const both = ['.github/ISSUE_TEMPLATE/agent-task.yml', '.github/millwright.yml'];
/** The longest policy file of a repository, and the longest body of a pull request. */
const mostPolicyChars = 32_000;
const mostBodyChars = 65_536;

async function drafted(files: Files) {
  const entries = Object.entries(files).map(([path, text]) => ({
    path,
    mode: '100644' as const,
    blob: '',
    sizeBytes: Buffer.byteLength(text),
  }));
  const read = async (_repository: string, _commit: string, path: string) => Buffer.from(files[path] ?? '');
  const found = await detect(await repositoryFiles({ list: async () => entries, read }, 'host/acme/shop', 'c'));
  return { found, policy: policyFile(found), body: onboardingBody(found, both) };
}

/** What stands in a command of the draft: nothing that a shell takes for more than words, pipes of our own and quotes. */
const ownCommand = /^[\w\s./:@=,"'()[\]{};*&>$+-]*$/;

function expectInert({ policy, body }: Awaited<ReturnType<typeof drafted>>): void {
  expect(policy.length).toBeLessThan(mostPolicyChars);
  expect(body.length).toBeLessThan(mostBodyChars);
  const parsed = parsePolicyFile(policy, '.github/millwright.yml', 'repository');
  expect(parsed).toHaveProperty('policy');
  if (!('policy' in parsed)) return;
  expect(Object.keys(parsed.policy).filter((key) => !['setup', 'files', 'checks'].includes(key))).toEqual([]);
  const { setup, checks = {} } = parsed.policy;
  const commands = Object.values(checks).map((check) => (typeof check === 'string' ? check : check.command));
  for (const command of [...commands, setup?.command ?? '']) expect(command).toMatch(ownCommand);
  const allowed = ['emphasis', 'heading', 'inlineCode', 'list', 'listItem', 'paragraph', 'root', 'table', 'tableCell'];
  expect(kinds(body).filter((kind) => ![...allowed, 'tableRow', 'text'].includes(kind))).toEqual([]);
  expect(liveText(body)).toEqual([]);
  const tree = parse(body);
  expect(nodes(tree).filter(({ type }) => type === 'heading')).toHaveLength(2);
  expect(nodes(tree).filter(({ type }) => type === 'table').length).toBeLessThanOrEqual(1);
}

const name = fc.oneof(
  hostileText,
  fc.constantFrom(
    'test',
    'src',
    '-rf',
    '--help',
    'apps',
    '$(id)',
    '`id`',
    'a b',
    "it's",
    'x;y',
    'a\nb',
    '..a',
    '\u202ex',
  ),
);
const path = fc
  .array(
    name.map((text) => text.replaceAll(/[/\0]/g, '') || 'x'),
    { minLength: 1, maxLength: 3 },
  )
  .map((parts) => parts.join('/'));
const manifestName = fc.constantFrom(
  ...['package.json', 'pyproject.toml', 'requirements.txt', 'dev-requirements.txt', 'Makefile', '.npmrc', 'go.mod'],
  ...['pom.xml', 'build.gradle', 'Cargo.toml', 'test_a.py', 'pytest.ini', '__init__.py', 'a.test.js', '.yarnrc.yml'],
);
const script = fc.constantFrom('test', 'lint', 'build', 'format:check', 'typecheck', 'smoke');
const manifestText = fc.oneof(
  hostileText,
  fc
    .dictionary(fc.oneof(script, hostileText), hostileText, { maxKeys: 6 })
    .map((scripts) => JSON.stringify({ scripts, dependencies: { vitest: '1' }, packageManager: 'npm@1' })),
  hostileText.map((text) => `test: ${text}\n${text}: lint\nlint ${text}:\n\t${text}\n`),
  hostileText.map((text) => `registry=https://${text}\nregistry=https://evil.example/${text}\npytest\nruff\n`),
);
const files = fc
  .array(fc.tuple(fc.option(path, { nil: '' }), fc.oneof(manifestName, name), manifestText), {
    minLength: 1,
    maxLength: 10,
  })
  .map((entries) =>
    Object.fromEntries(
      entries.map(([folder, file, text]) => [
        `${folder === '' ? '' : `${folder}/`}${file.replaceAll('/', '') || 'x'}`,
        text,
      ]),
    ),
  );

describe('whatever a repository holds', () => {
  test('its draft is a policy of our own commands, and its pull request says nothing but what was found', async () => {
    await fc.assert(
      fc.asyncProperty(files, async (held) => expectInert(await drafted(held))),
      { numRuns: 400 },
    );
  });

  test('however much it is, the draft can be read and the pull request opened', async () => {
    const many = (count: number, entry: (index: number) => [string, string]): Files =>
      Object.fromEntries(Array.from({ length: count }, (_none, index) => entry(index)));

    expectInert(await drafted(many(5_000, (index) => [`package_${index}/__init__.py`, ''])));
    expectInert(await drafted(many(5_000, (index) => [`requirements-${index}.txt`, 'pytest'])));
    expectInert(await drafted({ ...many(2_000, (index) => [`a.b${index}.snap`, '']), 'package.json': '{}' }));
    const registries = Array.from(
      { length: 5_000 },
      (_none, index) => `@a${index}:registry=https://r${index}.example/`,
    );
    expectInert(await drafted({ 'package.json': '{"dependencies":{"a":"1"}}', '.npmrc': registries.join('\n') }));
    expectInert(await drafted({ [`${'x'.repeat(4_000)}_test.py`]: '', [`${'y'.repeat(4_000)}/package.json`]: '{}' }));
  });

  test('a name that begins like an option is no folder and no list to install from', async () => {
    const { policy } = await drafted({
      '-rf/package.json': '{"scripts":{"test":"x"}}',
      '--requirements.txt': 'pytest',
      'test_a.py': '',
    });

    expect(policy).not.toMatch(/cd -|-r --/);
  });

  test('the commit names what it adds and nothing of the repository', () => {
    expect(onboardingMessage(both)).toBe(
      `Set up Millwright\n\nAdds ${both.join(' and ')}, filled in from what the repository holds.\n`,
    );
  });
});
