import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { emptyContract, standardCheckKinds, standardCheckLabels } from '../../src/contract/contract.ts';
import { sections } from '../../src/contract/fields.ts';
import { parseContract } from '../../src/contract/parse.ts';

interface FormElement {
  type: string;
  id?: string;
  attributes: { label?: string; value?: string; placeholder?: string };
  validations?: { required: boolean };
}

const form = parse(readFileSync('.github/ISSUE_TEMPLATE/agent-task.yml', 'utf8')) as {
  name: string;
  description: string;
  labels?: unknown;
  body: FormElement[];
};
const inputs = form.body.filter((element) => element.type !== 'markdown');

describe('the issue form', () => {
  it('asks for every field of the contract, by the label that the parser knows', () => {
    const labels = inputs.map((input) => input.attributes.label);

    const fields = sections.flatMap((section) => section.fields.map((field) => field.label));
    const checks = standardCheckKinds.map((kind) => standardCheckLabels[kind]);
    expect(labels.toSorted()).toEqual([...fields, ...checks, 'Further checks'].toSorted());
  });

  it('is a contract as GitHub renders it, filled in with its own placeholders, and an empty one as it is sent', () => {
    const rendered = (textOf: (input: FormElement) => string) =>
      inputs.map((input) => `### ${input.attributes.label}\n\n${textOf(input)}`).join('\n\n');

    const filled = parseContract(rendered(({ attributes }) => attributes.placeholder ?? ''));
    const empty = parseContract(rendered(() => '_No response_'));

    expect(filled.form).toBe('issue-form');
    expect(filled.problems.map(({ field }) => field)).toEqual(['Acceptance criteria']);
    expect(filled.contract?.checks.map(({ kind, command }) => [kind, command])).toEqual([
      ['format', 'npm run format:check'],
      ['lint', 'npm run lint'],
      ['unit', 'npm test'],
      ['types', 'npm run types'],
      ['build', 'npm run build'],
      ['smoke', null],
      ['migration', 'npm run migrate:check'],
    ]);
    expect(empty.problems.map(({ field }) => field)).toEqual(['Goal', 'Acceptance criteria']);
    expect(empty.contract).toEqual(emptyContract());
  });

  it('insists on the goal and the acceptance criteria only: the rest may come from the repository file', () => {
    const required = inputs.filter((input) => input.validations?.required).map((input) => input.attributes.label);

    expect(required).toEqual(['Goal', 'Acceptance criteria']);
  });

  it('puts no label on an issue, because GitHub would do so whoever opens it', () => {
    expect(form.labels).toBeUndefined();
  });

  it('is what GitHub accepts: known elements, unique ids, a name and a description', () => {
    const ids = inputs.map((input) => input.id);

    expect(new Set(form.body.map((element) => element.type))).toEqual(new Set(['markdown', 'textarea', 'input']));
    expect(new Set(ids).size).toBe(ids.length);
    expect(ids.every((id) => /^[a-zA-Z0-9_-]+$/.test(id ?? ''))).toBe(true);
    expect(form.name && form.description).toBeTruthy();
  });
});
