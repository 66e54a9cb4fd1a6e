import { readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { parseDocument } from 'yaml';
import { nameOfHeading } from '../../src/contract/fields.ts';
import { judgeTestable, parseContract } from '../../src/contract/parse.ts';
import { parsePolicyFile } from '../../src/contract/policy.ts';
import { policyJsonSchema } from '../../src/contract/policy-json-schema.ts';
import { policyTable, withPolicyTable } from './policy-docs.ts';

const schemaFile = 'docs/schema/millwright.schema.json';
const policyPage = 'docs/policy.md';
const contractPage = 'docs/contract.md';

/** The fenced blocks of a page, by language. */
function blocks(file: string, language: string): string[] {
  const fence = new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\`$`, 'gmu');
  return [...readFileSync(file, 'utf8').matchAll(fence)].map((match) => match[1] ?? '');
}

describe('the published schema', () => {
  test('is what the code says; UPDATE_DOCS=1 rewrites it', () => {
    const schema = `${JSON.stringify(policyJsonSchema(), null, 2)}\n`;
    if (process.env.UPDATE_DOCS === '1') writeFileSync(schemaFile, schema);

    expect(readFileSync(schemaFile, 'utf8')).toBe(schema);
  });
});

describe('the page on policy', () => {
  test('has the table of keys that the schema gives; UPDATE_DOCS=1 rewrites it', () => {
    const page = readFileSync(policyPage, 'utf8');
    if (process.env.UPDATE_DOCS === '1') writeFileSync(policyPage, withPolicyTable(page));

    expect(readFileSync(policyPage, 'utf8')).toBe(withPolicyTable(page));
  });

  test('describes every key, and ends each description as a sentence', () => {
    const rows = policyTable().split('\n').slice(2);

    expect(rows.length).toBeGreaterThan(50);
    for (const row of rows) expect(row).toMatch(/\. \|$/u);
  });

  test('shows only files that can be read', () => {
    const files = blocks(policyPage, 'yaml');
    const results = files.map((text) =>
      parsePolicyFile(text, 'example.yml', text.startsWith('# millwright.policy.yml') ? 'operator' : 'repository'),
    );

    expect(files.length).toBeGreaterThan(1);
    for (const result of results) expect(result).toHaveProperty('policy');
  });
});

describe('the page on contracts', () => {
  const [good = '', form = '', bad = ''] = blocks(contractPage, 'markdown');

  test('shows a good contract without a problem, in both forms', () => {
    const parsed = parseContract(good);

    expect(parsed.problems).toEqual([]);
    expect(parsed.contract && judgeTestable(parsed.contract, null)).toEqual([]);
    expect(parseContract(form)).toMatchObject({ form: 'issue-form', problems: [] });
  });

  test('shows a bad one that is refused for what the page says', () => {
    const { problems } = parseContract(bad);

    expect(problems.filter(({ blocking }) => blocking).map(({ field, text }) => [field, text])).toEqual([
      ['Allowed files', 'whatever is needed'],
      ['Network or service access', 'the staging system'],
      ['Unit tests', 'run the usual tests with `npm test`'],
      ['Lint', 'skip'],
    ]);
  });
});

describe('the issue form', () => {
  const form = readFileSync('.github/ISSUE_TEMPLATE/agent-task.yml', 'utf8');
  const { body } = parseDocument(form).toJS() as {
    body: { type: string; attributes: { label?: string; placeholder?: string } }[];
  };
  const labels = body.flatMap(({ attributes }) => attributes.label ?? []);

  test('has only labels that the parser knows', () => {
    expect(labels.length).toBeGreaterThan(20);
    for (const label of labels) expect(nameOfHeading(label)).not.toBeNull();
  });

  test('sent in with nothing filled in asks for goal and criteria, and for nothing else', () => {
    const rendered = labels.map((label) => `### ${label}\n\n_No response_`).join('\n\n');

    expect(parseContract(rendered)).toMatchObject({
      form: 'issue-form',
      problems: [{ field: 'Goal' }, { field: 'Acceptance criteria' }],
    });
  });
});
