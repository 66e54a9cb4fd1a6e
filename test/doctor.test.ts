import { generateKeyPairSync } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Finding } from '../src/doctor/finding.ts';
import { checkNode } from '../src/doctor/machine.ts';
import { readManifest } from '../src/doctor/manifest.ts';
import { judgeClock, judgeRegistration, judgeWebhook } from '../src/doctor/registration.ts';
import type { AppFacts } from '../src/github/app-facts.ts';
import { cli } from './support/cli.ts';
import { environmentFor } from './support/factory.ts';
import { type GitHubOptions, type GitHubStandIn, startGitHub } from './support/github-stand-in.ts';
import { startMcp } from './support/mcp-server.ts';
import { type ModelOptions, type ModelStandIn, startModel } from './support/model-stand-in.ts';
import { smallRepository } from './support/scripted.ts';

const manifest = readManifest();
const webhookUrl = 'https://millwright.example.org/api/github/webhooks';
let folder: string;
let github: GitHubStandIn;
let model: ModelStandIn;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'doctor-'));
});

afterEach(async () => {
  await github?.close();
  await model?.close();
  await rm(folder, { recursive: true, force: true });
});

interface Told {
  code: number | null;
  ok: boolean;
  findings: Finding[];
  all: string;
  found: (name: string) => Finding | undefined;
}

async function doctor(env: Record<string, string>): Promise<Told> {
  const { code, out, err } = await cli(['doctor', '--json'], { cwd: folder, env });
  const { ok, findings } = JSON.parse(out) as { ok: boolean; findings: Finding[] };
  return { code, ok, findings, all: out + err, found: (name) => findings.find((finding) => finding.name === name) };
}

async function surroundings(
  options: { github?: GitHubOptions; model?: ModelOptions } = {},
): Promise<Record<string, string>> {
  github = await startGitHub({
    permissions: { ...manifest.permissions },
    events: [...manifest.events],
    ...options.github,
  });
  github.setWebhookUrl(webhookUrl);
  model = await startModel([], { models: ['stand-in', 'scripted'], ...options.model });
  return {
    ...environmentFor(github, model, join(folder, 'data')),
    MILLWRIGHT_URL: 'https://millwright.example.org',
    METRICS_TOKEN: 'a-token-for-metrics',
  };
}

/** No engine: what is not about containers is looked at faster. */
const withoutEngine = () => ({ DOCKER_HOST: `unix://${folder}/nobody.sock` });

