import { type PythonInstaller, pythonSetup } from './python-setup.ts';
import type { RepositoryFiles } from './repository-files.ts';
import { type Detector, type FoundCheck, firstOfEachKind, names } from './toolchain.ts';

const manifests = ['pyproject.toml', 'setup.py', 'setup.cfg', 'Pipfile', 'tox.ini'];
const requirementList =
  /^(?:requirements\/)?(?:\w[\w.-]{0,60})?requirements[\w.-]{0,60}\.txt$|^requirements\/\w[\w.-]{0,60}\.txt$/;
const mostLists = 20;
const testFile = /(?:^|\/)(?:test_[^/]*|[^/]*_test|conftest)\.py$/;

/** What a Python repository says about itself. */
interface PythonFacts {
  files: RepositoryFiles;
  pyproject: string;
  /** Lists of requirements. */
  requirements: readonly string[];
  /** Lines of manifests that may name packages: without the headers of sections, which name tools as well. */
  packages: string;
  /** Names of sections, and what runs before a commit. */
  configuration: string;
  installer: PythonInstaller;
}

/** Tools by kind, the best first. Their package bears the same name. */
const tools: readonly { name: string; kind: string; command: string; files?: readonly string[]; section?: string }[] = [
  { name: 'black', kind: 'format', command: 'black --check .' },
  { name: 'ruff', kind: 'format', command: 'ruff format --check .', section: 'ruff.format' },
  { name: 'ruff', kind: 'lint', command: 'ruff check .', files: ['ruff.toml', '.ruff.toml'] },
  { name: 'flake8', kind: 'lint', command: 'flake8', files: ['.flake8'] },
  { name: 'pylint', kind: 'lint', command: 'pylint .', files: ['.pylintrc', 'pylintrc'] },
  { name: 'mypy', kind: 'types', command: 'mypy', files: ['mypy.ini', '.mypy.ini'] },
  { name: 'pyright', kind: 'types', command: 'pyright', files: ['pyrightconfig.json'] },
];

const runners: Readonly<Record<PythonInstaller, { module: string; program: string }>> = {
  uv: { module: 'uv run --no-sync python -m ', program: 'uv run --no-sync ' },
  poetry: { module: 'poetry run python -m ', program: 'poetry run ' },
  pipenv: { module: 'pipenv run python -m ', program: 'pipenv run ' },
  pip: { module: '.venv/bin/python -m ', program: '.venv/bin/python -m ' },
  none: { module: 'python3 -m ', program: 'python3 -m ' },
};

/** Python: pip, uv, poetry or pipenv; pytest, ruff, black, flake8, pylint, mypy and pyright. */
export const detectPython: Detector = async (files) => {
  const facts = await readFacts(files);
  if (facts === null) return null;
  const found = firstOfEachKind(tools.filter((tool) => isUsed(tool, facts)).map((tool) => checkBy(tool, facts)));
  const missing = found.map(({ from }) => from).filter((name) => !names(facts.packages, name));
  // Environments of pip take what the repository's lists leave out; those of the others are what their lock file says.
  const installer = facts.installer === 'none' && missing.length > 0 ? 'pip' : facts.installer;
  const isOpen = installer === 'pip' || installer === 'none';
  const usable = isOpen ? found : found.filter(({ from }) => !missing.includes(from));
  const run = runners[installer];
  return {
    name: `Python (${installer === 'none' ? 'nothing to install' : installer})`,
    slug: 'python',
    setup: pythonSetup(files, installer, facts.requirements, isOpen ? [...new Set(missing)] : []),
    checks: [
      ...usable.map((check) => ({ ...check, command: run.program + check.command })),
      ...unitTests(facts, installer),
    ],
    lockFiles: ['uv.lock', 'poetry.lock', 'Pipfile.lock', 'pdm.lock'].filter((path) => files.has(path)),
    lacks: isOpen ? null : installer,
  };
};

