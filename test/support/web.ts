import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Doors } from '../../src/doors.ts';
import { endRun, enqueueRun } from '../../src/engine/runs.ts';
import type { Run, RunRequest, RunState } from '../../src/run.ts';
import { readSettings } from '../../src/settings.ts';
import { createDashboard, type Dashboard } from '../../src/web/dashboard.tsx';
import type { Peer } from '../../src/web/node-bridge.ts';
import { openDoors } from '../../src/wiring.ts';
import { FolderEngine } from '../doubles/sandbox-engine.ts';
import { environmentFor } from './factory.ts';
import type { GitHubStandIn } from './github-stand-in.ts';
import { newRun, request } from './new-run.ts';

export const oauth = { GITHUB_CLIENT_ID: 'Iv1.dashboard', GITHUB_CLIENT_SECRET: 'the-secret-of-the-client' };
const here: Peer = { address: '127.0.0.1', forwarded: false };

/** The dashboard on real doors, without a server: requests go in, responses come out. */
export interface Web extends AsyncDisposable {
  doors: Doors;
  dashboard: Dashboard;
  /** A request of somebody at this machine, unless `peer` says otherwise. Redirects are not followed. */
  ask(path: string, init?: RequestInit & { peer?: Partial<Peer>; cookie?: string; host?: string }): Promise<Response>;
  /** The cookie of whoever opened the one-time link. */
  operator(): Promise<string>;
  /** The cookie of somebody who signed in with GitHub. */
  signIn(login: string): Promise<string>;
  /** A run of an issue, queued, or ended in another state. */
  run(
    issue: number,
    more?: { slug?: string; state?: RunState; code?: string; request?: Partial<RunRequest> },
  ): Promise<Run>;
  /** Keeps a step's result as the pipeline would. */
  save(run: Run, name: string, value: unknown): Promise<void>;
}

export async function openWeb(github: GitHubStandIn, env: Record<string, string> = {}): Promise<Web> {
  const dataDir = await mkdtemp(join(tmpdir(), 'web-'));
  const model = { apiKey: 'unused', url: 'http://127.0.0.1:9/v1' };
  const settings = readSettings(['app', 'model'], { ...environmentFor(github, model, dataDir), ...env });
  const doors: Doors = { ...(await openDoors(settings)), sandbox: new FolderEngine() };
  const dashboard = createDashboard(doors, { secret: settings.oauth?.clientSecret });

  const ask: Web['ask'] = async (path, { peer, cookie, host = 'localhost:3000', ...init } = {}) => {
    const headers = new Headers(init.headers);
    headers.set('host', host);
    if (cookie) headers.set('cookie', cookie);
    return dashboard.app.fetch(new Request(`http://${host}${path}`, { ...init, headers }), {
      peer: { ...here, ...peer },
    });
  };

  return {
    doors,
    dashboard,
    ask,
    operator: async () => cookieOf(await ask(dashboard.newLink() ?? '')),
    async signIn(login) {
      const begun = await ask('/sign-in/github');
      const answer = await approveAs(github, login, begun.headers.get('location') ?? '');
      const callback = new URL(answer);
      return cookieOf(await ask(`${callback.pathname}${callback.search}`, { cookie: cookieOf(begun) }));
    },
    async run(issue, { slug = 'acme/shop', state = 'queued', code = state, request: asked = {} } = {}) {
      const [owner = '', name = ''] = slug.split('/');
      const repository = `${doors.host.githubHost}/${slug}`;
      const installationId = github.installationId;
      const more = { repository, owner, name, installationId, request: { ...request, ...asked } };
      const { run } = await enqueueRun(doors.db, newRun(issue, slug, more));
      const outcome = { code, text: `It is ${code}.`, question: null, detail: null };
      if (state !== 'queued' && state !== 'running') await endRun(doors.db, run.id, state, outcome);
      return run;
    },
    async save(run, name, value) {
      await doors.db.run(
        `INSERT INTO stages (run_id, attempt, name, output, saved_at_ms) VALUES ($1, 1, $2, $3, ${doors.db.nowMs})`,
        run.id,
        name,
        JSON.stringify({ value }),
      );
    },
    async [Symbol.asyncDispose]() {
      dashboard.close();
      await doors.db.close();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}

/** What the person does on GitHub's page; returns where GitHub leads them. */
export async function approveAs(github: GitHubStandIn, login: string, address: string): Promise<string> {
  const asked = new URL(address).searchParams;
  const form = new URLSearchParams({ login, scope: '' });
  for (const name of ['redirect_uri', 'state', 'client_id']) form.set(name, asked.get(name) ?? '');
  const response = await fetch(`${github.url}/login/oauth/callback`, {
    method: 'POST',
    body: form,
    redirect: 'manual',
  });
  return response.headers.get('location') ?? '';
}

/** What a browser would send back. */
export function cookieOf(response: Response): string {
  return response.headers
    .getSetCookie()
    .map((line) => line.split(';')[0] ?? '')
    .filter((pair) => !pair.endsWith('='))
    .join('; ');
}

/** The token in the forms of a page. */
export function csrfOf(html: string): string {
  return /name="csrf" value="([^"]+)"/.exec(html)?.[1] ?? '';
}
