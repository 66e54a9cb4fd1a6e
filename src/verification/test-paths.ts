/** Which files are tests is told by their names, as the common runners tell it. */

const testFolder =
  /(?:^|\/)(?:tests?|__tests__|specs?|e2e|cypress|testing|testdata|test-data|__snapshots__|__mocks__|__fixtures__|fixtures)\//i;
const testName =
  /(?:[._-](?:test|tests|spec|specs|cy|e2e|it)\.[a-z0-9]+$)|(?:^|\/)(?:test_[^/]*|[^/]*_test|[^/]*_spec|tests?)\.[a-z0-9]+$|(?:^|\/)[^/]*(?:Test|Tests|IT|Spec|TestCase)\.(?:java|kt|kts|scala|groovy|cs|fs|vb|php|swift)$/;
const codeName =
  /\.(?:[cm]?[jt]sx?|py|go|rs|java|kt|kts|scala|groovy|cs|fs|rb|php|swift|sh|bash|bats|ex|exs|clj|lua|dart|c|cc|cpp|h|hpp|pl|t|feature)$/i;
const snapshotName = /\.snap(?:shot)?$|(?:^|\/)__snapshots__\/|\.approved\.[a-z]+$|\.golden$/i;

/** A test, or a file that only tests use (fixtures, snapshots, helpers beside them). */
export function isTestPath(path: string): boolean {
  return testFolder.test(`/${path}`) || testName.test(path) || snapshotName.test(path);
}

/** A file that a runner takes for tests by its name; helpers and fixtures beside it are not. */
export function isTestFile(path: string): boolean {
  return testName.test(path);
}

/** Systems and processors by whose name `go test` leaves a file out where checks run, and folders that it never enters. */
const elsewhereInGo =
  /_(?:aix|android|darwin|dragonfly|freebsd|illumos|ios|js|netbsd|openbsd|plan9|solaris|wasip1|windows|386|arm|mips\w*|ppc64\w*|riscv64|s390x|wasm)_test\.go$|(?:^|\/)(?:[_.][^/]*|testdata\/.*)_test\.go$/;

/** Whether runners find it by its name, as far as names tell. */
export function isRunnable(path: string): boolean {
  return isTestFile(path) && !elsewhereInGo.test(path);
}

/** A file that holds tests, not data for them. */
export function isTestCode(path: string): boolean {
  return isTestPath(path) && codeName.test(path) && !isSnapshot(path);
}

export function isSnapshot(path: string): boolean {
  return snapshotName.test(path);
}

export function isCode(path: string): boolean {
  return codeName.test(path);
}

/** `src/list/sum.test.js`, `tests/test_sum.py`, `SumTest.java` → `sum`: by this a test finds its source. */
export function stem(path: string): string {
  const name = path.slice(path.lastIndexOf('/') + 1).replace(/\.[^.]+$/, '');
  return name
    .replace(/[._-](?:test|tests|spec|specs|cy|e2e|it)$/i, '')
    .replace(/^test[_-]|[_-](?:test|spec)$/i, '')
    .replace(/(?<=[a-z0-9])(?:Test|Tests|IT|Spec|TestCase)$/, '')
    .toLowerCase();
}

/** Data that tests work on: whole projects lie there, with configuration that nothing checks this one by. */
export function isFixture(path: string): boolean {
  return /(?:^|\/)(?:__fixtures__|fixtures?|testdata|test-data)\//i.test(path);
}

/** Paths that a JavaScript or TypeScript text imports relatively, from the top of the repository. */
export function importedPaths(path: string, text: string): string[] {
  const folder = path.split('/').slice(0, -1);
  return [...text.matchAll(/(?:from|import|require\(|mock\(|import\()\s*\(?['"](\.{1,2}\/[^'"]+)['"]/g)].map(
    (match) => {
      const parts = [...folder];
      for (const part of (match[1] ?? '').split('/')) {
        if (part === '..') parts.pop();
        else if (part !== '.') parts.push(part);
      }
      return parts.join('/');
    },
  );
}

/** Of a module: an index file is its folder. */
export function withoutExtension(path: string): string {
  return path.replace(/\.[cm]?[jt]sx?$/, '').replace(/\/index$/, '');
}
