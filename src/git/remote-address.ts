import { isAbsolute } from 'node:path';
import { fileURLToPath } from 'node:url';
import { MillwrightError } from '../errors.ts';

/** An address that git may be given: nothing that names a program, a host alias or a credential. */
export type RemoteAddress =
  | { kind: 'http'; url: string; origin: string; transport: 'http' | 'https' }
  | { kind: 'local'; url: string; transport: 'file' };

/** Reads a clone address. Only http, https and absolute local paths pass; `ext::`, ssh and option-like texts do not. */
export function readAddress(url: string): RemoteAddress {
  if (isAbsolute(url) && !url.includes('\0')) return { kind: 'local', url, transport: 'file' };
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  if (parsed?.protocol === 'file:' && parsed.host === '') {
    return { kind: 'local', url: fileURLToPath(parsed), transport: 'file' };
  }
  const transport = parsed?.protocol.slice(0, -1);
  if (parsed === undefined || (transport !== 'http' && transport !== 'https')) {
    throw new MillwrightError('outside.git', { message: 'a remote address must be http, https or an absolute path' });
  }
  if (parsed.username !== '' || parsed.password !== '') {
    throw new MillwrightError('outside.git', { message: 'a remote address must not hold credentials' });
  }
  return { kind: 'http', url: parsed.href, origin: parsed.origin, transport };
}

// git-check-ref-format, without the parts that `refs/heads/` in front makes impossible.
const badBranch = /^$|^\/|\/$|\/\/|\.\.|@\{|[\p{Cc} ~^:?*[\\]|(?:^|\/)\.|\.(?:$|\/)|\.lock(?:$|\/)/u;

/** The full ref of a branch; throws for a name that git would not take. */
export function branchRef(branch: string): string {
  if (badBranch.test(branch)) {
    throw new MillwrightError('outside.git', { message: `not a branch name: ${JSON.stringify(branch.slice(0, 200))}` });
  }
  return `refs/heads/${branch}`;
}

/** Whether the text is a full object name. */
export function isSha(text: string): boolean {
  return /^[0-9a-f]{40}$/.test(text);
}