async function readFacts(files: RepositoryFiles): Promise<PythonFacts | null> {
  const present = manifests.filter((path) => files.has(path));
  const requirements = files.paths.filter((path) => requirementList.test(path)).slice(0, mostLists);
  const isPython = files.paths.some((path) => /^[^/]+\.py$/.test(path));
  if (present.length === 0 && requirements.length === 0 && !isPython) return null;
  const texts = await Promise.all([...present, ...requirements].map((path) => files.text(path)));
  const lines = texts.join('\n').split('\n');
  const isHeader = (line: string) => /^\s*\[.*\]\s*$/.test(line);
  const packages = lines.filter((line) => !isHeader(line)).join('\n');
  const pyproject = await files.text('pyproject.toml');
  return {
    files,
    pyproject,
    requirements,
    packages,
    configuration: `${lines.filter(isHeader).join('\n')}\n${await files.text('.pre-commit-config.yaml')}`,
    installer: installerOf(files, { pyproject, requirements, packages }),
  };
}

function installerOf(
  files: RepositoryFiles,
  { pyproject, requirements, packages }: Pick<PythonFacts, 'pyproject' | 'requirements' | 'packages'>,
): PythonInstaller {
  if (files.has('uv.lock') || /^\[tool\.uv\]/m.test(pyproject)) return 'uv';
  if (files.has('poetry.lock') || /^\[tool\.poetry\]/m.test(pyproject)) return 'poetry';
  if (files.has('Pipfile')) return 'pipenv';
  const asks =
    /^\s*dependencies\s*=\s*\[\s*["']/m.test(linesOf(pyproject, ['project'])) ||
    /=\s*\[\s*["']/.test(linesOf(pyproject, ['project.optional-dependencies', 'dependency-groups']));
  return requirements.length > 0 || asks || /^\s*install_requires/m.test(packages) ? 'pip' : 'none';
}

/** The lines of some tables of a TOML text. */
function linesOf(toml: string, tables: readonly string[]): string {
  let inside = false;
  return toml
    .split('\n')
    .filter((line) => {
      const header = /^\s*\[+([^\]]+)\]\s*$/.exec(line)?.[1]?.trim();
      if (header !== undefined) inside = tables.includes(header);
      return inside && header === undefined;
    })
    .join('\n');
}

function isUsed(tool: (typeof tools)[number], { files, packages, configuration }: PythonFacts): boolean {
  if (tool.files?.some((path) => files.has(path))) return true;
  if (tool.section !== undefined)
    return (
      configuration.includes(`[tool.${tool.section}]`) ||
      configuration.includes(`id: ${tool.section.replace('.', '-')}`)
    );
  const section = new RegExp(`^\\s*\\[+(?:tool\\.)?${tool.name}[\\].:]|^\\s*-\\s*id:\\s*${tool.name}\\b`, 'm');
  return names(packages, tool.name) || section.test(configuration);
}

function checkBy({ name, kind, command }: (typeof tools)[number], { pyproject }: PythonFacts): FoundCheck {
  const namesFiles = /^\s*(?:files|packages)\s*=/m.test(linesOf(pyproject, ['tool.mypy']));
  return { kind, command: command === 'mypy' && !namesFiles ? 'mypy .' : command, from: name };
}

/** The default image has pytest, which environments of pip see as well; in others it has to be asked for. */
function unitTests({ files, packages, configuration }: PythonFacts, installer: PythonInstaller): FoundCheck[] {
  const test = files.paths.find((path) => testFile.test(path));
  const hasPytest = names(packages, 'pytest');
  const isConfigured = files.has('pytest.ini') || /^\s*\[(?:tool[.:])?pytest\b/m.test(configuration);
  const run = runners[installer];
  if (hasPytest || ((installer === 'pip' || installer === 'none') && (isConfigured || test !== undefined)))
    return [{ kind: 'unit', command: `${run.program}pytest`, from: test ?? 'pytest' }];
  return test === undefined ? [] : [{ kind: 'unit', command: `${run.module}unittest discover`, from: test }];
}
