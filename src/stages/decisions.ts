import type { Attempt } from '../attempt.ts';
import { referencesIn } from '../contract/values.ts';
import { threadText } from './threads.ts';

const decisionChars = 8_000;

/**
 * Issues and pull requests of this repository that the contract names (`#12`, `GH-12`, or their addresses on this host), with
 * what was said there. Text counts only if author and last editor may command (SPEC §6).
 */
export async function readDecisions(
  attempt: Pick<Attempt, 'contract' | 'github' | 'walls' | 'ref' | 'repository'>,
): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  const { decisions, files, tests, docs } = attempt.contract.context;
  for (const reference of new Set([...decisions.flatMap(referencesIn), ...files, ...tests, ...docs])) {
    const number = issueNumber(reference, attempt);
    if (number === null) continue;
    const text = await threadText(number, attempt);
    if (text !== null) found.set(reference, text.slice(0, decisionChars).toWellFormed());
  }
  return found;
}

/** Addresses count on this host alone: the same path elsewhere is somebody else's repository. */
function issueNumber(reference: string, { ref, repository }: Pick<Attempt, 'ref' | 'repository'>): number | null {
  const own = `${ref.owner}/${ref.name}`.toLowerCase();
  const short = /^(?:([\w.-]+\/[\w.-]+)?#|GH-)(\d{1,9})$/i.exec(reference);
  if (short) return short[1] === undefined || short[1].toLowerCase() === own ? Number(short[2]) : null;
  const url = /^https?:/i.test(reference) ? URL.parse(reference) : null;
  if (url?.host.toLowerCase() !== repository.split('/')[0]) return null;
  const place = /^\/([\w.-]+\/[\w.-]+)\/(?:issues|pull)\/(\d{1,9})(?:\/|$)/.exec(url?.pathname ?? '');
  return place?.[1]?.toLowerCase() === own ? Number(place[2]) : null;
}
