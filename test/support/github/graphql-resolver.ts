import type { Selection } from './graphql-parser.ts';
import type { Json } from './state.ts';

/** Objects of the graph: plain values, or functions of the arguments. */
export interface Node {
  [field: string]: unknown;
}

export class GraphqlError extends Error {
  readonly type: string;

  constructor(type: string, message: string) {
    super(message);
    this.type = type;
  }
}

/** Picks the selected fields; errors of one field leave it null and the others as they are. */
export async function resolve(
  node: Node,
  selection: Selection[],
  path: (string | number)[],
  errors: Json[],
): Promise<Json> {
  const result: Json = {};
  for (const entry of selection) {
    if (!('field' in entry)) {
      const fits =
        entry.on === null || entry.on === node.__typename || node.__typename === undefined || entry.on === 'Actor';
      if (fits) Object.assign(result, await resolve(node, entry.selection, path, errors));
      continue;
    }
    const { name, alias, selection: inner } = entry.field;
    const here = [...path, alias];
    try {
      if (!(name in node))
        throw new GraphqlError(
          'undefinedField',
          `Field '${name}' doesn't exist on type '${String(node.__typename ?? 'Query')}'`,
        );
      const raw = node[name];
      const value: unknown = await (typeof raw === 'function' ? raw(entry.field.arguments) : raw);
      result[alias] = await complete(value, inner, here, errors);
    } catch (error) {
      if (!(error instanceof GraphqlError)) throw error;
      result[alias] = null;
      errors.push({ type: error.type, path: here, message: error.message });
    }
  }
  return result;
}

async function complete(
  value: unknown,
  selection: Selection[] | null,
  path: (string | number)[],
  errors: Json[],
): Promise<unknown> {
  if (Array.isArray(value))
    return Promise.all(value.map((item, index) => complete(item, selection, [...path, index], errors)));
  if (value === null || selection === null) return value;
  return resolve(value as Node, selection, path, errors);
}
