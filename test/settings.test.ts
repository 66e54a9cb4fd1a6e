import { generateKeyPairSync } from 'node:crypto';
import { expect, test } from 'vitest';
import { readSettings, SettingsError } from '../src/settings.ts';

const { privateKey: pem } = generateKeyPairSync('rsa', {
  modulusLength: 2048,
  publicKeyEncoding: { type: 'spki', format: 'pem' },
  privateKeyEncoding: { type: 'pkcs1', format: 'pem' },
});
const complete = { APP_ID: '1', PRIVATE_KEY: pem, WEBHOOK_SECRET: 'a secret', OPENAI_API_KEY: 'sk-1' };

function problemsOf(env: Record<string, string>, needs: ('app' | 'model')[] = ['app', 'model']): readonly string[] {
  try {
    readSettings(needs, env);
  } catch (error) {
    if (error instanceof SettingsError) return error.problems;
    throw error;
  }
  return [];
}

test('a complete environment has no problem, and has the defaults', () => {
  const settings = readSettings(['app', 'model'], complete);

  expect(settings.apiUrl).toBe('https://api.github.com');
  expect(settings.environment.PORT).toBe(3000);
  expect(settings.environment.RECONCILE_MINUTES).toBe(5);
});

test('everything that is missing or malformed is said in one message', () => {
  const env: Record<string, string> = {
    PRIVATE_KEY: 'not a key',
    GHE_HOST: 'https://github.example.com/',
    PORT: '70000',
    LOG_LEVEL: 'loud',
    WORKER_CONCURRENCY: 'two',
    RECONCILE_MINUTES: '-1',
    DATABASE_URL: 'mysql://db',
    MILLWRIGHT_URL: 'nowhere',
    METRICS_TOKEN: 'short',
  };

  const problems = problemsOf(env);

  const named = [
    'GHE_HOST',
    'PORT',
    'LOG_LEVEL',
    'WORKER_CONCURRENCY',
    'RECONCILE_MINUTES',
    'DATABASE_URL',
    'MILLWRIGHT_URL',
    'METRICS_TOKEN',
    'PRIVATE_KEY',
    'APP_ID',
    'WEBHOOK_SECRET',
    'OPENAI_API_KEY',
  ];
  expect(problems.map((problem) => /^[A-Z_]+/.exec(problem)?.[0]).sort()).toEqual(named.sort());
  expect(() => readSettings(['app', 'model'], env as NodeJS.ProcessEnv)).toThrow(/12 problems:\n {2}- /);
});

test('an empty variable counts as unset', () => {
  const settings = readSettings(['app', 'model'], {
    ...complete,
    GHE_HOST: '',
    PORT: '',
    DATABASE_URL: '',
    DOCKER_HOST: '',
  });

  expect(settings.githubHost).toBe('github.com');
  expect(settings.environment.PORT).toBe(3000);
  expect(settings.environment.DATABASE_URL).toBeUndefined();
});

test.each([
  { how: 'as PEM', key: pem },
  { how: 'with \\n for line ends', key: pem.replaceAll('\n', '\\n') },
  { how: 'as base64', key: Buffer.from(pem).toString('base64') },
])('the private key is taken $how', ({ key }) => {
  const settings = readSettings(['app'], { ...complete, PRIVATE_KEY: key });

  expect(settings.app?.privateKey.trim()).toBe(pem.trim());
});

test('a key file that cannot be read is named', () => {
  const { PRIVATE_KEY: _unused, ...rest } = complete;

  expect(problemsOf({ ...rest, PRIVATE_KEY_PATH: '/nowhere/key.pem' })).toEqual([
    expect.stringContaining('/nowhere/key.pem cannot be read (ENOENT)'),
  ]);
});

test('in production the secret that everybody knows is refused', () => {
  expect(problemsOf({ ...complete, NODE_ENV: 'production', WEBHOOK_SECRET: 'development' })).toEqual([
    expect.stringContaining('WEBHOOK_SECRET'),
  ]);
});

test('a command that needs neither app nor model asks for neither', () => {
  expect(problemsOf({}, [])).toEqual([]);
});

test('all addresses follow GHE_HOST', () => {
  const settings = readSettings(['app'], { ...complete, GHE_HOST: 'github.example.com:8443', GHE_PROTOCOL: 'http' });

  expect(settings.apiUrl).toBe('http://github.example.com:8443/api/v3');
  expect(settings.githubUrl).toBe('http://github.example.com:8443');
  expect(settings.githubHost).toBe('github.example.com:8443');
});

test('values that a contract may name are known by their names', () => {
  const settings = readSettings([], { MILLWRIGHT_SECRET_STAGING_TOKEN: 'hush', MILLWRIGHT_SECRET_EMPTY: '' });

  expect(settings.secrets).toEqual({ STAGING_TOKEN: 'hush' });
});
