// Exits 0 when node_modules holds what package-lock.json names, so that `npm ci` can be left out. npm writes
// node_modules/.package-lock.json as the last step of an install: a broken-off install has none.
import { readFileSync } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';

const read = (path) => JSON.parse(readFileSync(path, 'utf8'));

function installed() {
  const manifest = read('package.json');
  const wanted = read('package-lock.json').packages;
  const present = read('node_modules/.package-lock.json').packages;

  const root = wanted[''] ?? {};
  for (const group of ['dependencies', 'devDependencies', 'optionalDependencies']) {
    if (!isDeepStrictEqual(root[group] ?? {}, manifest[group] ?? {})) return false;
  }
  return Object.entries(wanted).every(([path, entry]) => {
    if (path === '') return true;
    const found = present[path];
    return found === undefined ? Boolean(entry.optional || entry.devOptional) : found.version === entry.version;
  });
}

try {
  process.exitCode = installed() ? 0 : 1;
} catch (error) {
  if (error.code !== 'ENOENT') throw error;
  process.exitCode = 1;
}
