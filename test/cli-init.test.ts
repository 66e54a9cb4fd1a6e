import { once } from 'node:events';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseEnv } from 'node:util';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { readSettings } from '../src/settings.ts';
import { cli, startCli } from './support/cli.ts';
import { startGitHub } from './support/github-stand-in.ts';
import { until } from './support/until.ts';

let folder: string;
let host: Server;
let conversions: string[];
let answer: Record<string, unknown>;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'init-'));
  conversions = [];
  const github = await startGitHub();
  answer = {
    id: 4711,
    client_id: 'Iv1.client',
    client_secret: 'client-secret',
    webhook_secret: 'hook-secret',
    pem: github.privateKeyPem,
    html_url: 'http://host.example/apps/millwright',
  };
  await github.close();
  host = createServer((request, response) => {
    conversions.push(`${request.method} ${request.url}`);
    response.writeHead(201, { 'content-type': 'application/json' }).end(JSON.stringify(answer));
  });
  host.listen(0, '127.0.0.1');
  await once(host, 'listening');
});

afterEach(async () => {
  host.closeAllConnections();
  host.close();
  await rm(folder, { recursive: true, force: true });
});

const enterprise = () => ({ GHE_HOST: `127.0.0.1:${(host.address() as AddressInfo).port}`, GHE_PROTOCOL: 'http' });

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address() as AddressInfo;
  probe.close();
  return port;
}

/** The manifest that the page hands to GitHub, and where it hands it to. */
async function formOf(page: string): Promise<{ action: string; manifest: Record<string, unknown> }> {
  const html = await (await fetch(page)).text();
  const decoded = (text = '') => text.replaceAll('&quot;', '"').replaceAll('&#39;', "'").replaceAll('&amp;', '&');
  const action = decoded(/<form[^>]*action="([^"]*)"/.exec(html)?.[1]);
  const manifest = decoded(
    /name="manifest"[^>]*value='([^']*)'/.exec(html)?.[1] ?? /value="(\{[^"]*\})"/.exec(html)?.[1],
  );
  return { action, manifest: JSON.parse(manifest) as Record<string, unknown> };
}

it('registers the app through the page, with our manifest, on an Enterprise host and for an organisation, and writes the keys', async () => {
  const port = await freePort();
  writeFileSync(join(folder, '.env'), '# mine\nOPENAI_MODEL=other\nWEBHOOK_SECRET=old\n');
  const env = { ...enterprise(), HOST: '127.0.0.1', PORT: String(port), NODE_ENV: 'production' };
  const running = startCli(['init', '--url', 'https://mill.example.org/', '--org', 'acme'], { cwd: folder, env });
  await until(() => running.out().includes(`http://127.0.0.1:${port}`));

  const { action, manifest } = await formOf(`http://127.0.0.1:${port}/probot`);
  const back = await fetch(`http://127.0.0.1:${port}/probot/setup?code=abc123`, { redirect: 'manual' });
  const { code, out } = await running.ended;

  expect(action).toBe(`http://${env.GHE_HOST}/organizations/acme/settings/apps/new`);
  expect(manifest.callback_urls).toEqual(['https://mill.example.org/sign-in/callback']);
  expect(manifest).toMatchObject({
    name: 'Millwright',
    url: 'https://mill.example.org',
    public: false,
    redirect_url: `http://127.0.0.1:${port}/probot/setup`,
    hook_attributes: { url: 'https://mill.example.org/api/github/webhooks', active: true },
    default_permissions: { contents: 'write', checks: 'write', metadata: 'read' },
    default_events: expect.arrayContaining(['issues', 'issue_comment']),
  });
  expect(conversions).toEqual(['POST /api/v3/app-manifests/abc123/conversions']);
  expect(back.headers.get('location')).toBe('http://host.example/apps/millwright/installations/new');
  expect(code).toBe(0);
  expect(out).not.toContain('BEGIN');
  const file = join(folder, '.env');
  expect(readFileSync(file, 'utf8')).toMatch(/^# mine\nOPENAI_MODEL=other\nAPP_ID="4711"\n/);
  expect(statSync(file).mode & 0o777).toBe(0o600);
  const { app } = readSettings([], parseEnv(readFileSync(file, 'utf8')));
  expect(app).toEqual({ id: 4711, privateKey: (answer.pem as string).trim(), webhookSecret: 'hook-secret' });
});

it('registers without a public address too: the webhook is off, and gets a secret all the same', async () => {
  const port = await freePort();
  answer.webhook_secret = null;
  const env = { ...enterprise(), HOST: '127.0.0.1', PORT: String(port) };
  const running = startCli(['init', '--json'], { cwd: folder, env });
  await until(() => running.err().includes('Ctrl-C'));

  const { manifest } = await formOf(`http://127.0.0.1:${port}/probot`);
  await fetch(`http://127.0.0.1:${port}/probot/setup?code=abc`, { redirect: 'manual' });
  const { code, out } = await running.ended;
  expect(JSON.parse(out)).toEqual({ exitCode: 0, env: expect.stringMatching(/\/\.env$/), publicUrl: null });

  expect(manifest).not.toHaveProperty('callback_urls');
  expect(manifest.hook_attributes).toMatchObject({ active: false });
  expect(code).toBe(0);
  expect(readFileSync(join(folder, '.env'), 'utf8')).toMatch(/^WEBHOOK_SECRET="[0-9a-f]{48}"$/m);
});

it('names a port that is taken, and ends at once on Ctrl-C', async () => {
  const { port } = host.address() as AddressInfo;
  const taken = await cli(['init'], { cwd: folder, env: { HOST: '127.0.0.1', PORT: String(port) } });
  const env = { HOST: '127.0.0.1', PORT: String(await freePort()) };
  const running = startCli(['init'], { cwd: folder, env });
  await until(() => running.out().includes('Ctrl-C'));
  running.child.kill('SIGINT');
  const { code } = await running.ended;

  expect(taken.code).toBe(2);
  expect(taken.err).toMatch(new RegExp(`Port ${port} is in use: set PORT`));
  expect(code).toBe(130);
});

it.each([
  [{ APP_ID: '7' }, [], /registered already.*take APP_ID/],
  [{}, ['--url', 'mill.example.org'], /--url: .*https:\/\//],
  [{}, ['--org', '../x'], /--org/],
])('refuses %j %j, saying what to do', async (env, args, words) => {
  const { code, err } = await cli(['init', ...args], { cwd: folder, env });

  expect(code).toBe(2);
  expect(err).toMatch(words);
});
