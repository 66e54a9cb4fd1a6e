import { MillwrightError } from '../errors.ts';
import type { Remote } from './git.ts';
import type { GitCall, GitCommand, GitResult } from './git-command.ts';
import { type RemoteAddress, readAddress } from './remote-address.ts';

/** Runs in `sh`, a constant: git asks it for the password after a 401, and it answers from its environment. */
const credentialHelper = `!f() { test "$1" = get && printf 'username=x-access-token\\npassword=%s\\n' "$MILLWRIGHT_GIT_TOKEN"; }; f`;

/**
 * On a local repository our walls have to be repeated, since git clears the settings of the other side: no hook, no command of
 * its settings, no checkout. Constants, run by `sh`. The folder was named by whoever runs the app, so its owner does not matter.
 */
const localWalls = [
  'safe.directory=*',
  'core.hooksPath=/dev/null',
  'core.fsmonitor=false',
  'core.alternateRefsCommand=true',
  'receive.denyCurrentBranch=refuse',
  'receive.autogc=false',
  // Searching for deltas costs many times what it saves where nothing goes over a wire.
  'pack.window=0',
]
  .map((setting) => `-c '${setting}'`)
  .join(' ');
export const localPrograms = {
  uploadPack: `--upload-pack=git ${localWalls} upload-pack`,
  receivePack: `--receive-pack=git ${localWalls} receive-pack`,
};

/**
 * Runs git against a remote; `args` gets the address to use. The token is kept out of argument lists, files and errors.
 * A token that is refused is replaced once. A redirect on the same origin (a renamed repository) is followed once; any other ends as the failure that it is.
 */
export async function callRemote(
  command: GitCommand,
  remote: Remote,
  call: Omit<GitCall, 'args'> & { args: (address: RemoteAddress) => readonly string[] },
): Promise<GitResult> {
  const address = readAddress(remote.url);
  const tokenOf = address.kind === 'http' ? remote.token : null;
  let token = await tokenOf?.();
  const attempt = async (to: RemoteAddress): Promise<GitResult> => {
    const result = await command.run({ ...call, ...access(call, to, token), args: call.args(to) });
    return { ...result, stderr: scrubbed(result.stderr, token) };
  };

  let result = await attempt(address);
  // One that was revoked since it was made: another is asked for, once.
  if (result.exitCode !== 0 && tokenOf && unauthorised.test(result.stderr)) {
    token = await tokenOf(true);
    result = await attempt(address);
  }
  if (address.kind !== 'http' || result.exitCode === 0 || !/returned error: 30[12378]/.test(result.stderr))
    return result;
  const moved = await redirectTarget(command, address, access(call, address, token), call.signal);
  return moved ? await attempt(moved) : result;
}

function access(
  call: Pick<GitCall, 'env' | 'config'>,
  address: RemoteAddress,
  token: string | undefined,
): Pick<GitCall, 'env' | 'config'> {
  const env: Record<string, string> = { ...call.env, GIT_ALLOW_PROTOCOL: address.transport };
  if (address.kind !== 'http' || token === undefined) return { ...call, env };
  env.MILLWRIGHT_GIT_TOKEN = token;
  return { env, config: [...(call.config ?? []), [`credential.${address.origin}.helper`, credentialHelper]] };
}

/** Where the server says that the repository is now, if that is on the same origin. git itself knows only "follow" or "do not". */
async function redirectTarget(
  command: GitCommand,
  address: RemoteAddress & { kind: 'http' },
  options: Pick<GitCall, 'env' | 'config'>,
  signal: AbortSignal | undefined,
): Promise<RemoteAddress | undefined> {
  const traced = await command.run({
    ...options,
    args: ['ls-remote', '--heads', address.url],
    env: { ...options.env, GIT_TRACE_CURL: '1', GIT_TRACE_CURL_NO_DATA: '1', GIT_TRACE_REDACT: '1' },
    timeoutMs: 60_000,
    ...(signal ? { signal } : {}),
  });
  const location = /<= Recv header: location: (\S+)/i.exec(traced.stderr)?.[1];
  if (!location || !URL.canParse(location, address.url)) return undefined;
  const target = new URL(location, address.url);
  const root = /^(.*)\/info\/refs$/.exec(target.pathname)?.[1];
  if (target.origin !== address.origin || target.username !== '' || root === undefined) return undefined;
  return readAddress(target.origin + root);
}

const unauthorised =
  /returned error: 401|Authentication failed|could not read (?:Username|Password)|Invalid username or/i;

/** GitHub says in a line of its own why it forbids something; a bare 403 is a limit, or somebody in between. */
const forbidden = (stderr: string) => /returned error: 403/.test(stderr) && /^remote: (?!.*rate limit)/im.test(stderr);

/** What a failed call against a remote means. */
export function remoteFailure(what: string, result: GitResult): MillwrightError {
  const message = `${what} failed (${result.exitCode}): ${brief(result.stderr)}`;
  if (forbidden(result.stderr) && /archived/i.test(result.stderr))
    return new MillwrightError('outside.repository-archived', { message });
  if (unauthorised.test(result.stderr) || forbidden(result.stderr))
    return new MillwrightError('outside.github-refused', { message });
  if (
    /returned error: (?:404|410)|repository '.*' not found|Repository not found|does not appear to be a git repository/i.test(
      result.stderr,
    )
  ) {
    return new MillwrightError('outside.repository-gone', { message });
  }
  return new MillwrightError('outside.git', { message });
}

/** The end of what git said, on one line, without control characters. */
export function brief(stderr: string): string {
  return stderr
    .replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, ' ')
    .trim()
    .slice(-1_500);
}

function scrubbed(text: string, token: string | undefined): string {
  const bare = text.replace(/(https?:\/\/)[^\s/@]+@/g, '$1');
  if (!token) return bare;
  const forms = [token, encodeURIComponent(token), Buffer.from(`x-access-token:${token}`).toString('base64')];
  return forms.reduce((rest, form) => rest.replaceAll(form, '***'), bare);
}