describe('the doctor', () => {
  it('finds nothing where everything is in order, having tried each wall from within a container', {
    timeout: 120_000,
  }, async () => {
    const env = await surroundings();
    await github.createRepository('acme/small', { files: smallRepository });

    const { code, ok, findings, found } = await doctor(env);

    expect(findings.filter(({ state }) => state === 'failed' || state === 'warning')).toEqual([]);
    expect({ code, ok }).toEqual({ code: 0, ok: true });
    const walls = ['user', 'capabilities', 'network', 'memory limit', 'process limit', 'output limit', 'time limit'];
    for (const name of ['node', 'environment', 'store', 'docker', ...walls, 'egress wall', 'clock', 'github key'])
      expect(found(name)?.state, name).toBe('ok');
    expect(found('model')).toMatchObject({ state: 'ok', found: expect.stringMatching(/lists scripted/) });
    expect(found('webhook')?.found).toContain(webhookUrl);
    expect(found('repository policies')?.found).toMatch(/^1 repositories/);
  });

  it('looks at what there is when nothing is set, names each missing part with its fix, and does not fall over', {
    timeout: 120_000,
  }, async () => {
    const { code, ok, found, findings } = await doctor({
      ...withoutEngine(),
      GHE_HOST: '127.0.0.1:9',
      GHE_PROTOCOL: 'http',
    });

    expect({ code, ok }).toEqual({ code: 1, ok: false });
    const environment = findings.filter(({ name }) => name === 'environment').map((finding) => finding.found);
    for (const name of ['APP_ID', 'PRIVATE_KEY', 'WEBHOOK_SECRET', 'OPENAI_API_KEY'])
      expect(
        environment.some((text) => text.startsWith(name)),
        name,
      ).toBe(true);
    expect(found('docker')).toMatchObject({ state: 'failed', fix: expect.stringMatching(/DOCKER_HOST/) });
    expect(found('github')).toMatchObject({ state: 'failed', fix: expect.stringMatching(/GHE_HOST/) });
    for (const name of ['walls', 'egress wall', 'github key', 'model'])
      expect(found(name)?.state, name).toBe('skipped');
    expect(found('store')?.state).toBe('ok');
    for (const finding of findings) expect(finding.fix === null, finding.name).toBe(finding.state !== 'failed');
  });

  it('connects to each MCP server of the operator ceiling, holds its tools against the grants, and prints no credential', {
    timeout: 120_000,
  }, async () => {
    const env = await surroundings();
    await using server = await startMcp();
    const servers = [
      `docs: { url: "${server.url}", headers: { Authorization: "Bearer \${DOCS}" }, tools: [search, read] }`,
      `half: { url: "${server.url}", tools: [search, gone] }`,
      'away: { url: "http://127.0.0.1:2/mcp", headers: { X-Api-Key: "k3y-in-the-file" }, tools: [search] }',
      `bare: { url: "${server.url}", headers: { X-Api-Key: "\${NOT_SET}" }, tools: [search] }`,
    ];
    writeFileSync(join(folder, 'ceiling.yml'), `mcp:\n${servers.map((line) => `  ${line}\n`).join('')}`);

    const told = await doctor({
      ...env,
      ...withoutEngine(),
      MILLWRIGHT_POLICY: join(folder, 'ceiling.yml'),
      MILLWRIGHT_SECRET_DOCS: 'k3y-of-docs',
    });

    expect(told.found('MCP server docs')).toMatchObject({
      state: 'ok',
      found: 'answers, and offers the 2 granted of 3 tools',
    });
    expect(told.found('MCP server half')).toMatchObject({ state: 'warning', found: expect.stringMatching(/gone/) });
    expect(told.found('MCP server away')).toMatchObject({
      state: 'failed',
      found: expect.stringMatching(/away.*ECONNREFUSED/),
    });
    expect(told.found('MCP server bare')).toMatchObject({
      state: 'failed',
      found: expect.stringMatching(/MILLWRIGHT_SECRET_NOT_SET/),
    });
    expect(server.requests.some(({ headers }) => headers.authorization === 'Bearer k3y-of-docs')).toBe(true);
    expect(told.all).not.toMatch(/k3y-/);
  });

  it('finds a wrong key, an unreadable policy, a model that is not there and a port that is none, and prints no secret', {
    timeout: 120_000,
  }, async () => {
    const env = await surroundings({ model: { models: ['other'] } });
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const wrong = privateKey.export({ type: 'pkcs1', format: 'pem' }).toString();
    writeFileSync(join(folder, 'ceiling.yml'), 'limits: { minutes: soon }\n');

    const told = await doctor({
      ...env,
      ...withoutEngine(),
      PRIVATE_KEY: wrong,
      PORT: 'harbour',
      MILLWRIGHT_POLICY: join(folder, 'ceiling.yml'),
      OPENAI_MODEL: 'absent',
      MILLWRIGHT_SECRET_STAGING: 'value-of-a-secret',
    });

    expect(told.code).toBe(1);
    expect(told.found('environment')).toMatchObject({ state: 'failed', found: expect.stringMatching(/^PORT/) });
    expect(told.found('github key')).toMatchObject({ state: 'failed', fix: expect.stringMatching(/PRIVATE_KEY/) });
    expect(told.found('operator policy')).toMatchObject({
      state: 'failed',
      found: expect.stringMatching(/ceiling\.yml:1/),
    });
    expect(told.found('model')?.state).toBe('failed');
    const secrets = [
      wrong.split('\n')[1],
      model.apiKey,
      github.webhookSecret,
      'a-token-for-metrics',
      'value-of-a-secret',
    ];
    for (const secret of secrets) expect(told.all).not.toContain(secret);
  });

  it('finds a refused model key, a missing permission and event, a bad policy in a repository, and a data folder that is none', {
    timeout: 120_000,
  }, async () => {
    const permissions = { ...manifest.permissions, checks: 'read' };
    const env = await surroundings({ github: { permissions, events: ['issues'] } });
    const files = { ...smallRepository, '.github/millwright.yml': 'limit: { minutes: 5 }\n' };
    await github.createRepository('acme/small', { files });
    mkdirSync(join(folder, 'file'));
    writeFileSync(join(folder, 'file', 'data'), '');

    const told = await doctor({
      ...env,
      ...withoutEngine(),
      OPENAI_API_KEY: 'sk-not-the-right-one',
      DATA_DIR: join(folder, 'file', 'data'),
    });

    expect(told.found('store')).toMatchObject({ state: 'failed', fix: expect.stringMatching(/DATA_DIR/) });
    expect(told.found('model')).toMatchObject({ state: 'failed', found: expect.stringMatching(/refuses the key/) });
    expect(told.found('app permissions')?.found).toBe('missing: checks: write');
    expect(told.found('app events')?.found).toMatch(/issue_comment/);
    expect(told.found('policy of acme/small')?.found).toMatch(/millwright\.yml:1: .*Did you mean `limits`/);
    expect(told.all).not.toContain('sk-not-the-right-one');
  });

  it('tells a person in lines, with an arrow before what to do', async () => {
    const { code, out } = await cli(['doctor'], {
      cwd: folder,
      env: { ...withoutEngine(), GHE_HOST: '127.0.0.1:9', GHE_PROTOCOL: 'http' },
    });

    expect(code).toBe(1);
    expect(out).toMatch(/^ok {4}node: Node v\d+/m);
    expect(out).toMatch(/^FAIL {2}docker: .*\n {6}→ Start the Docker engine/m);
    expect(out).toMatch(/\d+ to mend, 0 to look at\.\n$/);
  });
});

