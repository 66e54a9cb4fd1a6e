import type { IncomingMessage, ServerResponse } from 'node:http';
import { createEmulator, type Emulator } from 'emulate';
import { type Account, botLogin, type State } from './state.ts';

export interface OauthApp {
  clientId: string;
  clientSecret: string;
  redirectUris: string[];
}

export interface OauthEmulator {
  /** Forwards one request of the web sign-in flow. */
  serve: (request: IncomingMessage, response: ServerResponse, body: Buffer) => Promise<void>;
  close: () => Promise<void>;
}

/**
 * The web sign-in flow (`/login/oauth/...`), service descriptions and limits, answered by the emulator of GitHub in
 * npm `emulate`. It is started when first asked, with the people known then; a token that it gives out becomes a user token here.
 */
export function createOauthEmulator(state: State, oauthApp: OauthApp | null): OauthEmulator {
  let running: { emulator: Emulator; people: string } | null = null;

  const start = async (): Promise<Emulator> => {
    const isPerson = (known: Account): boolean => known.type === 'User' && known.login !== botLogin(state);
    const logins = [...state.accounts.values()].filter(isPerson).map((known) => known.login);
    if (running?.people === logins.join()) return running.emulator;
    await running?.emulator.close();
    const oauth_apps = oauthApp
      ? [
          {
            client_id: oauthApp.clientId,
            client_secret: oauthApp.clientSecret,
            name: state.app.name,
            redirect_uris: oauthApp.redirectUris,
          },
        ]
      : [];
    const seed = { github: { users: logins.map((login) => ({ login })), oauth_apps } };
    const emulator = await createEmulator({ service: 'github', port: 0, seed });
    running = { emulator, people: logins.join() };
    return emulator;
  };

  return {
    serve: async (request, response, body) => {
      const emulator = await start();
      const headers = new Headers();
      for (const name of ['accept', 'content-type', 'cookie', 'authorization']) {
        const value = request.headers[name];
        if (typeof value === 'string') headers.set(name, value);
      }
      const answer = await fetch(`${emulator.url}${request.url?.replace(/^\/api\/v3/, '')}`, {
        method: request.method ?? 'GET',
        headers,
        redirect: 'manual',
        ...(body.length > 0 ? { body: new Uint8Array(body) } : {}),
      });
      const text = await answer.text();
      if (request.url?.startsWith('/login/oauth/access_token')) await adoptToken(state, emulator.url, text);
      for (const name of ['content-type', 'location', 'set-cookie']) {
        const value = answer.headers.get(name);
        if (value !== null) response.setHeader(name, value);
      }
      response.writeHead(answer.status).end(text);
    },
    close: async () => {
      await running?.emulator.close();
    },
  };
}

/** Asks the emulator whose token it has just given out. */
async function adoptToken(state: State, url: string, answer: string): Promise<void> {
  const token = /(gho_[\w-]+)/.exec(answer)?.[1];
  if (token === undefined) return;
  const response = await fetch(`${url}/user`, { headers: { authorization: `Bearer ${token}` } });
  const { login } = (await response.json()) as { login?: string };
  if (response.ok && login) state.userTokens.set(token, login);
}
