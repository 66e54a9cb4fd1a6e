export interface Field {
  name: string;
  alias: string;
  arguments: Record<string, unknown>;
  selection: Selection[] | null;
}

export type Selection = { field: Field } | { on: string | null; selection: Selection[] };

export interface Document {
  operation: 'query' | 'mutation';
  selection: Selection[];
}

const TOKEN = /\s+|#[^\n]*|,|("""[\s\S]*?"""|"(?:[^"\\]|\\.)*"|\.\.\.|[A-Za-z_]\w*|-?\d+(?:\.\d+)?|[!$():=@[\]{}|&])/gy;

function tokens(source: string): string[] {
  const found: string[] = [];
  TOKEN.lastIndex = 0;
  while (TOKEN.lastIndex < source.length) {
    const at = TOKEN.lastIndex;
    const match = TOKEN.exec(source);
    if (!match) throw new Error(`Parse error at ${JSON.stringify(source.slice(at, at + 20))}`);
    if (match[1] !== undefined) found.push(match[1]);
  }
  return found;
}

/** Reads the executable part of GraphQL that clients send: operations, fragments, aliases, arguments, variables. */
export function parseGraphql(source: string, variables: Record<string, unknown>): Document {
  const reader = createReader(tokens(source), variables);
  const fragments = new Map<string, Selection[]>();
  let document: Document | null = null;
  while (!reader.done()) {
    if (reader.accept('fragment')) {
      const name = reader.next();
      reader.next();
      reader.next();
      fragments.set(name, reader.selectionSet());
    } else {
      const operation = reader.accept('mutation') ? 'mutation' : 'query';
      reader.accept('query');
      reader.skipToSelection();
      document = { operation, selection: reader.selectionSet() };
    }
  }
  if (!document) throw new Error('A query is expected');
  return { ...document, selection: expand(document.selection, fragments) };
}

function expand(selection: Selection[], fragments: Map<string, Selection[]>): Selection[] {
  return selection.map((entry) => {
    if ('field' in entry) {
      const inner = entry.field.selection && expand(entry.field.selection, fragments);
      return { field: { ...entry.field, selection: inner } };
    }
    const named = entry.on?.startsWith('...') ? fragments.get(entry.on.slice(3)) : undefined;
    return named
      ? { on: null, selection: expand(named, fragments) }
      : { on: entry.on, selection: expand(entry.selection, fragments) };
  });
}

function createReader(input: string[], variables: Record<string, unknown>) {
  let position = 0;
  const peek = (): string => input[position] ?? '';
  const next = (): string => input[position++] ?? '';
  const accept = (wanted: string): boolean => {
    if (peek() !== wanted) return false;
    position++;
    return true;
  };
  const expect = (wanted: string): void => {
    if (!accept(wanted)) throw new Error(`Expected ${wanted}, found ${peek() || 'the end'}`);
  };

  const value = (): unknown => {
    if (accept('$')) return variables[next()] ?? null;
    if (accept('[')) {
      const items: unknown[] = [];
      while (!accept(']')) items.push(value());
      return items;
    }
    if (accept('{')) {
      const entries: Record<string, unknown> = {};
      while (!accept('}')) {
        const name = next();
        expect(':');
        entries[name] = value();
      }
      return entries;
    }
    return literal(next());
  };

  const fieldArguments = (): Record<string, unknown> => {
    const found: Record<string, unknown> = {};
    if (!accept('(')) return found;
    while (!accept(')')) {
      const name = next();
      expect(':');
      found[name] = value();
    }
    return found;
  };

  const selectionSet = (): Selection[] => {
    expect('{');
    const found: Selection[] = [];
    while (!accept('}')) {
      if (position >= input.length) throw new Error('Unexpected end of the document');
      if (accept('...')) {
        if (accept('on')) found.push({ on: next(), selection: selectionSet() });
        else if (peek() === '{') found.push({ on: null, selection: selectionSet() });
        else found.push({ on: `...${next()}`, selection: [] });
        continue;
      }
      const first = next();
      const name = accept(':') ? next() : first;
      const given = fieldArguments();
      found.push({
        field: { name, alias: first, arguments: given, selection: peek() === '{' ? selectionSet() : null },
      });
    }
    return found;
  };

  const skipToSelection = (): void => {
    while (peek() !== '{' && position < input.length) {
      if (peek() === '(') {
        while (!accept(')') && position < input.length) position++;
      } else position++;
    }
  };

  return { done: () => position >= input.length, next, accept, selectionSet, skipToSelection };
}

function literal(token: string): unknown {
  if (token.startsWith('"""')) return token.slice(3, -3).trim();
  if (token.startsWith('"')) return JSON.parse(token);
  if (token === 'true' || token === 'false') return token === 'true';
  if (token === 'null') return null;
  return /^-?\d/.test(token) ? Number(token) : token;
}
