import { describe, expect, test } from 'vitest';
import { combineWalls } from '../../src/contract/combine.ts';
import { emptyContract } from '../../src/contract/contract.ts';
import { type PolicyLayer, parsePolicyFile } from '../../src/contract/policy.ts';
import type { TreeEntry } from '../../src/git/git.ts';
import { detect } from '../../src/onboarding/detect.ts';
import { policyFile } from '../../src/onboarding/policy-file.ts';
import { onboardingBody } from '../../src/onboarding/pull-request.ts';
import { repositoryFiles } from '../../src/onboarding/repository-files.ts';

type Files = Record<string, string>;

async function found(files: Files) {
  const entries = Object.entries(files)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([path, text]) => ({
      path,
      mode: '100644' as TreeEntry['mode'],
      blob: '',
      sizeBytes: Buffer.byteLength(text),
    }));
  const read = async (_repository: string, _commit: string, path: string) => Buffer.from(files[path] ?? '');
  return detect(await repositoryFiles({ list: async () => entries, read }, 'host/acme/shop', 'c'));
}

/** The policy file that a repository with these files gets, as the app reads it. */
async function policyOf(files: Files): Promise<PolicyLayer> {
  const text = policyFile(await found(files));
  const parsed = parsePolicyFile(text, '.github/millwright.yml', 'repository');
  if ('problems' in parsed) throw new Error(`${JSON.stringify(parsed.problems)}\n${text}`);
  return parsed.policy;
}

async function checksOf(files: Files): Promise<Record<string, string>> {
  const { checks } = await policyOf(files);
  const entries = Object.entries(checks ?? {});
  return Object.fromEntries(entries.map(([kind, check]) => [kind, typeof check === 'string' ? check : check.command]));
}

const json = (value: unknown) => JSON.stringify(value);

describe('what is found in a Node.js repository', () => {
  const scripts = {
    'format:check': 'prettier --check .',
    lint: 'eslint .',
    test: 'vitest run',
    typecheck: 'tsc --noEmit',
    build: 'tsc',
    smoke: 'node dist/main.js --version',
  };

  test('npm: the scripts, and a set-up from the lock file', async () => {
    const policy = await policyOf({
      'package.json': json({ scripts, devDependencies: { vitest: '4' } }),
      'package-lock.json': '{}',
      '.npmrc': 'registry=https://npm.example.org:8443/all/\n',
      'src/a.ts': '',
      'test/a.test.ts': '',
      'docs/a.md': '',
    });

    expect(policy.checks).toEqual({
      format: 'npm run format:check',
      lint: 'npm run lint',
      unit: 'npm test',
      types: 'npm run typecheck',
      build: 'npm run build',
      smoke: 'npm run smoke',
    });
    expect(policy.setup).toEqual({
      command: 'npm ci',
      hosts: ['npm.example.org:8443'],
      inputs: ['package.json', 'package-lock.json', '.npmrc'],
    });
    expect(policy.files).toEqual({
      allow: ['docs/**', 'src/**', 'test/**'],
      companions: ['package-lock.json'],
    });
  });

  test.each([
    ['pnpm', 'pnpm-lock.yaml', 'pnpm install --frozen-lockfile', 'pnpm test'],
    ['yarn', 'yarn.lock', 'yarn install --frozen-lockfile', 'yarn test'],
    ['bun', 'bun.lock', 'bun install --frozen-lockfile', 'bun run test'],
  ])('%s: known by its lock file, and missing in the default image', async (manager, lock, install, unit) => {
    const files = { 'package.json': json({ scripts, dependencies: { a: '1' } }), [lock]: '' };

    const policy = await policyOf(files);

    expect(policy.setup?.command).toBe(install);
    expect(policy.checks).toMatchObject({ unit, lint: `${manager} run lint` });
    expect(policyFile(await found(files))).toContain(`The default image has no ${manager}`);
  });

  test('the packageManager field wins over lock files, and a new yarn has its own flags', async () => {
    const policy = await policyOf({
      'package.json': json({ scripts, packageManager: 'yarn@4.5.0', dependencies: { a: '1' } }),
      'yarn.lock': '',
      'package-lock.json': '',
      '.yarnrc.yml': 'npmRegistryServer: "https://yarn.example.org"\n',
      '.yarn/releases/yarn-4.5.0.cjs': '',
    });

    expect(policy.setup).toEqual({
      command: 'yarn install --immutable',
      hosts: ['yarn.example.org:443'],
      inputs: ['package.json', 'yarn.lock', 'package-lock.json', '.yarnrc.yml', '.yarn/releases/**'],
    });
  });

  test('scripts that are no check are passed over for tools that are configured', async () => {
    const checks = await checksOf({
      'package.json': json({
        scripts: {
          test: 'echo "Error: no test specified" && exit 1',
          lint: 'eslint --fix .',
          format: 'prettier --write .',
        },
        devDependencies: { eslint: '9', prettier: '3', typescript: '5', jest: '30' },
      }),
      'eslint.config.js': '',
      '.prettierrc': '',
      'tsconfig.json': '{}',
    });

    expect(checks).toEqual({
      format: 'npx --no-install prettier --check .',
      lint: 'npx --no-install eslint .',
      types: 'npx --no-install tsc --noEmit',
      unit: 'npx --no-install jest',
    });
  });

  test('the repository’s own install scripts do not run in a set-up that lacks its sources', async () => {
    const { setup } = await policyOf({
      'package.json': json({ scripts: { prepare: 'tsc' }, dependencies: { a: '1' }, workspaces: ['packages/*'] }),
      'package-lock.json': '{}',
      'packages/b/package.json': '{}',
    });

    expect(setup).toMatchObject({
      command: 'npm ci --ignore-scripts',
      inputs: ['package.json', 'package-lock.json', '**/package.json'],
    });
  });

  test('without dependencies nothing is set up', async () => {
    const policy = await policyOf({ 'package.json': json({ scripts: { test: 'node --test' } }) });

    expect(policy.setup).toBeUndefined();
    expect(policy.checks).toEqual({ unit: 'npm test' });
  });
});

