import { code } from './escape.ts';
import type { ChangedFile, MergeFacts, PullRequestInput, RevertStep } from './facts.ts';
import { type Block, fixed, listVariants } from './join-within.ts';
import { few } from './phrases.ts';

/** Files whose change a revert of the code does not undo by itself, and what to do about them. */
const lasting: readonly { pattern: RegExp; note: string }[] = [
  {
    pattern: /(?:^|\/)(?:migrations?|alembic|flyway|liquibase)\/|(?:^|\/)schema\.(?:sql|rb|prisma)$|\.sql$/i,
    note: 'Data: a migration that has run is not undone by a revert; apply its down migration first',
  },
  {
    pattern:
      /(?:^|\/)(?:package-lock\.json|npm-shrinkwrap\.json|yarn\.lock|pnpm-lock\.yaml|bun\.lockb?|poetry\.lock|uv\.lock|Pipfile\.lock|Cargo\.lock|go\.sum|Gemfile\.lock|composer\.lock|package\.json|requirements[^/]*\.txt|pyproject\.toml|go\.mod|Cargo\.toml)$/,
    note: 'Dependencies: install again after the revert',
  },
  {
    pattern:
      /(?:^|\/)(?:config|settings|deploy|helm|k8s|terraform)\/|Dockerfile|compose\.ya?ml$|(?:^|\/)\.env|\.(?:ya?ml|toml|ini|properties)$/i,
    note: 'Configuration: deploy it again after the revert, and look for values that were set because of it',
  },
  {
    pattern:
      /(?:^|\/)(?:dist|build|generated|__generated__|gen)\/|\.(?:generated|pb)\.|_pb2?\.|\.min\.(?:js|css)$|\.snap$/,
    note: 'Generated files: generate them again after the revert',
  },
];

/** The smallest rollback: now, after each form of merge, and whether it was tried. */
export function rollbackBlocks(input: PullRequestInput): Block[] {
  return [
    fixed(input.merged === null ? beforeMerge(input) : mergedRollback(input.merged)),
    { importance: 72, variants: listVariants([tried(input), ...lastingNotes(input.changes)]) },
  ];
}

function beforeMerge(input: PullRequestInput): string {
  return [
    'Now, on the branch:',
    shell(revertCommands(input.reverts)),
    'After the merge, by its form (filled in here once merged), or `/rollback` as a comment:',
    shell([
      'git revert -m 1 MERGE_COMMIT             # merge commit',
      'git revert SQUASH_COMMIT                 # squash',
      'git revert --no-edit FIRST^..LAST        # rebase',
    ]),
  ].join('\n\n');
}

export function revertCommands(steps: readonly RevertStep[]): string[] {
  return steps.map((step) =>
    'merge' in step
      ? `git revert --no-edit -m ${step.mainline} ${sha(step.merge)}`
      : `git revert --no-edit ${sha(step.from)}..${sha(step.to)}`,
  );
}

/** What undoes the merge, by its form. Begins with `Merged`: by that it is known to be filled in. */
export function mergedRollback(merged: MergeFacts): string {
  switch (merged.form) {
    case 'merge':
      return told('merge commit', `git revert -m 1 ${sha(merged.commit)}`);
    case 'squash':
      return told('one commit', `git revert --no-edit ${sha(merged.commit)}`);
    case 'rebase':
      return told('rebase', `git revert --no-edit ${sha(merged.first)}^..${sha(merged.last)}`);
    case 'unclear':
      return `Merged by hand (${code(sha(merged.commit))}), together with something else: what it brought alone cannot be told, so look before you revert.`;
  }
}

function told(form: string, command: string): string {
  return [`Merged (${form}). To undo it, or \`/rollback\` as a comment:`, shell([command])].join('\n\n');
}

function shell(lines: readonly string[]): string {
  return ['```sh', ...lines, '```'].join('\n');
}

/** A commit's name and nothing else ever stands in a command that a person copies. */
function sha(commit: string): string {
  return /^[0-9a-f]{7,64}$/.test(commit) ? commit : 'UNKNOWN';
}

function tried(input: PullRequestInput): string {
  const { rollbackTried } = input.verdict;
  if (rollbackTried === null) return 'Reverting was not tried.';
  return rollbackTried.ok
    ? 'Tried: reverting `base..head` gives exactly the tree of base.'
    : `Tried: reverting does not give the tree of base: ${code(rollbackTried.note, 'text', 300)}`;
}

/** What a revert of the changed files does not undo by itself, as finished lines. */
export function lastingNotes(changes: readonly ChangedFile[]): string[] {
  return lasting.flatMap(({ pattern, note }) => {
    const paths = changes.map((file) => file.path).filter((path) => pattern.test(path));
    if (paths.length === 0) return [];
    return [`${note} (${few(paths.map((path) => code(path, 'text', 120)))}).`];
  });
}
