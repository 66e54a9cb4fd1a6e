import { standardCheckKinds, standardCheckLabels } from './contract.ts';
import { foldLookAlikes, mayBeAscii, plainLabel, withoutPicture } from './text.ts';

/** How a field's value is read. */
type Reader =
  | 'prose'
  | 'criteria'
  | 'statements'
  | 'references'
  | 'globs'
  | 'commands'
  | 'grants'
  | 'names'
  | 'hosts'
  | 'secrets'
  | 'stop';

export interface Field {
  key: string;
  label: string;
  /** Other spellings, as plain labels. */
  aliases: readonly string[];
  reader: Reader;
  /** A good value, shown when the field is missing or unreadable. */
  example: string;
}

export interface Section {
  key: string;
  label: string;
  aliases: readonly string[];
  /** A section of one field has the field's value right under its heading. */
  fields: readonly Field[];
}

function field(key: string, label: string, reader: Reader, example: string, aliases: readonly string[] = []): Field {
  return { key, label, reader, example, aliases };
}

function single(one: Field): Section {
  return { key: one.key, label: one.label, aliases: one.aliases, fields: [one] };
}

const criteriaExample = 'Given an empty title, When the slug is made, Then it is `untitled`';

/** The contract's sections and fields, in the order of the form. `docs/contract.md` says what each means. */
export const sections: readonly Section[] = [
  single(field('goal', 'Goal', 'prose', 'Slugs of titles with accents keep their letters: `Café` becomes `cafe`.')),
  single(field('criteria', 'Acceptance criteria', 'criteria', criteriaExample, ['acceptance criterion'])),
  single(field('nonGoals', 'Non-goals', 'statements', 'Do not change the public API', ['non goals', 'nongoals'])),
  {
    key: 'context',
    label: 'Context in scope',
    aliases: [],
    fields: [
      field('files', 'Files', 'references', 'src/slug.ts, src/titles/**'),
      field('tests', 'Tests', 'references', 'test/slug.test.ts'),
      field('docs', 'Docs', 'references', 'docs/slugs.md'),
      field('decisions', 'Prior decisions', 'references', '#123, docs/adr/0007-slugs.md', ['prior decision']),
    ],
  },
  {
    key: 'tools',
    label: 'Tools in scope',
    aliases: [],
    fields: [
      field('mcps', 'MCPs', 'grants', 'docs (read-only)', ['mcp', 'mcp servers']),
      field('clis', 'CLIs', 'grants', 'git (read-only), npm (mutating)', ['cli']),
      field('readOnly', 'Read-only tools', 'names', 'docs.search, rg', ['read only tools', 'readonly tools']),
      field('mutating', 'Mutating tools', 'names', 'npm'),
      field('denied', 'Tools explicitly denied', 'names', 'curl, npm publish', ['denied tools', 'tools denied']),
    ],
  },
  {
    key: 'boundaries',
    label: 'Execution boundaries',
    aliases: [],
    fields: [
      field('allowedFiles', 'Allowed files', 'globs', 'src/slug.ts, test/**'),
      field('allowedCommands', 'Allowed commands', 'commands', 'npm test *, git diff *'),
      field('network', 'Network or service access', 'hosts', 'registry.example.org:443', [
        'network and service access',
        'network access',
        'network',
      ]),
      field('secrets', 'Secrets and credentials', 'secrets', 'STAGING_TOKEN', ['secrets or credentials', 'secrets']),
    ],
  },
  {
    key: 'checks',
    label: 'Checks before review',
    aliases: ['checks', 'further checks', 'other checks', 'additional checks'],
    fields: [],
  },
  single(
    field('stop', 'Stop condition', 'stop', 'Stop if the database schema has to change. max turns: 40', [
      'stop conditions',
    ]),
  ),
  single(field('reviewNote', 'Review note', 'prose', 'Say how the slug of existing posts changes.', ['review notes'])),
];

export const checkExample = 'npm test, or `skip: no unit tests in this package`';

