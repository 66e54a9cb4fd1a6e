import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createAdministering } from './github/administering.ts';
import { mintInstallationToken, mintUserToken } from './github/auth.ts';
import { createFaults } from './github/faults.ts';
import { createFront } from './github/front.ts';
import { createInstalling } from './github/installing.ts';
import { createOauthEmulator, type OauthApp } from './github/oauth-emulator.ts';
import { createPeople } from './github/people.ts';
import { account, nextInstallation, type State, timestamp } from './github/state.ts';
import { createWebhooks } from './github/webhooks.ts';
import type { World } from './github/world.ts';

/** What `app.yml` asks for. */
const PERMISSIONS: Record<string, string> = {
  metadata: 'read',
  contents: 'write',
  issues: 'write',
  pull_requests: 'write',
  checks: 'write',
  statuses: 'read',
};

export interface GitHubOptions {
  /** The account that the app is installed for at the start. */
  owner?: string;
  /** People and their role in every repository, unless a repository says otherwise. */
  users?: Record<string, 'none' | 'read' | 'triage' | 'write' | 'maintain' | 'admin'>;
  permissions?: Record<string, string>;
  /** Events that the app is subscribed to; all when left out. Installation events always come. */
  events?: string[];
  webhookSecret?: string;
  webhookUrl?: string;
  slug?: string;
  /** Whether the app is told of what it did itself, as on GitHub; on by default. */
  ownEvents?: boolean;
  /** Whether commits that the app makes through the API are signed, as on GitHub; on by default. */
  signsCommits?: boolean;
  /** The app's web sign-in; any client is accepted when left out. */
  oauth?: OauthApp;
}

export type GitHubStandIn = Awaited<ReturnType<typeof startGitHub>>;

/**
 * GitHub on a loopback port, for tests and the demo: REST and GraphQL at `/api/v3` and `/api/graphql` (as on GitHub
 * Enterprise Server), git at `/OWNER/REPO.git`, web sign-in at `/login/oauth`. Branches, commits and files live in real
 * bare repositories only, so REST and git cannot disagree; conversations, checks and the app's own face are answered here
 * as GitHub documents them, because the emulator of npm `emulate` can add neither people nor repositories after its start,
 * lets anybody label, lists no pull requests among issues and knows neither reactions nor edits nor redelivery; it answers
 * the sign-in flow. Long because it lists what tests and the demo may use.
 */
export async function startGitHub(options: GitHubOptions = {}) {
  const root = await mkdtemp(path.join(tmpdir(), 'github-stand-in-'));
  const state = createState(options);
  const webhooks = createWebhooks(state);
  webhooks.setUrl(options.webhookUrl ?? null);
  const world: World = { state, webhooks, ownEvents: options.ownEvents ?? true };
  const faults = createFaults();
  const oauth = createOauthEmulator(state, options.oauth ?? null);
  const front = createFront({ world, faults, oauth, projectRoot: root });
  front.server.listen(0, '127.0.0.1');
  await once(front.server, 'listening');
  const { port } = front.server.address() as AddressInfo;
  state.origin = `http://127.0.0.1:${port}`;
  const [installation] = state.installations.values();
  let skewMs = 0;
  let stoppedAtMs: number | null = null;
  state.now = () => stoppedAtMs ?? Date.now() + skewMs;

  return {
    url: state.origin,
    apiUrl: `${state.origin}/api/v3`,
    /** The value of `GHE_HOST`; `GHE_PROTOCOL` is `http`. */
    host: `127.0.0.1:${port}`,
    port,
    appId: state.app.id,
    botLogin: `${state.app.slug}[bot]`,
    privateKeyPem: state.app.privateKeyPem,
    webhookSecret: state.app.webhookSecret,
    installationId: installation?.id ?? 0,
    state,
    ...createPeople(world, root),
    ...createInstalling(world),
    ...createAdministering(world, root),
    setWebhookUrl: webhooks.setUrl,
    dropWebhooks: webhooks.drop,
    deliveries: webhooks.deliveries,
    redeliver: webhooks.redeliver,
    settled: webhooks.settled,
    setOwnEvents: (on: boolean): void => {
      world.ownEvents = on;
    },
    /** Whether commits that the app makes through the API are signed from now on. */
    signCommits: (on: boolean): void => {
      state.signsCommits = on;
    },
    fault: faults.place,
    requests: front.requests,
    clearRequests: front.clearRequests,
    /** Calls that the stand-in does not know, and its own errors: a test that passes with some proves little. */
    unhandled: front.unhandled,
    /** A personal token, to call the API as a person. */
    userToken: (login: string): string => mintUserToken(state, account(state, login).login),
    /** An installation token without asking for it through the API. */
    installationToken: (scope: { repositories?: string[]; permissions?: Record<string, string> } = {}): string =>
      mintInstallationToken(state, {
        installation: installation?.id ?? 0,
        repositories: scope.repositories?.map((name) => state.repositories.get(name.toLowerCase())?.id ?? 0) ?? null,
        permissions: scope.permissions ?? state.app.permissions,
        lifetimeMs: 3_600_000,
      }).token,
    /** Lets everything from now on happen in one moment of GitHub's clock. */
    stopClock: (): void => {
      stoppedAtMs = Date.now() + skewMs;
    },
    /** Moves GitHub's clock: its times have whole seconds, so edits in one second look like no edit. */
    advanceClock: (byMs: number): void => {
      skewMs += byMs;
      if (stoppedAtMs !== null) stoppedAtMs += byMs;
    },
    async close(): Promise<void> {
      front.server.close();
      front.server.closeAllConnections();
      await oauth.close();
      await rm(root, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

/** One for all stand-ins of a process: making it takes longer than many a test. */
let keyOfApp: { privateKey: string; publicKey: string } | null = null;

function createState(options: GitHubOptions): State {
  keyOfApp ??= generateKeyPairSync('rsa', {
    modulusLength: 2048,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs1', format: 'pem' },
  });
  let lastId = 1000;
  const state: State = {
    app: {
      id: 4242,
      slug: options.slug ?? 'millwright',
      name: 'Millwright',
      privateKeyPem: keyOfApp.privateKey,
      publicKeyPem: keyOfApp.publicKey,
      webhookSecret: options.webhookSecret ?? 'a-webhook-secret-of-the-stand-in',
      permissions: { ...(options.permissions ?? PERMISSIONS) },
      events: options.events ?? null,
    },
    origin: 'http://127.0.0.1',
    now: Date.now,
    accounts: new Map(),
    defaultRoles: new Map(),
    repositories: new Map(),
    moved: new Map(),
    installations: new Map(),
    installationTokens: new Map(),
    userTokens: new Map(),
    nextId: () => ++lastId,
    signsCommits: options.signsCommits ?? true,
  };
  account(state, `${state.app.slug}[bot]`);
  const owner = options.owner ?? 'acme';
  account(state, owner, 'Organization');
  for (const [login, role] of Object.entries(options.users ?? {})) {
    account(state, login);
    state.defaultRoles.set(login.toLowerCase(), role);
  }
  const id = nextInstallation();
  state.installations.set(id, {
    id,
    account: owner,
    selection: 'selected',
    repositories: new Set(),
    permissions: { ...state.app.permissions },
    suspendedAt: null,
    createdAt: timestamp(state),
  });
  return state;
}
