import { describe, expect, it } from 'vitest';
import { changedLines } from '../../src/verification/changed-lines.ts';
import { createMask } from '../../src/verification/mask.ts';
import { judgeSecrets } from '../../src/verification/secrets.ts';

describe('secrets in a diff', () => {
  const judged = (path: string, lines: string[]) =>
    judgeSecrets(
      changedLines(
        ['--- a/x', `+++ b/${path}`, `@@ -0,0 +1,${lines.length} @@`, ...lines.map((line) => `+${line}`)].join('\n'),
      ),
      (text) => text.replaceAll('hunter2!', '***'),
    );
  const token = `ghp_${'wWPw5k4aXcaT4fNP0UcnZwJUVFk6LO0pINUx'}`;

  it('are named by place and kind, never by value, and no comment switches the search off', async () => {
    const objections = await judged('src/a.js', [
      '// secretlint-disable',
      `const t = '${token}';`,
      "const p = 'hunter2!';",
    ]);

    expect(objections.map(({ message }) => message)).toEqual([
      'Something that looks like a secret (GITHUB_TOKEN) in line 2. The value is not shown.',
      'A secret that the run was given in line 3. The value is not shown.',
    ]);
    expect(JSON.stringify(objections)).not.toContain(token);
  });

  it('are seen where the value that the run was given stands over several lines', async () => {
    const value = 'Ab/Cd+0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWX';
    const lines = [
      '{',
      ...(Buffer.from(value)
        .toString('base64')
        .match(/.{1,30}/g) ?? []),
      '}',
    ];
    const diff = ['--- a/x', '+++ b/x', '@@ -0,0 +1,9 @@', ...lines.map((line) => `+${line}`)].join('\n');

    const objections = await judgeSecrets(changedLines(diff), createMask({ TOKEN: value }));

    expect(objections.map(({ message }) => message)).toEqual([
      'A secret that the run was given in line 2. The value is not shown.',
    ]);
  });

  it('are not seen in example addresses, since nobody could waive them', async () => {
    expect(await judged('test/a.test.js', ["fetch('https://ada:lovelace99@real-host.com/x')"])).toEqual([]);
    expect(await judged('src/a.js', ["fetch('https://user:pass@example.org/x')"])).toEqual([]);
    expect(await judged('src/a.js', ["fetch('https://ada:lovelace99@real-host.com/x')"])).toHaveLength(1);
  });
});