describe('a judgement', () => {
  const page = 'https://github.com/apps/millwright';
  const app: AppFacts = {
    slug: 'millwright',
    permissions: manifest.permissions,
    events: manifest.events,
    installations: [{ account: 'acme', suspended: false, permissions: manifest.permissions, events: manifest.events }],
    webhook: { url: webhookUrl, deliveries: [] },
  };
  const states = (findings: readonly Finding[]) => findings.map(({ name, state }) => `${name}: ${state}`);

  it.each([
    ['v24.0.0', 'ok'],
    ['v26.1.0', 'ok'],
    ['v22.22.0', 'failed'],
  ])('of Node %s is %s', (version, state) => {
    expect(checkNode(version).state).toBe(state);
  });

  it.each([
    [0, 'ok'],
    [-29_000, 'ok'],
    [61_000, 'failed'],
    [-61_000, 'failed'],
    [null, 'warning'],
  ])('of a clock that is %s ms ahead is %s', (aheadMs, state) => {
    expect(judgeClock(aheadMs).state).toBe(state);
  });

  it('of a registration is about each installation too: what the app got later waits there to be accepted', () => {
    const { checks: _checks, ...fewer } = manifest.permissions;
    const acme = { account: 'acme', suspended: false, permissions: fewer, events: manifest.events };
    const idle = { account: 'idle', suspended: true, permissions: {}, events: [] };
    const greedy = { ...app, permissions: { ...manifest.permissions, workflows: 'write' } };

    expect(states(judgeRegistration({ ...app, installations: [acme, idle] }, manifest, page))).toEqual([
      'github key: ok',
      'app: ok',
      'installation acme permissions: failed',
      'installation idle: warning',
    ]);
    expect(states(judgeRegistration({ ...greedy, installations: [] }, manifest, page))).toEqual([
      'github key: ok',
      'app permissions: warning',
      'installations: warning',
    ]);
  });

  it('of a webhook holds its address against the public one, and looks at the last delivery', () => {
    const own = 'https://millwright.example.org/';
    const refused = { status: 502, atMs: 0, event: 'issues' };
    const taken = { status: 200, atMs: 0, event: 'issues' };
    const judged = (webhook: AppFacts['webhook'], url: string | null = own) =>
      states(judgeWebhook({ ...app, webhook }, url, page));

    expect(judged({ url: webhookUrl, deliveries: [taken, refused] })).toEqual(['webhook: ok', 'deliveries: ok']);
    expect(judged({ url: webhookUrl, deliveries: [refused] }, null)).toEqual(['webhook: ok', 'deliveries: warning']);
    expect(judged({ url: 'https://smee.example.org/x', deliveries: [] })).toEqual(['webhook: warning']);
    expect(judged({ url: '', deliveries: [] })).toEqual(['webhook: failed']);
    expect(judged(null)).toEqual(['webhook: warning']);
  });
});
