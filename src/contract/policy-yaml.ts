import { type Document, isPair, isScalar, isSeq, type Node, visit, type YAMLError } from 'yaml';

/** What is wrong with a file as YAML: where (offset), under which keys, and what to do. */
interface YamlProblem {
  at: number;
  path: readonly PropertyKey[];
  expected: string;
  message: string;
}

/** The document as plain data, or undefined when it cannot be: aliases unfold into too much, or name nothing. */
export function plainValue(document: Document): unknown {
  if (document.errors.length > 0) return undefined;
  try {
    return document.toJS({ maxAliasCount: 100 }) as unknown;
  } catch (error) {
    // The only thing that toJS throws for a document without errors.
    if (error instanceof ReferenceError) return undefined;
    throw error;
  }
}

/** The first errors of the text; else what reads as YAML but as something that nobody meant. `isPlain`: it could be made plain data. */
export function yamlProblems(document: Document, isPlain: boolean, most: number): YamlProblem[] {
  if (document.errors.length > 0) return document.errors.slice(0, most).map((error) => errorProblem(document, error));
  const isTag = document.warnings.some(({ code }) => code === 'TAG_RESOLVE_FAILED');
  return isTag || !isPlain ? unmeant(document).slice(0, most) : [];
}

function errorProblem(document: Document, error: YAMLError): YamlProblem {
  const [at] = error.pos;
  if (error.code === 'DUPLICATE_KEY') {
    const path = pathAt(document, at);
    const message = `\`${String(path.at(-1) ?? '')}\` stands here a second time: keep one.`;
    return { at, path, expected: 'each key once', message };
  }
  if (error.code === 'MULTIPLE_DOCS')
    return { at, path: [], expected: 'one document', message: 'It holds two documents: take out the `---`.' };
  const first = error.message.split('\n')[0]?.replace(/ at line \d+, column \d+:?$/u, '') ?? '';
  return { at, path: [], expected: 'valid YAML', message: `This is not valid YAML: ${first.replace(/\.$/u, '')}.` };
}

/** Globs without quotes: `*` begins an alias in YAML, and `!` a tag. */
function unmeant(document: Document): YamlProblem[] {
  const found: YamlProblem[] = [];
  const anchors = new Set<string>();
  const add = (node: Node, ancestors: readonly unknown[], message: string) =>
    found.push({ at: node.range?.[0] ?? 0, path: keysTo(node, ancestors), expected: 'a value in quotes', message });
  visit(document, {
    Alias: (_key, node, ancestors) => {
      const message = `YAML takes \`*${node.source}\` for an alias, since it begins with \`*\`: put it in quotes.`;
      if (!anchors.has(node.source)) add(node, ancestors, message);
    },
    Value: (_key, node, ancestors) => {
      if (node.anchor) anchors.add(node.anchor);
      if (!isScalar(node) || !node.tag?.startsWith('!') || node.source !== '') return;
      const why = `YAML takes \`${node.tag}\` for a tag, since it begins with \`!\`.`;
      add(node, ancestors, `${why} Put it in quotes where it is meant; globs know no negation.`);
    },
  });
  return found;
}

/** The keys of the map entry that begins at an offset. */
function pathAt(document: Document, at: number): PropertyKey[] {
  let path: PropertyKey[] = [];
  visit(document, {
    Pair: (_key, pair, ancestors) => {
      if (!isScalar(pair.key) || pair.key.range?.[0] !== at) return undefined;
      path = [...keysTo(pair, ancestors), String(pair.key.value)];
      return visit.BREAK;
    },
  });
  return path;
}

function keysTo(node: unknown, ancestors: readonly unknown[]): PropertyKey[] {
  const line = [...ancestors, node];
  return ancestors.flatMap((each, index): PropertyKey[] => {
    if (isPair(each)) return isScalar(each.key) ? [String(each.key.value)] : [];
    return isSeq(each) ? [each.items.indexOf(line[index + 1])] : [];
  });
}