const checkAliases = new Map(
  Object.entries({
    formatting: 'format',
    linting: 'lint',
    linter: 'lint',
    test: 'unit',
    tests: 'unit',
    type: 'types',
    typecheck: 'types',
    typechecks: 'types',
    typing: 'types',
  }),
);

/**
 * The kebab-case kind of a check's name: `Unit tests` → `unit`, `Migration check` → `migration`, `typecheck` → `types`. Null when nothing of
 * the name can stand in a kind.
 */
export function checkKind(name: string): string | null {
  const words = foldLookAlikes(plainLabel(name))
    .split(/[^a-z0-9]+/u)
    .filter((word) => word !== '');
  if (words.length > 1 && /^(?:checks?|tests?)$/u.test(words.at(-1) ?? '')) words.pop();
  const kind = words.join('-').slice(0, 40).replace(/-+$/u, '');
  return kind === '' ? null : (checkAliases.get(kind) ?? kind);
}

/** What people read for a kind: `Unit tests`, or `Migration check`. */
export function checkLabel(kind: string): string {
  const standard = standardCheckKinds.find((each) => each === kind);
  if (standard) return standardCheckLabels[standard];
  const words = kind.replaceAll('-', ' ');
  return `${words.slice(0, 1).toUpperCase()}${words.slice(1)} check`;
}

/** What a heading or a bullet's label names. `lookAlike`: only after letters that imitate others were read as those. */
export type Named =
  | { what: 'section'; section: Section; lookAlike: boolean }
  | { what: 'field'; section: Section; field: Field; lookAlike: boolean }
  | { what: 'check'; kind: string; lookAlike: boolean };

const checkLabels = new Map<string, string>();
for (const kind of standardCheckKinds) checkLabels.set(plainLabel(standardCheckLabels[kind]), kind);
for (const alias of ['unit test', 'type check', 'smoke tests', 'smoke check', 'typecheck']) {
  checkLabels.set(alias, checkKind(alias) ?? alias);
}

const names = new Map<string, Named>();
for (const section of sections) {
  const only = section.key === section.fields[0]?.key ? section.fields[0] : null;
  for (const label of [plainLabel(section.label), ...section.aliases]) {
    names.set(
      label,
      only ? { what: 'field', section, field: only, lookAlike: false } : { what: 'section', section, lookAlike: false },
    );
  }
}
for (const section of sections) {
  for (const each of section.fields) {
    for (const label of [plainLabel(each.label), ...each.aliases]) {
      if (!names.has(label)) names.set(label, { what: 'field', section, field: each, lookAlike: false });
    }
  }
}
for (const [label, kind] of checkLabels) names.set(label, { what: 'check', kind, lookAlike: false });

/** Fields of each section by every label that names one. */
const fieldNames = new Map(
  sections.map((section) => [
    section,
    new Map(
      section.fields.flatMap((field) => [plainLabel(field.label), ...field.aliases].map((label) => [label, field])),
    ),
  ]),
);

/** What a heading names, or null for a heading of the author's own. */
export function nameOfHeading(text: string): Named | null {
  return lookUp(text, (label) => names.get(label) ?? null);
}

/** The field of this section that a bullet's label names, or null. */
export function fieldOfSection(section: Section, text: string): { field: Field; lookAlike: boolean } | null {
  const named = lookUp(text, (label) => {
    const found = fieldNames.get(section)?.get(label);
    return found ? { what: 'field', section, field: found, lookAlike: false } : null;
  });
  return named?.what === 'field' ? { field: named.field, lookAlike: named.lookAlike } : null;
}

function lookUp(text: string, find: (label: string) => Named | null): Named | null {
  const bare = withoutPicture(text);
  if (!mayBeAscii(bare)) return null;
  const label = plainLabel(bare);
  const found = find(label);
  if (found) return found;
  const folded = foldLookAlikes(label);
  const imitated = folded === label ? null : find(folded);
  return imitated ? { ...imitated, lookAlike: true } : null;
}
