import type { RepositoryFiles } from './repository-files.ts';
import { type Detector, firstOfEachKind } from './toolchain.ts';

const golangciConfigs = ['.golangci.yml', '.golangci.yaml', '.golangci.toml', '.golangci.json'];

export const detectGo: Detector = async (files) => {
  if (!files.has('go.mod') && !files.has('go.work')) return null;
  const config = golangciConfigs.find((path) => files.has(path));
  return {
    name: 'Go',
    slug: 'go',
    setup: {
      command: 'go mod download',
      hosts: [],
      inputs: files.has('go.work') ? ['go.work', '**/go.mod', '**/go.sum'] : ['go.mod', 'go.sum'].filter(files.has),
    },
    checks: firstOfEachKind([
      { kind: 'format', command: 'test -z "$(gofmt -l .)"', from: 'go.mod' },
      config !== undefined && { kind: 'lint', command: 'golangci-lint run', from: config },
      { kind: 'lint', command: 'go vet ./...', from: 'go.mod' },
      { kind: 'unit', command: 'go test ./...', from: 'go.mod' },
      { kind: 'build', command: 'go build ./...', from: 'go.mod' },
    ]),
    lockFiles: ['go.sum'].filter(files.has),
    lacks: config === undefined ? 'Go' : 'Go and golangci-lint',
  };
};

export const detectRust: Detector = async (files) => {
  if (!files.has('Cargo.toml')) return null;
  const isLocked = files.has('Cargo.lock');
  const flags = isLocked ? '--locked --offline' : '--offline';
  return {
    name: 'Rust',
    slug: 'rust',
    setup: {
      command: isLocked ? 'cargo fetch --locked' : 'cargo fetch',
      hosts: [],
      inputs: ['**/Cargo.toml', ...(isLocked ? ['Cargo.lock'] : []), '**/src/lib.rs', '**/src/main.rs'],
      note: 'cargo reads no manifest whose library or program is missing, hence the two source files.',
    },
    checks: [
      { kind: 'format', command: 'cargo fmt --all --check', from: 'Cargo.toml' },
      { kind: 'lint', command: `cargo clippy --all-targets ${flags}`, from: 'Cargo.toml' },
      { kind: 'unit', command: `cargo test ${flags}`, from: 'Cargo.toml' },
      { kind: 'build', command: `cargo build ${flags}`, from: 'Cargo.toml' },
    ],
    lockFiles: ['Cargo.lock'].filter(files.has),
    lacks: 'Rust',
  };
};

export const detectMaven: Detector = async (files) => {
  if (!files.has('pom.xml')) return null;
  const pom = await files.text('pom.xml');
  const mvn = files.has('mvnw') ? './mvnw -B' : 'mvn -B';
  const check = (kind: string, goals: string, from: string) => ({ kind, command: `${mvn} -o ${goals}`, from });
  return {
    name: 'Java (Maven)',
    slug: 'maven',
    setup: {
      command: `${mvn} dependency:go-offline`,
      hosts: [],
      inputs: ['**/pom.xml', ...(files.has('mvnw') ? ['mvnw', '.mvn/**'] : [])],
    },
    checks: firstOfEachKind([
      pom.includes('spotless-maven-plugin') && check('format', 'spotless:check', 'pom.xml: spotless'),
      pom.includes('maven-checkstyle-plugin') && check('lint', 'checkstyle:check', 'pom.xml: checkstyle'),
      { ...check('unit', 'test', 'pom.xml'), report: '**/target/surefire-reports/*.xml' },
      check('build', '-DskipTests package', 'pom.xml'),
    ]),
    lockFiles: [],
    lacks: 'Java',
  };
};

export const detectGradle: Detector = async (files) => {
  const script = ['build.gradle', 'build.gradle.kts', 'settings.gradle', 'settings.gradle.kts'].find(files.has);
  if (script === undefined) return null;
  const texts = await Promise.all(gradleScripts(files).map((path) => files.text(path)));
  const all = texts.join('\n');
  const gradle = files.has('gradlew') ? './gradlew --no-daemon' : 'gradle --no-daemon';
  const check = (kind: string, task: string, from: string) => ({ kind, command: `${gradle} --offline ${task}`, from });
  return {
    name: 'Java or Kotlin (Gradle)',
    slug: 'gradle',
    setup: {
      command: `${gradle} testClasses`,
      hosts: [],
      inputs: ['**'],
      note: 'Gradle fetches what it compiles against only when it compiles: the set-up sees all files, and runs again when one changes.',
    },
    checks: firstOfEachKind([
      all.includes('spotless') && check('format', 'spotlessCheck', 'spotless'),
      all.includes('ktlint') && check('lint', 'ktlintCheck', 'ktlint'),
      all.includes('detekt') && check('lint', 'detekt', 'detekt'),
      { ...check('unit', 'test', script), report: '**/build/test-results/test/*.xml' },
      check('build', 'assemble', script),
    ]),
    lockFiles: ['gradle.lockfile'].filter(files.has),
    lacks: 'Java',
  };
};

function gradleScripts(files: RepositoryFiles): string[] {
  return files.paths.filter((path) => /(?:^|\/)(?:build|settings)\.gradle(?:\.kts)?$/.test(path)).slice(0, 50);
}
