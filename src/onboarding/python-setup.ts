import type { RepositoryFiles } from './repository-files.ts';
import type { FoundSetup } from './toolchain.ts';

/** `none`: nothing to install. */
export type PythonInstaller = 'uv' | 'poetry' | 'pipenv' | 'pip' | 'none';

/** Which index they fetch from is for the repository's people to say. */
const hosts: readonly string[] = [];
/** Packages of the image stay visible: the default one has pytest. */
const venv = 'python3 -m venv --system-site-packages .venv';

/** Prints what pyproject.toml asks for, groups of tools included; the project itself is not there to be installed. */
const listDependencies = [
  'import tomllib',
  "p = tomllib.load(open('pyproject.toml', 'rb'))",
  "o = p.get('project', {})",
  "g = [o.get('dependencies', []), *o.get('optional-dependencies', {}).values(), *p.get('dependency-groups', {}).values()]",
  'print(*[d for l in g for d in l if isinstance(d, str)], sep=chr(10))',
].join('; ');

/** The set-up of a Python repository; `tools` are those that it uses and does not ask for. */
export function pythonSetup(
  files: RepositoryFiles,
  installer: PythonInstaller,
  requirements: readonly string[],
  tools: readonly string[],
): FoundSetup | null {
  const there = (paths: readonly string[]) => paths.filter((path) => files.has(path));
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
      return pipSetup(files, requirements, tools);
  }
}

function pipSetup(files: RepositoryFiles, requirements: readonly string[], tools: readonly string[]): FoundSetup {
  const hasProject = files.has('pyproject.toml');
  const notes = [
    requirements.length === 0 && hasProject
      ? 'Installs what pyproject.toml asks for, not the project itself: it is run from its sources.'
      : null,
    tools.length > 0 ? `No list of requirements names ${tools.join(', ')}: better pin what the checks use.` : null,
  ].filter((note) => note !== null);
  const wanted = requirements.map((path) => `-r ${path}`);
  const list = `python3 -c "${listDependencies}" > /tmp/requirements.txt`;
  const steps =
    requirements.length > 0
      ? [venv, `.venv/bin/pip install ${[...wanted, ...tools].join(' ')}`]
      : hasProject
        ? [venv, list, `.venv/bin/pip install ${['-r /tmp/requirements.txt', ...tools].join(' ')}`]
        : [venv, `.venv/bin/pip install ${[...(files.has('setup.py') ? ['.'] : []), ...tools].join(' ')}`];
  const inputs = requirements.length > 0 ? requirements : hasProject ? ['pyproject.toml'] : sourcesOfSetup(files);
  return { command: steps.join(' && '), hosts, inputs, ...(notes.length === 0 ? {} : { note: notes.join(' ') }) };
}

/** setup.py may read anything of the sources. */
function sourcesOfSetup(files: RepositoryFiles): string[] {
  return files.has('setup.py') ? ['setup.py', ...['setup.cfg'].filter(files.has), '**/*.py'] : ['setup.cfg'];
}
