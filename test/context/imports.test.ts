import { describe, expect, it } from 'vitest';
import { importsIn } from '../../src/context/imports.ts';
import { createResolver, packageName } from '../../src/context/resolve.ts';

describe('reading what a file imports', () => {
  it.each([
    [
      'a.ts',
      "import { a } from './a.js';\nimport type B from '../b';\nexport * from './c';\nimport 'side';",
      ['./a.js', '../b', './c', 'side'],
    ],
    [
      'a.test.js',
      "const x = require('../x');\nconst y = await import(`./y.js`);\nvi.mock('./z.ts');",
      ['../x', './y.js', './z.ts'],
    ],
    [
      'a.py',
      'import os, app.models as m\nfrom .core import (\n  one, # first\n  two as second,\n)\nfrom .. import util\n',
      ['.core', '.core.one', '.core.two', '..', '..util', 'os', 'app.models'],
    ],
    [
      'a.go',
      'package a\n\nimport "fmt"\nimport (\n\t"os"\n\tx "example.org/acme/x"\n)\n\nfunc f() { g("not/an/import") }\n',
      ['fmt', 'os', 'example.org/acme/x'],
    ],
    [
      'A.java',
      'package a;\nimport org.acme.Money;\nimport static org.acme.Text.trim;\n',
      ['org.acme.Money', 'org.acme.Text'],
    ],
    ['a.c', '#include <stdio.h>\n#include "list/sum.h"\n', ['list/sum.h']],
    ['readme.md', "import x from './x'", []],
  ])('finds the imports of %s', (path, text, expected) => {
    expect(importsIn(path, text)).toEqual(expected);
  });

  it.each([
    ['a.ts', 'from '.repeat(50_000)],
    ['a.ts', `import${' '.repeat(250_000)}x`],
    ['a.py', '\n'.repeat(250_000)],
    ['a.py', 'from a import (\n'.repeat(15_000)],
    ['a.go', `import (\n${'x '.repeat(120_000)}`],
    ['A.java', `import ${'a.'.repeat(120_000)}`],
  ])('stays quick on hostile text in %s', (path, text) => {
    const startedAt = performance.now();

    importsIn(path, text);

    expect(performance.now() - startedAt).toBeLessThan(5_000);
  });
});

describe('finding the files that an import means', () => {
  const paths = [
    'go.mod',
    'internal/text/text.go',
    'internal/text/trim.go',
    'internal/text/text_test.go',
    'packages/core/package.json',
    'packages/core/src/index.ts',
    'packages/core/src/deep.ts',
    'py/app/__init__.py',
    'py/app/core.py',
    'py/app/models/user.py',
    'py/tests/test_core.py',
    'src/a.ts',
    'src/json.py',
    'src/lib/index.js',
    'src/view.tsx',
    'java/org/acme/Money.java',
    'c/list/sum.h',
    'c/main.c',
  ];
  const resolve = createResolver(paths, {
    script: new Map([['packages/core', '@acme/core']]),
    go: new Map([['', 'example.org/acme/widget']]),
  });

  it.each([
    ['test/a.test.ts', '../src/a.js', ['src/a.ts']],
    ['test/a.test.ts', '../src/a', ['src/a.ts']],
    ['test/a.test.ts', '../src/view.jsx', ['src/view.tsx']],
    ['src/a.ts', './lib', ['src/lib/index.js']],
    ['src/a.ts', '@/lib', ['src/lib/index.js']],
    ['src/a.ts', '@acme/core', ['packages/core/src/index.ts']],
    ['src/a.ts', '@acme/core/deep.js', ['packages/core/src/deep.ts']],
    ['src/a.ts', 'lodash/view', []],
    ['src/a.ts', '../../outside', []],
    ['py/app/core.py', '.models.user', ['py/app/models/user.py']],
    ['py/app/core.py', '.', ['py/app/__init__.py']],
    ['py/app/models/user.py', '..core', ['py/app/core.py']],
    ['py/tests/test_core.py', 'app.core', ['py/app/core.py']],
    ['py/tests/test_core.py', 'os', []],
    ['internal/x/x.go', 'example.org/acme/widget/internal/text', ['internal/text/text.go', 'internal/text/trim.go']],
    ['internal/x/x.go', 'example.org/other/internal/text', []],
    ['java/MoneyTest.java', 'org.acme.Money', ['java/org/acme/Money.java']],
    ['c/main.c', 'list/sum.h', ['c/list/sum.h']],
  ])('resolves in %s the import %s', (from, specifier, expected) => {
    expect(resolve(from, specifier)).toEqual(expected);
  });

  it('reads the names that manifests give', () => {
    expect(packageName('package.json', '{ "private": true, "name": "@acme/core" }')).toBe('@acme/core');
    expect(packageName('api/go.mod', '// widget\nmodule example.org/acme/widget\n\ngo 1.24\n')).toBe(
      'example.org/acme/widget',
    );
    expect(packageName('package.json', '{}')).toBeNull();
  });
});
