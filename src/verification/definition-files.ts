/**
 * Files by which a repository says how it is checked: scripts, runner and linter configuration, build files, set-up of tests, tool versions.
 * Matched against the whole path; folders anywhere unless anchored.
 */
const definitionNames: readonly RegExp[] = [
  // Task runners and build files.
  /(?:^|\/)(?:GNUmakefile|[Mm]akefile|[^/]+\.mk|[Jj]ustfile|\.justfile|Taskfile\.ya?ml|Rakefile|noxfile\.py|tox\.ini|CMakeLists\.txt|meson\.build|build\.(?:rs|gradle|gradle\.kts|xml|zig)|settings\.gradle(?:\.kts)?|gradle\.properties|pom\.xml|build\.sbt|BUILD(?:\.bazel)?|WORKSPACE|\.bazelrc|turbo\.json|nx\.json|lerna\.json|gulpfile\.[cm]?[jt]s|Gruntfile\.[cm]?js|dodo\.py)$/,
  // Test runners and what they load before the tests.
  /(?:^|\/)(?:conftest\.py|pytest\.ini|\.pytest\.ini|\.mocharc(?:\.[a-z]+)?|(?:jest|vitest|vite|ava|karma\.conf|karma|playwright|cypress|wdio\.conf|wdio|nightwatch\.conf|protractor\.conf|testcafe|web-test-runner|stryker(?:\.conf)?|cucumber)(?:\.config)?(?:\.[\w-]+)?\.(?:[cm]?[jt]s|json)|(?:vitest|jest)[.-]setup\.[cm]?[jt]sx?|vitest\.workspace\.[a-z]+|\.taprc|\.rspec|spec_helper\.rb|rails_helper\.rb|phpunit\.xml(?:\.dist)?|testng\.xml|test-?setup\.[cm]?[jt]sx?|setup-?tests?\.[cm]?[jt]sx?|global-?setup\.[cm]?[jt]s|run-?tests?(?:\.[a-z]+)?|test-?runner(?:\.[a-z]+)?|nextest\.toml|bunfig\.toml|deno\.jsonc?)$/i,
  /(?:^|\/)(?:sitecustomize|usercustomize)\.py$|\.pth$/,
  // Linters, formatters, type checkers, coverage, what they ignore.
  /(?:^|\/)(?:[\w.-]*[tj]sconfig[\w.-]*\.json|\.eslintrc(?:\.[a-z]+)?|eslint\.config\.[cm]?[jt]s|\.(?:eslint|stylelint|markdownlint|biome|ruff|semgrep|snyk|dep|spell|cspell|html|jscpd|oxlint)ignore|biome\.jsonc?|\.prettierrc(?:\.[a-z0-9]+)?|prettier\.config\.[cm]?[jt]s|\.prettierignore|\.stylelintrc(?:\.[a-z]+)?|stylelint\.config\.[cm]?js|tslint\.json|\.oxlintrc\.json|dprint\.json|\.editorconfig|knip\.(?:json|[jt]s)|\.dependency-cruiser\.[cm]?js|\.flake8|setup\.cfg|mypy\.ini|\.mypy\.ini|ruff\.toml|\.ruff\.toml|\.pylintrc|pylintrc|pyrightconfig\.json|\.isort\.cfg|\.style\.yapf|\.coveragerc|\.nycrc(?:\.json)?|\.c8rc(?:\.json)?|codecov\.ya?ml|\.golangci\.(?:ya?ml|toml|json)|clippy\.toml|\.clippy\.toml|rustfmt\.toml|\.rustfmt\.toml|deny\.toml|\.rubocop(?:_todo)?\.yml|checkstyle\.xml|spotbugs.*\.xml|pmd.*\.xml|\.clang-(?:format|tidy)|\.shellcheckrc|phpstan\.neon(?:\.dist)?|psalm\.xml|\.php-cs-fixer(?:\.dist)?\.php|\.swiftlint\.yml|detekt\.yml|\.yamllint|\.markdownlint(?:\.[a-z]+)?|commitlint\.config\.[cm]?js|\.pre-commit-config\.yaml)$/,
  // Compilers of tests, tool versions, package managers' settings, environment.
  /(?:^|\/)(?:babel\.config\.(?:[cm]?js|json)|\.babelrc(?:\.[a-z]+)?|\.swcrc|webpack(?:\.[\w-]+)?\.config\.[cm]?[jt]s|rollup\.config\.[cm]?[jt]s|\.npmrc|\.yarnrc(?:\.yml)?|\.pnpmfile\.c?js|pnpm-workspace\.yaml|\.nvmrc|\.node-version|\.python-version|\.ruby-version|\.tool-versions|\.?mise\.toml|rust-toolchain(?:\.toml)?|\.cargo\/config(?:\.toml)?|pip\.conf|\.envrc|\.env(?:\.[\w-]+)?|\.bashrc|\.profile|\.bash_profile|\.zshrc|\.gitconfig)$/,
  // Tools that a command may find instead of the real ones.
  /(?:^|\/)(?:node_modules|\.bin|\.venv|venv|site-packages|\.yarn|\.husky|__mocks__)\/|(?:^|\/)\.pnp\.(?:[cm]?js|loader\.mjs)$/,
  // What tools keep of an earlier run and believe without looking again.
  /(?:^|\/)(?:__pycache__|\.(?:mypy|ruff|pytest|parcel)[_-]cache|\.gradle|\.turbo|\.nx)\/|\.(?:pyc|pyo|tsbuildinfo)$|(?:^|\/)\.(?:eslint|stylelint|prettier)cache$/,
  /^\.(?:gitlab-ci\.yml|travis\.yml|drone\.yml)$|^\.(?:circleci|buildkite|woodpecker)\/|^(?:azure-pipelines\.yml|Jenkinsfile|bitbucket-pipelines\.yml)$/,
];

/** Whether the file by its name alone defines how something is checked. */
export function isDefinitionFile(path: string): boolean {
  return definitionNames.some((pattern) => pattern.test(path));
}

/** Configuration that holds for its own folder and what lies below: of no effect on files elsewhere. */
export function isOwnConfiguration(name: string): boolean {
  return /^(?:(?:vite|vitest|jest|tsup|tsdown|rollup|webpack|babel|eslint)\.config\.[cm]?[jt]s|tsconfig[\w.-]*\.json|\.eslintrc(?:\.[a-z]+)?|pyproject\.toml|Cargo\.toml|go\.mod)$/.test(
    name,
  );
}

const sourceFolder =
  /^(?:(?:packages|apps|libs|modules|crates)\/[^/]+\/)?(?:src|lib|app|pkg|cmd|internal|source|sources)\//;
const runnerName = /(?:^|\/)(?:[\w-]*(?:run|check|verify|validate|lint|runner|harness|ci)[\w-]*)(?:\.[a-z]+)?$/i;

/**
 * Files that a check's command names, such as `scripts/check.sh` in `bash scripts/check.sh`. Tests and product code that a command merely
 * runs are no definitions: they are what is checked.
 */
export function namedByCommand(command: string, path: string, isTest: (path: string) => boolean): boolean {
  if (isTest(path)) return false;
  const words = command.split(/[\s;&|()<>"'`=]+/).map((word) => word.replace(/^\.\//, ''));
  const plain = path.replace(/\.[^./]+$/, '');
  if (!words.some((word) => word !== '' && (word === path || word === plain))) return false;
  return !sourceFolder.test(path) || runnerName.test(path);
}