describe('what is found in a Python repository', () => {
  test('tools that requirements name, in an environment of their own', async () => {
    const policy = await policyOf({
      'requirements.txt': 'flask==3\n',
      'requirements-dev.txt': 'pytest==8\nruff\nblack\nmypy\n',
      'shop/__init__.py': '',
      'tests/test_shop.py': '',
    });

    expect(policy.checks).toEqual({
      format: '.venv/bin/python -m black --check .',
      lint: '.venv/bin/python -m ruff check .',
      unit: '.venv/bin/python -m pytest',
      types: '.venv/bin/python -m mypy .',
    });
    expect(policy.setup).toMatchObject({
      command:
        'python3 -m venv --system-site-packages .venv && .venv/bin/pip install -r requirements-dev.txt -r requirements.txt',
      hosts: [],
    });
    expect(policy.files?.allow).toEqual(['shop/**', 'tests/**']);
  });

  test.each([
    [
      'uv',
      '[project]\ndependencies = ["a"]\n[dependency-groups]\ndev = ["pytest"]\n',
      'uv.lock',
      'uv sync --frozen',
      'uv run --no-sync pytest',
    ],
    [
      'poetry',
      '[tool.poetry.dependencies]\na = "1"\npytest = "^8"\n[tool.pytest.ini_options]\n',
      'poetry.lock',
      'poetry install',
      'poetry run pytest',
    ],
  ])('%s: known by its lock file', async (_name, pyproject, lock, install, unit) => {
    const policy = await policyOf({ 'pyproject.toml': pyproject, [lock]: '', 'tests/test_a.py': '' });

    expect(policy.setup?.command).toContain(install);
    expect(policy.setup?.inputs).toEqual(['pyproject.toml', lock]);
    expect(policy.checks).toMatchObject({ unit });
    expect(policy.files?.companions).toEqual([lock]);
  });

  test('what pyproject.toml asks for is installed without the project', async () => {
    const { setup } = await policyOf({ 'pyproject.toml': '[project]\nname = "a"\ndependencies = [\n  "flask",\n]\n' });

    expect(setup?.command).toMatch(/tomllib.*pip install -r \/tmp\/requirements\.txt$/);
    expect(setup?.inputs).toEqual(['pyproject.toml']);
  });

  test('with nothing to install the image’s own pytest runs', async () => {
    const policy = await policyOf({
      'pyproject.toml': '[project]\nname = "a"\nclassifiers = ["x"]\n',
      'a/test_a.py': '',
    });

    expect(policy.setup).toBeUndefined();
    expect(policy.checks).toEqual({ unit: 'python3 -m pytest' });
  });

  test('tools that are configured but asked for nowhere are installed, since a check without its tool stops every run', async () => {
    const policy = await policyOf({
      'pyproject.toml': '[project]\nname = "a"\n[tool.ruff.format]\n[tool.mypy]\nfiles = "a"\n',
      '.pre-commit-config.yaml': 'repos:\n  - hooks:\n      - id: ruff\n',
    });

    expect(policy.checks).toEqual({
      format: '.venv/bin/python -m ruff format --check .',
      lint: '.venv/bin/python -m ruff check .',
      types: '.venv/bin/python -m mypy',
    });
    expect(policy.setup?.command).toMatch(/pip install -r \/tmp\/requirements\.txt ruff mypy$/);
  });

  test('what a lock file does not hold is no check, and tests without pytest run by unittest', async () => {
    const pyproject = '[tool.poetry.dependencies]\na = "1"\n[tool.black]\n';

    const checks = await checksOf({ 'pyproject.toml': pyproject, 'poetry.lock': '', 'tests/test_a.py': '' });

    expect(checks).toEqual({ unit: 'poetry run python -m unittest discover' });
  });

  test('setup.py alone: the project is installed from its sources', async () => {
    const { setup, checks } = await policyOf({ 'setup.py': "setup(\n  install_requires=['flask'])", 'test_a.py': '' });

    expect(setup).toMatchObject({ command: expect.stringMatching(/pip install \.$/), inputs: ['setup.py', '**/*.py'] });
    expect(checks).toEqual({ unit: '.venv/bin/python -m pytest' });
  });
});

