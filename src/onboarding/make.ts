import { type Detector, firstOfEachKind } from './toolchain.ts';

/** Targets by kind, the best first. */
const targetNames: Readonly<Record<string, readonly string[]>> = {
  format: ['format-check', 'fmt-check', 'check-format', 'check-fmt', 'format_check'],
  lint: ['lint', 'vet'],
  unit: ['test', 'tests', 'unit-test', 'unit', 'check'],
  types: ['typecheck', 'type-check', 'types', 'mypy'],
  build: ['build', 'all'],
  smoke: ['smoke', 'smoke-test'],
};

/** Make: whatever else is used, its targets fill what nothing else told. */
export const detectMake: Detector = async (files) => {
  const path = ['GNUmakefile', 'makefile', 'Makefile'].find(files.has);
  if (path === undefined) return null;
  const text = await files.text(path);
  // `name:` and `a b:` are rules; `name :=` and `name ::=` give values.
  const targets = new Set(
    [...text.matchAll(/^([A-Za-z0-9][\w .-]*?)\s*::?(?![:=])/gm)].flatMap(([, names = '']) => names.split(/\s+/)),
  );
  const checks = Object.entries(targetNames).map(([kind, candidates]) => {
    const target = candidates.find((candidate) => targets.has(candidate));
    return target !== undefined && { kind, command: `make ${target}`, from: `${path}: ${target}` };
  });
  return { name: 'Make', slug: 'make', setup: null, checks: firstOfEachKind(checks), lockFiles: [], lacks: null };
};
