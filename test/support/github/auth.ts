import { createPublicKey, randomBytes, verify } from 'node:crypto';
import { type InstallationToken, installationOf, type Repository, type State } from './state.ts';

export type Identity =
  | { kind: 'none' }
  | { kind: 'invalid' }
  | { kind: 'app' }
  | { kind: 'user'; login: string }
  | {
      kind: 'installation';
      installation: number;
      permissions: Record<string, string>;
      reaches: (repository: Repository) => boolean;
    };

/** GitHub refuses tokens that live longer than ten minutes; a minute of clock drift is forgiven. */
const MAX_JWT_S = 600;
const DRIFT_S = 60;

function json(part: string | undefined): Record<string, unknown> {
  try {
    return JSON.parse(Buffer.from(part ?? '', 'base64url').toString('utf8')) as Record<string, unknown>;
  } catch {
    return {};
  }
}

function isAppJwt(state: State, token: string): boolean {
  const [head, claims, signature] = token.split('.');
  const { iss, iat, exp } = json(claims);
  const nowS = Date.now() / 1000;
  if (json(head).alg !== 'RS256' || String(iss) !== String(state.app.id)) return false;
  if (typeof exp !== 'number' || typeof iat !== 'number') return false;
  if (exp <= nowS || iat > nowS + DRIFT_S || exp - nowS > MAX_JWT_S + DRIFT_S) return false;
  const key = createPublicKey(state.app.publicKeyPem);
  return verify('RSA-SHA256', Buffer.from(`${head}.${claims}`), key, Buffer.from(signature ?? '', 'base64url'));
}

function installationIdentity(state: State, token: InstallationToken): Identity {
  const installation = state.installations.get(token.installation);
  if (!installation || installation.suspendedAt || token.expiresAtMs <= state.now()) return { kind: 'invalid' };
  return {
    kind: 'installation',
    installation: installation.id,
    permissions: token.permissions,
    // Access follows the installation as it is now: a repository taken away is lost to tokens made before.
    reaches: (repository) =>
      installationOf(state, repository)?.id === installation.id &&
      (token.repositories === null || token.repositories.includes(repository.id)),
  };
}

export function identifyToken(state: State, token: string): Identity {
  const installationToken = state.installationTokens.get(token);
  if (installationToken) return installationIdentity(state, installationToken);
  const login = state.userTokens.get(token);
  if (login) return { kind: 'user', login };
  if (token.split('.').length === 3 && isAppJwt(state, token)) return { kind: 'app' };
  return { kind: 'invalid' };
}

/** Reads `Authorization: Bearer|token …` and Basic (`x-access-token:TOKEN`, as git sends it). */
export function identify(state: State, authorization: string | undefined): Identity {
  if (!authorization) return { kind: 'none' };
  const [scheme = '', value = ''] = authorization.split(/ +/, 2);
  if (/^(bearer|token)$/i.test(scheme)) return identifyToken(state, value);
  if (!/^basic$/i.test(scheme)) return { kind: 'invalid' };
  const [user = '', password = ''] = Buffer.from(value, 'base64').toString('utf8').split(/:(.*)/s);
  return identifyToken(state, password === '' || password === 'x-oauth-basic' ? user : password);
}

export function mintInstallationToken(
  state: State,
  scope: {
    installation: number;
    repositories: number[] | null;
    permissions: Record<string, string>;
    lifetimeMs: number;
  },
): InstallationToken {
  const { lifetimeMs, ...rest } = scope;
  const minted = { ...rest, token: `ghs_${randomBytes(18).toString('hex')}`, expiresAtMs: state.now() + lifetimeMs };
  state.installationTokens.set(minted.token, minted);
  return minted;
}

export function mintUserToken(state: State, login: string): string {
  const token = `ghp_${randomBytes(18).toString('hex')}`;
  state.userTokens.set(token, login);
  return token;
}