describe('what is found elsewhere', () => {
  test('Go', async () => {
    const policy = await policyOf({
      'go.mod': '',
      'go.sum': '',
      'main.go': '',
      'cmd/a/main.go': '',
      'internal/a.go': '',
    });

    expect(policy.checks).toEqual({
      format: 'test -z "$(gofmt -l .)"',
      lint: 'go vet ./...',
      unit: 'go test ./...',
      build: 'go build ./...',
    });
    expect(policy.files?.allow).toEqual(['cmd/**', 'internal/**', '*.go']);
    expect(policy.setup?.inputs).toEqual(['go.mod', 'go.sum']);
  });

  test('Go with golangci-lint', async () => {
    expect(await checksOf({ 'go.mod': '', '.golangci.yml': '' })).toMatchObject({ lint: 'golangci-lint run' });
  });

  test('Rust', async () => {
    const policy = await policyOf({ 'Cargo.toml': '', 'Cargo.lock': '', 'src/lib.rs': '' });

    expect(policy.checks).toEqual({
      format: 'cargo fmt --all --check',
      lint: 'cargo clippy --all-targets --locked --offline',
      unit: 'cargo test --locked --offline',
      build: 'cargo build --locked --offline',
    });
    expect(policy.files?.companions).toEqual(['Cargo.lock']);
  });

  test('Maven with its wrapper, and results test by test', async () => {
    const policy = await policyOf({
      'pom.xml': '<artifactId>spotless-maven-plugin</artifactId>',
      mvnw: '',
      'src/A.java': '',
    });

    expect(policy.checks).toEqual({
      format: './mvnw -B -o spotless:check',
      unit: { command: './mvnw -B -o test', report: '**/target/surefire-reports/*.xml' },
      build: './mvnw -B -o -DskipTests package',
    });
  });

  test('Gradle', async () => {
    const policy = await policyOf({
      'build.gradle.kts': 'plugins { id("org.jlleitschuh.gradle.ktlint") }',
      gradlew: '',
    });

    expect(policy.checks).toMatchObject({
      lint: './gradlew --no-daemon --offline ktlintCheck',
      unit: { command: './gradlew --no-daemon --offline test' },
      build: './gradlew --no-daemon --offline assemble',
    });
    expect(policy.setup?.inputs).toEqual(['**']);
  });

  test('Make alone', async () => {
    const makefile = 'CC := gcc\nall: build\nbuild test: main.o\n\tcc\nlint::\n\techo\n.PHONY: test\n';

    expect(await checksOf({ Makefile: makefile, 'main.c': '' })).toEqual({
      lint: 'make lint',
      unit: 'make test',
      build: 'make build',
    });
  });

  test('Make fills only what the language leaves open', async () => {
    const checks = await checksOf({ 'go.mod': '', Makefile: 'test:\n\tgo test\nsmoke:\n\t./a\n' });

    expect(checks).toMatchObject({ unit: 'go test ./...', smoke: 'make smoke' });
    expect(Object.keys(checks)).not.toContain('unit-make');
  });

  test('two languages at the top have their checks apart and one set-up', async () => {
    const policy = await policyOf({
      'package.json': json({ scripts: { test: 'jest' }, dependencies: { a: '1' } }),
      'package-lock.json': '',
      'requirements.txt': 'pytest',
    });

    expect(policy.checks).toMatchObject({ unit: 'npm test', 'unit-python': '.venv/bin/python -m pytest' });
    expect(policy.setup?.command).toMatch(/^npm ci && python3 -m venv/);
  });

  test('folders below the top, where the top has no manifest', async () => {
    const policy = await policyOf({
      'backend/go.mod': '',
      'frontend/package.json': json({ scripts: { test: 'jest' }, dependencies: { a: '1' } }),
      'frontend/package-lock.json': '',
      'examples/demo/package.json': '{}',
      'README.md': '',
    });

    expect(policy.checks).toMatchObject({
      unit: 'cd backend && go test ./...',
      'unit-node': 'cd frontend && npm test',
    });
    expect(policy.setup).toMatchObject({
      command: '(cd backend && go mod download) && (cd frontend && npm ci)',
      inputs: ['backend/go.mod', 'frontend/package.json', 'frontend/package-lock.json'],
    });
    expect(policy.files?.allow).toEqual(['backend/**', 'examples/**', 'frontend/**']);
  });

  test('nothing: a file without keys, which says so', async () => {
    const detected = await found({ 'README.md': '# Hello\n' });

    expect(parsePolicyFile(policyFile(detected), 'f', 'repository')).toEqual({ policy: {} });
    expect(policyFile(detected)).toContain('fill in `checks`');
    expect(onboardingBody(detected, ['.github/millwright.yml'])).toContain('No command was found');
  });

  test('manifests that are no manifests', async () => {
    const files = { 'package.json': '{ not json', 'pyproject.toml': '\u0000[[[', Makefile: '\n:::\n', 'go.mod': '' };

    expect(await checksOf(files)).toMatchObject({ unit: 'go test ./...' });
  });
});

