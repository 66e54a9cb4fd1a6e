import { plain } from './escape.ts';
import type { CommitMessageInput } from './facts.ts';

/** Longest subject that git's own tools show whole. */
const subjectChars = 72;
const itemChars = 200;
const itemLimit = 20;

/** Message of the commit that the app makes: title and body from the contract, trailers that are the app's own. */
export function commitMessage(input: CommitMessageInput): string {
  const { contract } = input;
  const subject = plain(input.issueTitle, subjectChars) || plain(contract.goal, subjectChars) || 'Change by contract';
  const criteria = contract.criteria.slice(0, itemLimit).map(({ id, text }) => `- ${id}: ${plain(text, itemChars)}`);
  const more = contract.criteria.length > itemLimit ? [`- and ${contract.criteria.length - itemLimit} more`] : [];
  const trailers = [
    `Contract: ${plain(input.revision, 80)}`,
    `Run: ${input.link === null ? plain(input.run, 80) : address(input.link, input.run)}`,
  ];
  const body = [
    `Goal: ${plain(contract.goal, 600)}`,
    ...(criteria.length === 0 ? [] : [['Acceptance criteria:', ...criteria, ...more].join('\n')]),
    ...(input.issue === null ? [] : [`For issue ${input.issue}.`]),
  ];
  return `${[subject, ...body, trailers.join('\n')].join('\n\n')}\n`;
}

/** The app's own address; anything odd in it, and the run's name stands instead. */
function address(url: string, run: string): string {
  return /^https?:\/\/[\w.:[\]-]+\/[\w./?=&%-]*$/.test(url) ? url : plain(run, 80);
}
