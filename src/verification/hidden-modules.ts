/** Modules that runners and checkers of Python load by name, from the working folder first where they are started with `-m`. */
const toolModules = new Set(
  [
    'pytest _pytest pluggy iniconfig unittest doctest nose hypothesis coverage tox nox mypy ruff flake8 pylint black isort pyflakes',
    'pycodestyle bandit pyright argparse ast builtins collections contextlib copy dataclasses enum fnmatch functools importlib inspect',
    'io json logging pathlib platform random re runpy shlex shutil subprocess tempfile traceback types typing warnings',
  ]
    .join(' ')
    .split(' '),
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
  return toolModules.has(name) || commands.some((command) => new RegExp(`\\s-m\\s+${escaped(name)}\\b`).test(command));
}

function escaped(text: string): string {
  return text.replace(/[^\w]/g, '\\$&');
}
