import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { startGitHub } from '../support/github-stand-in.ts';
import { oauth, openWeb } from '../support/web.ts';
import { setScene } from './dashboard-scene.ts';
import type { Shot } from './photographer.ts';

/** Pages of a dashboard that is served while `use` takes its pictures. */
export async function withDashboardShots<T>(use: (shots: Shot[]) => Promise<T>): Promise<T> {
  const github = await startGitHub({ users: { maya: 'maintain' } });
  for (const name of ['acme/shop', 'acme/ledger', 'acme/docs']) await github.createRepository(name);
  const web = await openWeb(github, oauth);
  const server = createServer((request, response) => void web.dashboard.handler(request, response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  try {
    const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const { ended, live, waiting } = await setScene(web);
    const cookie = await web.signIn('maya');
    const page = (path: string) => ({ url: `${origin}${path}`, cookie });
    const pages: Shot[] = [
      { name: 'dashboard-list', page: page('/'), inReadme: true },
      { name: 'dashboard-run', page: page(`/runs/${ended.id}`), inReadme: true },
      { name: 'dashboard-live', page: page(`/runs/${live.id}`) },
      { name: 'dashboard-waiting', page: page(`/runs/${waiting.id}`) },
      { name: 'dashboard-trends', page: page('/trends'), inReadme: true },
      { name: 'dashboard-lessons', page: page('/lessons'), inReadme: true },
      { name: 'dashboard-sign-in', page: { url: `${origin}/sign-in` } },
      { name: 'dashboard-empty', page: page('/?q=nowhere') },
    ];
    const looks = pages.flatMap((shot): Shot[] => [
      { ...shot, width: 1180 },
      { ...shot, name: `${shot.name}-dark`, width: 1180, dark: true, inReadme: false },
      { ...shot, name: `${shot.name}-narrow`, width: 390, inReadme: false },
    ]);
    return await use(looks);
  } finally {
    server.closeAllConnections();
    server.close();
    await web[Symbol.asyncDispose]();
    await github.close();
  }
}
