/** What runs or checks Python: nobody else names a module so. */
const tools = new Set(
  'pytest _pytest pluggy iniconfig unittest doctest nose hypothesis coverage tox nox mypy ruff flake8 pylint black isort pyflakes pycodestyle bandit pyright'.split(
    ' ',
  ),
);
/** Modules of Python that runners load. Only where Python looks first do others of that name get in their way. */
const standard = new Set(
  'argparse ast builtins collections contextlib copy dataclasses enum fnmatch functools importlib inspect io json logging pathlib platform random re runpy shlex shutil subprocess tempfile traceback types typing warnings'.split(
    ' ',
  ),
);

/**
 * Whether a new file takes the place of a module that a check needs. Inside of a package a name is the package's own; anywhere else Python may
 * find it before the real one.
 */
export function hidesModule(
  path: string,
  commands: readonly string[],
  isPackage: (folder: string) => boolean,
): boolean {
  const match = /^(?:(.*)\/)?([^/]+)\.py$/.exec(path);
  if (match === null) return false;
  const [, folder = '', file = ''] = match;
  const parts = folder.split('/');
  const [name, above] = file === '__init__' ? [parts.at(-1) ?? '', parts.slice(0, -1).join('/')] : [file, folder];
  if (isPackage(above)) return false;
  const words = new Set(commands.flatMap((command) => command.split(/[\s;&|()"']+/)));
  const isSearched = ['', 'src', 'test', 'tests'].includes(above) || words.has(above) || words.has(`${above}/`);
  if (tools.has(name) || (standard.has(name) && isSearched)) return true;
  return commands.some((command) => new RegExp(`\\s-m\\s+${escaped(name)}\\b`).test(command));
}

function escaped(text: string): string {
  return text.replace(/[^\w]/g, '\\$&');
}
