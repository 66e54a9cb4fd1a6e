/** A JSON schema, as far as structured output uses it. */
export interface JsonSchema {
  type?: string | string[];
  properties?: Record<string, JsonSchema>;
  required?: string[];
  items?: JsonSchema;
  enum?: unknown[];
  const?: unknown;
  anyOf?: JsonSchema[];
  oneOf?: JsonSchema[];
  allOf?: JsonSchema[];
  $ref?: string;
  $defs?: Record<string, JsonSchema>;
  minItems?: number;
  maxItems?: number;
  minLength?: number;
  minimum?: number;
  exclusiveMinimum?: number;
}

/** Values by property name: a value of the property's type, or for lists of objects also plain texts. */
export type Hints = Record<string, unknown>;

/** A value that the schema allows, made of the hints where they fit and of the plainest values elsewhere. */
export function schemaInstance(schema: JsonSchema, hints: Hints, root: JsonSchema = schema): unknown {
  return instance(schema, undefined, '', { hints, root });
}

interface Making {
  hints: Hints;
  root: JsonSchema;
}

function instance(given: JsonSchema, hint: unknown, name: string, making: Making): unknown {
  const schema = resolved(given, making);
  if (schema.const !== undefined) return schema.const;
  if (schema.enum) return schema.enum.includes(hint) ? hint : schema.enum[0];
  const choices = schema.anyOf ?? schema.oneOf;
  if (choices) return instance(choose(choices, hint, making), hint, name, making);
  switch (typeOf(schema, hint)) {
    case 'object':
      return objectOf(schema, hint, making);
    case 'array':
      return arrayOf(schema, hint, name, making);
    case 'integer':
    case 'number':
      return typeof hint === 'number' ? hint : Math.max(0, schema.minimum ?? (schema.exclusiveMinimum ?? -1) + 1);
    case 'boolean':
      return hint === true;
    case 'null':
      return null;
    default:
      return typeof hint === 'string' ? hint : (schema.minLength ?? 0) > 0 ? 'None.' : '';
  }
}

function objectOf(schema: JsonSchema, hint: unknown, making: Making): object {
  const given = typeof hint === 'object' && hint !== null ? (hint as Hints) : {};
  const required = schema.required ?? [];
  const entries = Object.entries(schema.properties ?? {}).flatMap(([name, property]) => {
    const value = name in given ? given[name] : hint === undefined ? making.hints[name] : undefined;
    // A plain text stands for the first text that the object needs: its path, goal or name.
    const text = typeof hint === 'string' && firstText(schema, making) === name ? hint : value;
    return text === undefined && !required.includes(name) ? [] : [[name, instance(property, text, name, making)]];
  });
  return Object.fromEntries(entries);
}

function arrayOf(schema: JsonSchema, hint: unknown, name: string, making: Making): unknown[] {
  const wanted = Array.isArray(hint) ? hint.slice(0, schema.maxItems ?? hint.length) : [];
  const missing = Math.max(0, (schema.minItems ?? 0) - wanted.length);
  const items = schema.items ?? {};
  return [...wanted, ...Array.from({ length: missing }, () => undefined)].map((item) =>
    instance(items, item, name, making),
  );
}

const firstText = (schema: JsonSchema, making: Making): string | undefined =>
  (schema.required ?? Object.keys(schema.properties ?? {})).find(
    (name) => typeOf(resolved(schema.properties?.[name] ?? {}, making), '') === 'string',
  );

function resolved(schema: JsonSchema, making: Making): JsonSchema {
  const target = schema.$ref?.replace(/^#\/(\$defs|definitions)\//, '');
  const found = target === undefined ? schema : ((target === '#' ? making.root : making.root.$defs?.[target]) ?? {});
  return found.allOf ? Object.assign({}, ...found.allOf.map((part) => resolved(part, making))) : found;
}

/** Without a hint, nothing (`null`) is the plainest choice. */
function choose(choices: JsonSchema[], hint: unknown, making: Making): JsonSchema {
  const kinds = choices.map((choice) => ({ choice, type: typeOf(resolved(choice, making), hint) }));
  const wanted = hint === undefined || hint === null ? 'null' : Array.isArray(hint) ? 'array' : typeof hint;
  return (
    (kinds.find(({ type }) => type === wanted || (wanted === 'number' && type === 'integer')) ?? kinds[0])?.choice ?? {}
  );
}

function typeOf(schema: JsonSchema, hint: unknown): string {
  const types = Array.isArray(schema.type) ? schema.type : schema.type === undefined ? [] : [schema.type];
  if (types.length > 1 && (hint === undefined || hint === null) && types.includes('null')) return 'null';
  return (
    types.find((type) => type !== 'null') ??
    types[0] ??
    (schema.properties ? 'object' : schema.items ? 'array' : 'string')
  );
}
