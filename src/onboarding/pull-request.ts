import { startLabel } from '../labels.ts';
import { cell, code } from '../report/escape.ts';
import type { Detected } from './detect.ts';

export const onboardingTitle = 'Set up Millwright';

const about: Readonly<Record<string, string>> = {
  '.github/ISSUE_TEMPLATE/agent-task.yml': 'the issue form: goal, acceptance criteria, scope and limits of one task',
  '.github/millwright.yml':
    'the policy: what agents may change and run here, and the checks that each change has to pass',
};

export function onboardingMessage(files: readonly string[]): string {
  return `${onboardingTitle}\n\nAdds ${files.join(' and ')}, filled in from what the repository holds.\n`;
}

/** What the pull request adds, what was found and what to do next. */
export function onboardingBody(found: Detected, files: readonly string[]): string {
  const added = files.map((path) => `- ${code(path)}: ${about[path] ?? 'set up'}`);
  const withPolicy = files.includes('.github/millwright.yml');
  return [
    'Nothing happens in this repository before someone asks for it. This pull request adds what is needed to ask:',
    added.join('\n'),
    ...(withPolicy ? ['## What was found', ...whatWasFound(found)] : []),
    '## What to do',
    [
      withPolicy
        ? '1. Read the policy and correct it on this branch: it is a first guess from the files that are here.'
        : '1. Read the form and change it where your tasks need other words; the labels of its fields stay as they are.',
      '2. Merge. Close it instead if you do not want it: it is not opened again.',
      `3. Open an issue with the form *Agent task* and put the label ${code(startLabel)} on it. Who may do so is in the policy (${code('roles.start')}).`,
    ].join('\n'),
  ].join('\n\n');
}

function whatWasFound({ toolchains, checks, setup, allow, lacks }: Detected): string[] {
  if (checks.length === 0)
    return [
      'No command was found that tests, lints or builds. Name at least one under `checks`: what cannot be checked is not done.',
    ];
  const rows = checks.map(
    ({ kind, command, from }) => `| ${code(kind, 'cell')} | ${code(command, 'cell')} | ${cell(from)} |`,
  );
  const tools = toolchains.map(({ name, folder }) => (folder === '' ? name : `${name} in ${code(folder)}`)).join(', ');
  return [
    `${tools}.`,
    ['| Check | Command | Found in |', '| --- | --- | --- |', ...rows].join('\n'),
    ...(setup === null ? [] : [`Set-up: ${code(setup.command)}`]),
    allow.length === 0
      ? 'No usual folder of sources was found: name the files that may change under `files.allow`, or in each issue.'
      : `Files that may change: ${allow.map((glob) => code(glob)).join(', ')}`,
    ...(lacks.length === 0
      ? []
      : [`The default sandbox image has no ${lacks.join(', no ')}: name an image that has under ${code('image')}.`]),
  ];
}
