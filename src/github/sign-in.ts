import { Octokit } from '@octokit/rest';
import { z } from 'zod';
import { MillwrightError } from '../errors.ts';
import type { SignIn } from './github.ts';
import { statusOf } from './octokit-client.ts';
import { roleFrom } from './roles.ts';

const timeoutMs = 10_000;

const answer = z.object({ access_token: z.string().optional(), error: z.string().optional() });

/** The web flow of the app's OAuth client, on the configured host alone. */
export function createSignIn(
  client: { clientId: string; clientSecret: string; githubUrl: string },
  apiUrl: string,
): SignIn {
  const as = (token: string) =>
    new Octokit({
      auth: token,
      baseUrl: apiUrl,
      userAgent: 'millwright',
      log: { debug() {}, info() {}, warn() {}, error() {} },
    });

  return {
    address({ redirectUri, state, challenge }) {
      const url = new URL(`${client.githubUrl}/login/oauth/authorize`);
      url.searchParams.set('client_id', client.clientId);
      url.searchParams.set('redirect_uri', redirectUri);
      url.searchParams.set('state', state);
      // A host that knows no PKCE leaves these two alone.
      url.searchParams.set('code_challenge', challenge);
      url.searchParams.set('code_challenge_method', 'S256');
      return url.href;
    },
    async exchange({ code, redirectUri, verifier }) {
      const response = await send(`${client.githubUrl}/login/oauth/access_token`, {
        client_id: client.clientId,
        client_secret: client.clientSecret,
        code,
        redirect_uri: redirectUri,
        code_verifier: verifier,
      });
      const { access_token, error } = answer.safeParse(response).data ?? {};
      if (error === 'incorrect_client_credentials') {
        throw new MillwrightError('outside.github-refused', {
          message: 'GitHub does not know GITHUB_CLIENT_ID with this GITHUB_CLIENT_SECRET.',
        });
      }
      return access_token ?? null;
    },
    async loginOf(token) {
      return await unlessOver(async (request) => (await as(token).users.getAuthenticated({ request })).data.login);
    },
    async roleIn(token, { owner, name }, id) {
      return await unlessOver(async (request) => {
        try {
          const { data } = await as(token).repos.get({ owner, repo: name, request });
          if (id !== null && data.id !== id) return 'none';
          const flags = data.permissions;
          const role = flags ? roleFrom({ permission: 'none', user: { permissions: flags } }) : 'none';
          // It was shown: it can be read, by everybody where the flags say nothing.
          return role === 'none' ? 'read' : role;
        } catch (error) {
          const status = statusOf(error);
          if (status === 404 || status === 403 || status === 410 || status === 451) return 'none';
          throw error;
        }
      });
    },
  };
}

/** Null when GitHub no longer takes the token. */
async function unlessOver<T>(ask: (request: { signal: AbortSignal }) => Promise<T>): Promise<T | null> {
  try {
    return await ask({ signal: AbortSignal.timeout(timeoutMs) });
  } catch (error) {
    const status = statusOf(error);
    if (status === 401) return null;
    throw new MillwrightError('outside.github', {
      message: `GitHub did not say what a person may see (${status ?? 'no answer'}).`,
      cause: error,
    });
  }
}

async function send(url: string, form: Record<string, string>): Promise<unknown> {
  try {
    const response = await fetch(url, {
      method: 'POST',
      headers: { accept: 'application/json', 'user-agent': 'millwright' },
      body: new URLSearchParams(form),
      signal: AbortSignal.timeout(timeoutMs),
    });
    if (!response.ok) throw new Error(`GitHub answered ${response.status}`);
    return await response.json();
  } catch (error) {
    throw new MillwrightError('outside.github', { message: 'GitHub did not exchange the sign-in code.', cause: error });
  }
}
