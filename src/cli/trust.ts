import { repositoryKey } from '../doors.ts';
import { trust } from '../engine/repositories.ts';
import { withStore } from './runs.ts';
import { CallError, line, processTerminal as terminal } from './terminal.ts';

/** 0, or 1 when no repository of that name is known here. */
export function trustName(given: string, asJson: boolean): Promise<number> {
  const [owner = '', name = '', more] = given.split('/');
  if (owner === '' || name === '' || more !== undefined)
    throw new CallError(`Expected OWNER/NAME, such as acme/shop, not ${line(given, 80)}.`);
  return withStore(async (db, { githubHost }) => {
    const known = await trust(db, repositoryKey(githubHost, { owner, name }));
    if (asJson) terminal.out(JSON.stringify({ repository: given, trusted: known }));
    else if (known)
      terminal.out(`What the operator ceiling grants to ${given} counts for the repository that has the name now.`);
    else terminal.err(`The app has not heard of a repository ${line(given, 80)} yet.`);
    return known ? 0 : 1;
  });
}
