import { lintSource } from '@secretlint/core';
import { creator } from '@secretlint/secretlint-rule-preset-recommend';
import type { FileLines } from './changed-lines.ts';
import type { Mask } from './mask.ts';
import type { Objection } from './outcomes.ts';
import { isTestPath } from './test-paths.ts';

const preset = '@secretlint/secretlint-rule-preset-recommend';

/**
 * Objects to secrets in the lines that the patch adds: known shapes, and the exact values that the run was given. Says where and what kind,
 * never the value.
 */
export async function judgeSecrets(lines: ReadonlyMap<string, FileLines>, mask: Mask): Promise<Objection[]> {
  const objections: Objection[] = [];
  for (const [path, { added }] of lines) {
    if (added.length === 0) continue;
    const found = [
      ...(await knownShapes(
        path,
        added.map(({ text }) => text),
      )),
      ...exactValues(added, mask),
    ];
    for (const { index, kind } of found.slice(0, 5)) {
      const line = added[index]?.line ?? 1;
      objections.push({
        gate: 'secret',
        name: 'secret',
        message: `${kind} in line ${line}. The value is not shown.`,
        paths: [path],
      });
    }
  }
  return objections;
}

interface Found {
  /** Of the added line. */
  index: number;
  kind: string;
}

async function knownShapes(path: string, lines: readonly string[]): Promise<Found[]> {
  // The linter obeys comments that switch it off; those of a patch do not count.
  const content = lines.join('\n').replace(/secretlint-(?=disable|enable)/g, 'secretlint_');
  const result = await lintSource({
    source: { content, filePath: path, ext: /\.[^./]+$/.exec(path)?.[0] ?? '', contentType: 'text' },
    options: {
      noPhysicFilePath: true,
      maskSecrets: true,
      config: { rules: [{ id: preset, rule: creator, rules: [] }] },
    },
  });
  return result.messages
    .filter((message) => !isPlaceholder(path, message.ruleId, content.slice(...message.range)))
    .map((message) => ({
      index: message.loc.start.line - 1,
      kind: `Something that looks like a secret (${message.messageId.slice(0, 60)})`,
    }));
}

/** Addresses with a user and a password are mostly examples; a finding that nobody can waive must not be about `user:pass@example.org`. */
function isPlaceholder(path: string, rule: string, found: string): boolean {
  if (!/basicauth|database-connection-string/.test(rule)) return false;
  return (
    isTestPath(path) ||
    /\.(?:md|rst|txt|adoc)$/i.test(path) ||
    /@(?:localhost|127\.|\[?::1|0\.0\.0\.0|[\w.-]*example\.|[\w.-]+\.(?:test|invalid|local|example)\b|db\b|postgres\b|host\b)/i.test(
      found,
    ) ||
    /:(?:\$|<|\{|%|pass|pwd|secret|xxx|\*\*\*|changeme|user|postgres|root|admin|token)/i.test(
      found.replace(/^\w+:\/\//, ''),
    )
  );
}

function exactValues(added: FileLines['added'], mask: Mask): Found[] {
  const kind = 'A secret that the run was given';
  const found = added.flatMap(({ text }, index) => (mask(text) === text ? [] : [{ index, kind }]));
  if (found.length > 0) return found;
  const whole = added.map(({ text }) => text).join('\n');
  const masked = mask(whole);
  if (masked === whole) return [];
  // One that stands over several lines is named by that in which it begins.
  let before = 0;
  while (whole[before] === masked[before]) before += 1;
  return [{ index: whole.slice(0, before).split('\n').length - 1, kind }];
}
