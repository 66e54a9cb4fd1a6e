type Language = 'script' | 'python' | 'go' | 'java' | 'c';

const languages: readonly [RegExp, Language][] = [
  [/\.(?:[cm]?[jt]sx?|vue|svelte)$/i, 'script'],
  [/\.pyi?$/i, 'python'],
  [/\.go$/i, 'go'],
  [/\.(?:java|kts?|scala)$/i, 'java'],
  [/\.(?:c|h|cc|cpp|cxx|hh|hpp)$/i, 'c'],
];

/** The language whose imports can be read; null for any other file. */
export function languageOf(path: string): Language | null {
  return languages.find(([pattern]) => pattern.test(path))?.[1] ?? null;
}

/** More than this is generated, or there to keep us busy. */
const mostImports = 500;

/**
 * What a file imports, as written there, each once. Read by patterns, not by parsers: text in comments counts too, which costs a
 * rank at most. Every pattern is linear in the text, whoever wrote it.
 */
export function importsIn(path: string, text: string): string[] {
  const language = languageOf(path);
  return language === null ? [] : [...new Set(readers[language](text))].slice(0, mostImports);
}

const scriptImport = /\b(?:from|import|require|mock)\s*(?:\(\s*)?(['"`])([^'"`\n]{1,300})\1/g;
const pythonFrom = /^[ \t]*from[ \t]+([.\w]+)[ \t]+import[ \t]*(?:\(([^()]{0,4000})\)|([^\n#;(]*))/gm;
const pythonImport = /^[ \t]*import[ \t]+([\w., \t]+)/gm;
const goImport = /^[ \t]*(?:import[ \t]+)?(?:[\w.]+[ \t]+)?"([^"\n]{1,300})"/;
const javaImport = /^[ \t]*import[ \t]+(static[ \t]+)?([\w.]+)/gm;
const include = /^[ \t]*#[ \t]*include[ \t]+"([^"\n]{1,300})"/gm;

const readers: Readonly<Record<Language, (text: string) => string[]>> = {
  script: (text) => [...text.matchAll(scriptImport)].map((found) => found[2] ?? ''),
  python: (text) => [
    ...[...text.matchAll(pythonFrom)].flatMap(([, module = '', inBrackets, onLine]) => [
      module,
      ...namesIn(inBrackets ?? onLine ?? '').map((name) =>
        module.endsWith('.') ? module + name : `${module}.${name}`,
      ),
    ]),
    ...[...text.matchAll(pythonImport)].flatMap(([, modules = '']) => namesIn(modules)),
  ],
  go: goImports,
  // A static import names a member of the class.
  java: (text) =>
    [...text.matchAll(javaImport)].map(([, member, name = '']) =>
      member ? name.slice(0, Math.max(0, name.lastIndexOf('.'))) : name,
    ),
  c: (text) => [...text.matchAll(include)].map((found) => found[1] ?? ''),
};

/** `a as b, c  # why` → `a`, `c` */
function namesIn(list: string): string[] {
  return list
    .replace(/#[^\n]*/g, '')
    .split(',')
    .map((item) => item.trim().split(/\s/, 1)[0] ?? '')
    .filter((name) => /^[\w.]+$/.test(name));
}

/** Imports stand at the top of a Go file, alone or in one block or more. */
function goImports(text: string): string[] {
  const found: string[] = [];
  let inBlock = false;
  for (const line of text.split('\n')) {
    if (/^(?:func|type|var|const)\b/.test(line)) break;
    if (/^import[ \t]*\(/.test(line)) inBlock = true;
    const path =
      inBlock || line.startsWith('import') ? goImport.exec(line.replace(/^import[ \t]*\(/, ''))?.[1] : undefined;
    if (path !== undefined) found.push(path);
    if (inBlock && /^[ \t]*\)/.test(line)) inBlock = false;
  }
  return found;
}
