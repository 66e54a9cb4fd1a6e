import { describe, expect, test } from 'vitest';
import type { Contract } from '../../src/contract/contract.ts';
import { type Field, type Section, sections } from '../../src/contract/fields.ts';
import { parseContract } from '../../src/contract/parse.ts';
import { revisionOf } from '../../src/contract/revision.ts';

/** One check stands for all: they have labels of their own. */
const checkField: Field = { key: 'check', label: 'Unit tests', aliases: [], reader: 'commands', example: 'npm test' };
const every = sections.flatMap((section) =>
  (section.key === 'checks' ? [checkField] : section.fields).map((field) => ({ name: field.label, section, field })),
);

function fieldOf(contract: Contract | null, key: string): unknown {
  if (contract === null) return null;
  const { context, tools, boundaries } = contract;
  const values: Record<string, unknown> = {
    ...{ goal: contract.goal, criteria: contract.criteria, nonGoals: contract.nonGoals, stop: contract.stop },
    ...{ files: context.files, tests: context.tests, docs: context.docs, decisions: context.decisions },
    ...{ mcps: tools.mcps, clis: tools.clis, readOnly: tools.readOnly, mutating: tools.mutating, denied: tools.denied },
    ...{ allowedFiles: boundaries.files, allowedCommands: boundaries.commands },
    ...{ network: boundaries.network, secrets: boundaries.secrets, reviewNote: contract.reviewNote },
    check: contract.checks.map(({ kind, command }) => ({ kind, command })),
  };
  if (!(key in values)) throw new Error(`no value for ${key}`);
  return values[key];
}

/** The field as the issue form renders it, or as the pasted form has it. */
function written(form: string, section: Section, label: string, value: string): string {
  if (form === 'issue-form') return `### ${label}\n\n${value}\n`;
  const alone = section.fields[0]?.key === section.key;
  return alone ? `## ${label}\n\n${value}\n` : `## ${section.label}\n\n- ${label}: ${value}\n`;
}

/** Something else around it, so that the field is the only thing that differs. */
const around = (form: string, text: string) =>
  form === 'issue-form' ? `### Background\n\nSome words.\n\n${text}` : `## Background\n\nSome words.\n\n${text}`;

const imitate = (label: string) =>
  label.replace(/[aeopcAEOPC]/, (letter) => 'аеорсАЕОРС'['aeopcAEOPC'.indexOf(letter)] ?? letter);

describe.each(['issue-form', 'pasted'])('in the %s each field', (form) => {
  describe.each(every)('$name', ({ section, field: { key, label, example } }) => {
    const plain = around(form, written(form, section, label, example));
    const read = fieldOf(parseContract(plain).contract, key);
    const empty = fieldOf(parseContract(around(form, written(form, section, label, '_No response_'))).contract, key);
    const about = (body: string) => parseContract(body).problems.filter((problem) => problem.line !== null);

    test('is read', () => {
      expect(read).not.toEqual(empty);
      expect(about(plain)).toEqual([]);
    });

    test.each<[string, (text: string) => string]>([
      ['in a code block', (text) => `\`\`\`\n${text}\n\`\`\``],
      ['in a code block of a list', (text) => `- \`\`\`\n${text}\n\`\`\``.replaceAll('\n', '\n  ')],
      ['in a comment', (text) => `<!--\n${text}\n-->`],
      ['in a quotation', (text) => `> ${text.replaceAll('\n', '\n> ')}`],
      ['in a raw element', (text) => `<details>\n${text.replaceAll('\n\n', '\n')}\n</details>`],
    ])('says nothing %s', (_where, hide) => {
      const { contract } = parseContract(
        `## Goal\n\nx\n\n## Background\n\n${hide(written(form, section, label, example).trim())}`,
      );

      if (key !== 'goal') expect(fieldOf(contract, key)).toEqual(empty);
      else expect(contract?.goal).toBe('x');
    });

    test('under letters that only look like its label is read, and said to be', () => {
      const imitated = imitate(label);
      const body = around(form, written(form, section, imitated, example));
      const { contract, problems } = parseContract(body);

      expect(imitated).not.toBe(label);
      const isRead = JSON.stringify(fieldOf(contract, key)) === JSON.stringify(read);
      if (isRead) expect(problems.map(({ message }) => message).join()).toContain('only look like the right ones');
      else expect(JSON.stringify({ contract, problems })).toContain(example.slice(0, 8));
    });

    test.each([
      ['zero-width space', '\u200b'],
      ['direction mark', '\u202e'],
      ['tag', '\u{e0061}'],
      ['soft hyphen', '\u00ad'],
    ])('loses a %s in it, and says so', (_name, hidden) => {
      const body = plain.replace(example, `${example.slice(0, 2)}${hidden}${example.slice(2)}`);
      const { contract, problems } = parseContract(body);

      expect(fieldOf(contract, key)).toEqual(read);
      expect(problems.map(({ message }) => message).join()).toContain('characters that cannot be seen');
    });

    test('given twice keeps the first, and stops', () => {
      const { contract, problems } = parseContract(`${plain}\n${written(form, section, label, example.slice(0, -1))}`);

      expect(fieldOf(contract, key)).toEqual(read);
      expect(problems).toContainEqual(
        expect.objectContaining({ blocking: true, message: expect.stringContaining('is given twice') }),
      );
    });

    test('is the same revision with other line ends, and another one with another value', () => {
      expect(revisionOf(plain.replaceAll('\n', '\r\n'))).toBe(revisionOf(plain));
      expect(revisionOf(around(form, written(form, section, label, '_No response_')))).not.toBe(revisionOf(plain));
    });
  });
});
