import { isTestPath } from '../verification/test-paths.ts';
import { languageOf } from './imports.ts';
import { baseName, folderOf, joinPath } from './paths.ts';

/** Names that packages of the repository give themselves, by the folder of their manifest. */
export interface PackageNames {
  /** `name` of each `package.json`. */
  script: ReadonlyMap<string, string>;
  /** `module` of each `go.mod`. */
  go: ReadonlyMap<string, string>;
}

/** The files of the repository that an import of a file means; empty for packages from outside. */
export type Resolve = (from: string, specifier: string) => string[];

const scriptEndings = [
  '.ts',
  '.tsx',
  '.js',
  '.jsx',
  '.mts',
  '.cts',
  '.mjs',
  '.cjs',
  '.vue',
  '.svelte',
  '.json',
  '.d.ts',
];
/** Prefixes that bundlers and `tsconfig.json` usually give to the source folder. */
const aliasPrefix = /^(?:@\/|~\/|~(?=[^/])|#\/?|\$lib\/|src\/)/;

export function createResolver(paths: readonly string[], packages: PackageNames): Resolve {
  const files = new Set(paths);
  const byName = Map.groupBy(paths, baseName);
  const goFolders = Map.groupBy(
    paths.filter((path) => path.endsWith('.go') && !isTestPath(path)),
    folderOf,
  );

  const first = (candidates: readonly string[]) => candidates.find((path) => files.has(path));
  /** The one file whose path ends like this; several mean that it cannot be told. */
  const endingLike = (suffix: string): string | undefined => {
    const found = (byName.get(baseName(suffix)) ?? []).filter((path) => path === suffix || path.endsWith(`/${suffix}`));
    return found.length === 1 ? found[0] : undefined;
  };
  const some = (path: string | undefined) => (path === undefined ? [] : [path]);

  function script(from: string, specifier: string): string[] {
    const plain = specifier.replace(/[?#].*$/, (rest, at) => (at === 0 ? rest : ''));
    if (/^\.{1,2}(?:\/|$)/.test(plain)) {
      const path = joinPath(folderOf(from), plain);
      if (path === null) return [];
      return some(files.has(path) ? path : first(scriptCandidates(path)));
    }
    for (const [folder, name] of packages.script) {
      if (plain !== name && !plain.startsWith(`${name}/`)) continue;
      const inside = plain.slice(name.length + 1);
      const places = inside === '' ? ['src/index', 'index', 'src/main', 'lib/index'] : [inside, `src/${inside}`];
      const found = first(places.flatMap((place) => scriptCandidates(joinPath(folder, place) ?? '')));
      if (found !== undefined) return [found];
    }
    if (!aliasPrefix.test(plain)) return [];
    const inside = plain.replace(aliasPrefix, '');
    const near = first([...scriptCandidates(plain), ...scriptCandidates(`src/${inside}`)]);
    return some(
      near ??
        scriptCandidates(inside)
          .map(endingLike)
          .find((path) => path !== undefined),
    );
  }

  function python(from: string, dotted: string): string[] {
    const dots = /^\.*/.exec(dotted)?.[0].length ?? 0;
    const inside = dotted.slice(dots).replaceAll('.', '/');
    const candidates = (folder: string) => {
      const path = joinPath(folder, inside) ?? '';
      return [`${path}.py`, path === '' ? '__init__.py' : `${path}/__init__.py`, `${path}.pyi`];
    };
    if (dots > 0) {
      const up = joinPath(folderOf(from), '../'.repeat(dots - 1));
      return up === null ? [] : some(first(candidates(up)));
    }
    const near = first(['', 'src', 'lib', folderOf(from)].flatMap(candidates));
    // A single name may as well be one of the standard library.
    if (near !== undefined || !inside.includes('/')) return some(near);
    return some(endingLike(`${inside}.py`) ?? endingLike(`${inside}/__init__.py`));
  }

  function go(_from: string, specifier: string): string[] {
    for (const [folder, module] of packages.go) {
      if (specifier !== module && !specifier.startsWith(`${module}/`)) continue;
      const inside = joinPath(folder, specifier.slice(module.length + 1));
      const found = inside === null ? undefined : goFolders.get(inside);
      if (found) return found;
    }
    return [];
  }

  function java(_from: string, dotted: string): string[] {
    if (!dotted.includes('.')) return [];
    const path = dotted.replaceAll('.', '/');
    return some(['.java', '.kt', '.scala'].map((end) => endingLike(path + end)).find((found) => found !== undefined));
  }

  function c(from: string, header: string): string[] {
    const path = joinPath(folderOf(from), header);
    return some(first(path === null ? [] : [path]) ?? endingLike(header));
  }

  const resolvers = { script, python, go, java, c };
  return (from, specifier) => {
    const language = languageOf(from);
    return language === null ? [] : resolvers[language](from, specifier);
  };
}

/** `./x.js` may mean `x.ts`, `./x` a file of any ending or a folder with an index. */
function scriptCandidates(path: string): string[] {
  const typed = path.replace(/\.([cm]?)js(x?)$/, '.$1ts$2');
  return [
    path,
    ...(typed === path ? [] : [typed, typed.replace(/\.ts$/, '.tsx')]),
    ...scriptEndings.map((ending) => path + ending),
    ...scriptEndings.map((ending) => (path === '' ? `index${ending}` : `${path}/index${ending}`)),
  ];
}

/** The name in a manifest; null when it has none. */
export function packageName(path: string, text: string): string | null {
  if (baseName(path) === 'go.mod') return /^module[ \t]+"?([^\s"]+)/m.exec(text)?.[1] ?? null;
  return /"name"\s*:\s*"([^"\n]{1,214})"/.exec(text)?.[1] ?? null;
}
