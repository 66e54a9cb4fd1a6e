import type { RepositoryFiles } from './repository-files.ts';
import { type Detector, type FoundSetup, firstOfEachKind, names } from './toolchain.ts';

const manifests = ['pyproject.toml', 'setup.py', 'setup.cfg', 'Pipfile', 'requirements.txt', 'tox.ini'];
const indexHosts = ['pypi.org:443', 'files.pythonhosted.org:443'];

type Installer = 'uv' | 'poetry' | 'pipenv' | 'pip' | 'none';

/** Prints what pyproject.toml asks for, groups of tools included; the project itself is not there to be installed. */
const listDependencies = [
  'import tomllib',
  "p = tomllib.load(open('pyproject.toml', 'rb'))",
  "o = p.get('project', {})",
  "g = [o.get('dependencies', []), *o.get('optional-dependencies', {}).values(), *p.get('dependency-groups', {}).values()]",
  'print(*[d for l in g for d in l if isinstance(d, str)], sep=chr(10))',
].join('; ');

/** Python: pip, uv, poetry or pipenv; pytest, ruff, black, flake8, mypy and pyright. */
export const detectPython: Detector = async (files) => {
  const present = manifests.filter((path) => files.has(path));
  const requirements = files.paths.filter((path) =>
    /^(?:requirements\/)?[\w.-]*requirements[\w.-]*\.txt$|^requirements\/[\w.-]+\.txt$/.test(path),
  );
  const tests = files.paths.filter((path) => /(?:^|\/)(?:test_[^/]*|[^/]*_test|conftest)\.py$/.test(path));
  if (present.length === 0 && requirements.length === 0 && !files.paths.some((path) => /^[^/]+\.py$/.test(path)))
    return null;
  const pyproject = await files.text('pyproject.toml');
  const others = await Promise.all([...present, ...requirements].map((path) => files.text(path)));
  const all = `${others.join('\n')}\n${await files.text('.pre-commit-config.yaml')}`;
  const table = (name: string) => pyproject.split('\n').some((line) => line.trim().startsWith(`[tool.${name}`));
  const uses = (name: string) => table(name) || names(all, name);

  const installer = installerOf(files, pyproject, requirements, all);
  const run = {
    uv: 'uv run --no-sync ',
    poetry: 'poetry run ',
    pipenv: 'pipenv run ',
    pip: '.venv/bin/python -m ',
    none: 'python3 -m ',
  }[installer];
  const check = (kind: string, command: string, from: string) => ({ kind, command: run + command, from });
  const usesRuff = uses('ruff') || files.has('ruff.toml') || files.has('.ruff.toml');
  const usesPytest = uses('pytest') || files.has('pytest.ini') || tests.length > 0;
  return {
    name: `Python (${installer === 'none' ? 'nothing to install' : installer})`,
    slug: 'python',
    setup: setupOf(files, installer, requirements),
    checks: firstOfEachKind([
      uses('black') && check('format', 'black --check .', 'black'),
      (table('ruff.format') || names(all, 'ruff-format')) && check('format', 'ruff format --check .', 'ruff'),
      usesRuff && check('lint', 'ruff check .', 'ruff'),
      (uses('flake8') || files.has('.flake8')) && check('lint', 'flake8', 'flake8'),
      uses('pylint') && check('lint', 'pylint .', 'pylint'),
      (uses('mypy') || files.has('mypy.ini')) &&
        check('types', /^\s*(?:files|packages)\s*=/m.test(pyproject) ? 'mypy' : 'mypy .', 'mypy'),
      (uses('pyright') || files.has('pyrightconfig.json')) && check('types', 'pyright', 'pyright'),
      usesPytest && check('unit', 'pytest', tests[0] ?? 'pytest'),
    ]),
    lockFiles: ['uv.lock', 'poetry.lock', 'Pipfile.lock', 'pdm.lock'].filter((path) => files.has(path)),
    lacks: installer === 'pip' || installer === 'none' ? null : installer,
  };
};

function installerOf(
  files: RepositoryFiles,
  pyproject: string,
  requirements: readonly string[],
  all: string,
): Installer {
  if (files.has('uv.lock') || /^\[tool\.uv\]/m.test(pyproject)) return 'uv';
  if (files.has('poetry.lock') || /^\[tool\.poetry\]/m.test(pyproject)) return 'poetry';
  if (files.has('Pipfile')) return 'pipenv';
  const asks =
    /^\s*dependencies\s*=\s*\[\s*["']/m.test(linesOf(pyproject, ['project'])) ||
    /=\s*\[\s*["']/.test(linesOf(pyproject, ['project.optional-dependencies', 'dependency-groups']));
  if (requirements.length > 0 || asks || /^\s*install_requires/m.test(all)) return 'pip';
  return 'none';
}

/** The lines of some tables of a TOML text. */
function linesOf(toml: string, tables: readonly string[]): string {
  let inside = false;
  return toml
    .split('\n')
    .filter((line) => {
      const header = /^\s*\[+([^\]]+)\]/.exec(line)?.[1]?.trim();
      if (header !== undefined) inside = tables.includes(header);
      return inside && header === undefined;
    })
    .join('\n');
}

function setupOf(files: RepositoryFiles, installer: Installer, requirements: readonly string[]): FoundSetup | null {
  const there = (paths: readonly string[]) => paths.filter((path) => files.has(path));
  const hosts = indexHosts;
  switch (installer) {
    case 'none':
      return null;
    case 'uv':
      return {
        command: `uv sync ${files.has('uv.lock') ? '--frozen ' : ''}--all-groups --no-install-project`,
        hosts,
        inputs: there(['pyproject.toml', 'uv.lock', '.python-version']),
      };
    case 'poetry':
      return {
        command: 'poetry install --no-interaction --no-root',
        hosts,
        inputs: there(['pyproject.toml', 'poetry.lock', 'poetry.toml']),
      };
    case 'pipenv':
      return { command: 'pipenv install --dev', hosts, inputs: there(['Pipfile', 'Pipfile.lock']) };
    case 'pip':
      return pipSetup(files, requirements);
  }
}

/** Packages of the image stay visible: the default one has pytest. */
function pipSetup(files: RepositoryFiles, requirements: readonly string[]): FoundSetup {
  const venv = 'python3 -m venv --system-site-packages .venv';
  if (requirements.length > 0) {
    const lists = requirements.map((path) => `-r ${path}`).join(' ');
    return { command: `${venv} && .venv/bin/pip install ${lists}`, hosts: indexHosts, inputs: requirements };
  }
  const list = `python3 -c "${listDependencies}" > /tmp/requirements.txt`;
  if (files.has('pyproject.toml'))
    return {
      command: `${venv} && ${list} && .venv/bin/pip install -r /tmp/requirements.txt`,
      hosts: indexHosts,
      inputs: ['pyproject.toml'],
      note: 'Installs what pyproject.toml asks for, not the project itself: it is run from its sources.',
    };
  return {
    command: `${venv} && .venv/bin/pip install .`,
    hosts: indexHosts,
    inputs: ['setup.py', 'setup.cfg', '**/*.py'].filter((path) => path.includes('*') || files.has(path)),
  };
}
