// The second half of `npm run build`: makes dist/ mirror src/. tsc emits the code; everything else (prompts, SQL,
// static files, scripts that run inside containers) is copied, and what no source explains any more is removed.
import { chmodSync, copyFileSync, existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';

const isCode = (file) => /\.tsx?$/.test(file);
const filesIn = (folder) =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1));

const expected = new Set();
for (const file of filesIn('src')) {
  if (isCode(file)) {
    const emitted = file.replace(/\.tsx?$/, '.js');
    expected.add(emitted).add(`${emitted}.map`);
  } else {
    expected.add(file);
    mkdirSync(dirname(join('dist', file)), { recursive: true });
    copyFileSync(join('src', file), join('dist', file));
  }
}

for (const file of filesIn('dist')) {
  if (!expected.has(file)) rmSync(join('dist', file));
}

// npm sets this bit when it installs the package; in a checkout nobody does.
if (existsSync('dist/main.js')) chmodSync('dist/main.js', 0o755);
