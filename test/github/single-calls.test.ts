import { generateKeyPairSync } from 'node:crypto';
import nock from 'nock';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createGitHub } from '../../src/github/octokit-github.ts';

const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
const privateKeyPem = privateKey.export({ type: 'pkcs1', format: 'pem' }).toString();
const host = 'https://ghe.example.org';
let sleptMs: number[] = [];

function door() {
  // The clock moves only when the door waits: what it waited for can be read off.
  let nowMs = Date.parse('2026-11-22T12:00:00Z');
  const clock = {
    nowMs: () => nowMs,
    elapsedMs: () => nowMs,
    async sleep(durationMs: number) {
      sleptMs.push(durationMs);
      nowMs += durationMs;
    },
  };
  const github = createGitHub({
    appId: 1,
    privateKey: privateKeyPem,
    apiUrl: `${host}/api/v3`,
    clock,
    log: { warn() {} },
  });
  return github.repository({ installationId: 7, owner: 'acme', name: 'small' });
}

beforeEach(() => {
  sleptMs = [];
  nock.disableNetConnect();
  const expires = new Date(Date.now() + 3_600_000).toISOString();
  nock(host)
    .post('/api/v3/app/installations/7/access_tokens')
    .optionally()
    .times(3)
    .reply(201, { token: 't', expires_at: expires, permissions: {}, repository_selection: 'all' });
});

afterEach(() => {
  nock.cleanAll();
  nock.enableNetConnect();
});

const permission = '/api/v3/repos/acme/small/collaborators/maya/permission';

test.each([
  [{ admin: true, maintain: true, push: true, triage: true, pull: true }, 'admin'],
  [{ admin: false, maintain: true, push: true, triage: true, pull: true }, 'maintain'],
  [{ admin: false, maintain: false, push: true, triage: true, pull: true }, 'write'],
  [{ admin: false, maintain: false, push: false, triage: true, pull: true }, 'triage'],
  [{ admin: false, maintain: false, push: false, triage: false, pull: true }, 'read'],
  [{ admin: false, maintain: false, push: false, triage: false, pull: false }, 'none'],
] as const)('permissions %j are the role %s, whatever the old field says', async (permissions, role) => {
  nock(host)
    .get(permission)
    .reply(200, { permission: 'admin', role_name: 'admin', user: { login: 'maya', permissions } });

  expect(await door().roleOf('maya')).toBe(role);
});

test('a person whom GitHub does not know has no role', async () => {
  nock(host).get(permission).reply(404, { message: 'Not Found' });

  expect(await door().roleOf('maya')).toBe('none');
});

test('after 429 no call goes out before the time that GitHub named', async () => {
  nock(host).get(permission).reply(429, { message: 'slow down' }, { 'retry-after': '7' });
  nock(host).get(permission).reply(200, { permission: 'read', user: null });

  expect(await door().roleOf('maya')).toBe('read');
  expect(sleptMs.reduce((sum, ms) => sum + ms, 0)).toBeGreaterThanOrEqual(7_000);
});

test('a longer wait than a worker may sit out goes back to the queue with the time', async () => {
  nock(host)
    .get(permission)
    .reply(403, { message: 'You have exceeded a secondary rate limit' }, { 'retry-after': '120' });

  await expect(door().roleOf('maya')).rejects.toMatchObject({ code: 'outside.github', retryAfterMs: 120_000 });
  expect(sleptMs).toEqual([]);
});
