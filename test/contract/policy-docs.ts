import { policyJsonSchema } from '../../src/contract/policy-json-schema.ts';

interface JsonSchema {
  type?: string;
  description?: string;
  default?: unknown;
  examples?: unknown[];
  enum?: unknown[];
  properties?: Record<string, JsonSchema>;
}

/** The rows of the table of keys, from the schema's own words. */
export function policyTable(): string {
  const rows = keyRows(policyJsonSchema() as JsonSchema, '').map((cells) => `| ${cells.join(' | ')} |`);
  return ['| Key | Default | Example | What it does, how layers combine |', '| --- | --- | --- | --- |', ...rows].join(
    '\n',
  );
}

function keyRows(schema: JsonSchema, prefix: string): string[][] {
  return Object.entries(schema.properties ?? {}).flatMap(([name, value]) => {
    const key = `${prefix}${name}`;
    // A group whose keys are described is told by them.
    const inner = Object.values(value.properties ?? {});
    if (inner.length > 0 && inner.every(({ description }) => description)) return keyRows(value, `${key}.`);
    return [[`\`${key}\``, fallback(key, value), example(value), (value.description ?? '').replaceAll('|', '\\|')]];
  });
}

/** Long lists in words. */
const inWords: Readonly<Record<string, string>> = {
  'files.companions': 'lock files, snapshots',
  'setup.inputs': 'manifests, lock files, rc files',
};

function fallback(key: string, { default: value }: JsonSchema): string {
  if (value === undefined) return '';
  if (inWords[key]) return inWords[key];
  if (Array.isArray(value) ? value.length === 0 : typeof value === 'object') return 'none';
  return `\`${String(value)}\``;
}

function example({ examples, enum: values }: JsonSchema): string {
  if (values) return values.map((value) => `\`${String(value)}\``).join(', ');
  return examples?.[0] === undefined ? '' : `\`${yaml(examples[0])}\``;
}

/** In YAML's one-line form. */
function yaml(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(yaml).join(', ')}]`;
  if (value !== null && typeof value === 'object') {
    return `{ ${Object.entries(value)
      .map(([key, inner]) => `${key}: ${yaml(inner)}`)
      .join(', ')} }`;
  }
  const text = String(value);
  return typeof value === 'string' && /[*:{}[\],]|^$/u.test(text) ? `"${text}"` : text;
}

export const tableStart = '<!-- keys: generated from the schema, see test/contract/policy-docs.test.ts -->';
export const tableEnd = '<!-- end of keys -->';

/** The page with its table as the schema has it now. */
export function withPolicyTable(page: string): string {
  const start = page.indexOf(tableStart);
  const end = page.indexOf(tableEnd);
  if (start < 0 || end < start) throw new Error('docs/policy.md has lost the marks around its table of keys');
  return `${page.slice(0, start + tableStart.length)}\n${policyTable()}\n${page.slice(end)}`;
}
