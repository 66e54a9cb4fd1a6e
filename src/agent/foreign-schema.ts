/** What of a foreign schema is kept: a form for the model to fill in, and the words beside it. */
export interface ForeignSchema {
  /** Safe to hand to the provider as it is: structure and plain names, no text of others. */
  parameters: Record<string, unknown>;
  /** What the schema says of its parts, as `path: words`. Untrusted. */
  words: string[];
}

const mostDepth = 8;
/** Parts of a schema, references unfolded: more is no form for anybody. */
const mostParts = 400;
const mostValues = 50;
const mostBytes = 16_000;
const mostWordChars = 300;
const plainName = /^[\w$@.:-]{1,64}$/;
/** A value of a list, such as `open` or `in progress`: long enough for names, too short for orders. */
const plainValue = /^[\w ./:@+-]{1,40}$/;
const types = new Set(['string', 'number', 'integer', 'boolean', 'null', 'array', 'object']);
const bounds = ['minimum', 'maximum', 'minItems', 'maxItems', 'minLength', 'maxLength'] as const;

class TooMuch extends Error {}

type Json = Readonly<Record<string, unknown>>;
const isRecord = (value: unknown): value is Json =>
  value !== null && typeof value === 'object' && !Array.isArray(value);

/**
 * Takes the form out of the JSON schema that a server gives for the arguments of a tool. Patterns, defaults, examples and
 * titles are left out; local references are unfolded. Null when it describes no object, or more than any form needs.
 */
export function readForeignSchema(given: unknown): ForeignSchema | null {
  if (!isRecord(given) || (given.type !== undefined && given.type !== 'object')) return null;
  const words: string[] = [];
  let parts = 0;

  function part(value: unknown, path: string, depth: number): Json {
    parts += 1;
    if (parts > mostParts) throw new TooMuch();
    if (!isRecord(value) || depth > mostDepth) return {};
    const target = typeof value.$ref === 'string' ? pointed(given as Json, value.$ref) : null;
    if (target !== null) return part(target, path, depth + 1);
    if (typeof value.description === 'string' && path !== '')
      words.push(`${path}: ${value.description.slice(0, mostWordChars).toWellFormed()}`);
    const kept: Record<string, unknown> = { ...simple(value) };
    if (isRecord(value.properties)) Object.assign(kept, fields(value, value.properties, path, depth));
    if (isRecord(value.items)) kept.items = part(value.items, `${path}[]`, depth + 1);
    const choices = [value.anyOf, value.oneOf].find(Array.isArray) as unknown[] | undefined;
    if (choices) kept.anyOf = choices.slice(0, mostValues).map((choice) => part(choice, path, depth + 1));
    if (Array.isArray(value.allOf) && value.allOf.length === 1)
      Object.assign(kept, part(value.allOf[0], path, depth + 1));
    return kept;
  }

  function fields(value: Json, properties: Json, path: string, depth: number): Json {
    const named = Object.entries(properties).filter(([name]) => plainName.test(name) && name !== '__proto__');
    const inside = named.map(
      ([name, inner]) => [name, part(inner, path === '' ? name : `${path}.${name}`, depth + 1)] as const,
    );
    const required = Array.isArray(value.required)
      ? value.required.filter((name) => named.some(([known]) => known === name))
      : [];
    return { type: 'object', properties: Object.fromEntries(inside), ...(required.length > 0 ? { required } : {}) };
  }

  try {
    const parameters = { type: 'object', properties: {}, ...part(given, '', 0) };
    return JSON.stringify(parameters).length > mostBytes ? null : { parameters, words };
  } catch (error) {
    if (error instanceof TooMuch) return null;
    throw error;
  }
}

function simple(value: Json): Record<string, unknown> {
  const kept: Record<string, unknown> = {};
  const named = (Array.isArray(value.type) ? value.type : [value.type]).filter((type) => types.has(String(type)));
  if (named.length > 0) kept.type = named.length === 1 ? named[0] : named;
  const values = Array.isArray(value.enum) ? value.enum : 'const' in value ? [value.const] : [];
  if (values.length > 0 && values.length <= mostValues && values.every(isPlain)) kept.enum = values;
  for (const bound of bounds) if (Number.isFinite(value[bound])) kept[bound] = value[bound];
  if (typeof value.additionalProperties === 'boolean') kept.additionalProperties = value.additionalProperties;
  return kept;
}

const isPlain = (value: unknown) =>
  typeof value === 'string' ? plainValue.test(value) : value === null || ['number', 'boolean'].includes(typeof value);

/** `#/$defs/Page` → that part of the schema; null for anything outside it. */
function pointed(root: Json, reference: string): unknown {
  const match = /^#\/(\$defs|definitions)\/([\w.-]{1,100})$/.exec(reference);
  const [, group = '', name = ''] = match ?? [];
  const definitions = root[group];
  return isRecord(definitions) && Object.hasOwn(definitions, name) ? definitions[name] : null;
}