test('hostile names of files stay out of the policy file and its commands', async () => {
  const evil = 'x"; rm -rf $HOME #';
  const files = {
    [`${evil}/package.json`]: json({ scripts: { test: 'jest' } }),
    'requirements\n- evil.txt': 'pytest',
    'test_a.py\n  evil: true': '',
    'src\n  deny: []/a.js': '',
    [`${evil}.test.js`]: '',
  };

  const text = policyFile(await found(files));

  expect(parsePolicyFile(text, 'f', 'repository')).toHaveProperty('policy');
  expect(text).not.toMatch(/rm -rf|evil/);
});

test('every commented line with a key is a line that may be used: its comment mark away, the file still parses', async () => {
  const text = policyFile(await found({ 'README.md': '' }));
  const keys =
    /^# ((?:image|files|setup|checks|commands|network|secrets|mcp|limits|budget|concurrency|roles|plan|pull_request|learn):.*)$/gm;
  const lines = [...text.matchAll(keys)]
    .map(([, line]) => line ?? '')
    .filter((line) => !/^(?:files|checks):$/.test(line));

  const parsed = parsePolicyFile(lines.join('\n'), 'f', 'repository');

  expect(parsed).toHaveProperty('policy');
  expect(lines.length).toBeGreaterThan(10);
});

test('what was found passes the walls as it is: no set-up host and no file is refused', async () => {
  const repository = await policyOf({
    'package.json': json({ dependencies: { a: '1' } }),
    'package-lock.json': '',
    'src/a.js': '',
  });

  const combined = combineWalls({
    operator: null,
    organization: null,
    repository,
    contract: emptyContract(),
    repositoryName: 'acme/shop',
    heldSecrets: [],
  });

  expect(combined.refused).toEqual([]);
  expect(combined.walls.setup).toMatchObject({ command: 'npm ci', hosts: [] });
});
