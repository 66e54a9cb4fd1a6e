import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Doors } from '../../src/doors.ts';
import { type Service, startService } from '../../src/serve.ts';
import { readSettings, type Settings } from '../../src/settings.ts';
import { openDoors } from '../../src/wiring.ts';
import type { GitHubStandIn } from './github-stand-in.ts';
import type { ModelStandIn } from './model-stand-in.ts';

export interface Factory extends AsyncDisposable {
  settings: Settings;
  doors: Doors;
  service: Service;
  dataDir: string;
}

/** The environment of an app that talks to the stand-ins. */
export function environmentFor(
  github: GitHubStandIn,
  model: Pick<ModelStandIn, 'apiKey' | 'url'>,
  dataDir: string,
): Record<string, string> {
  return {
    APP_ID: String(github.appId),
    PRIVATE_KEY: github.privateKeyPem,
    WEBHOOK_SECRET: github.webhookSecret,
    GHE_HOST: github.host,
    GHE_PROTOCOL: 'http',
    HOST: '127.0.0.1',
    PORT: '0',
    LOG_LEVEL: process.env.TEST_LOG_LEVEL ?? 'fatal',
    OPENAI_API_KEY: model.apiKey,
    OPENAI_BASE_URL: model.url,
    OPENAI_MODEL: 'scripted',
    DATA_DIR: dataDir,
    DOCKER_HOST: process.env.DOCKER_HOST ?? '',
    PATH: process.env.PATH ?? '',
  };
}

/**
 * The real service in this process: real store, git, Docker and HTTP; only GitHub and the model are stand-ins, and the doors
 * that `replace` names.
 */
export async function startFactory(
  github: GitHubStandIn,
  model: ModelStandIn,
  options: { dataDir?: string; env?: Record<string, string>; replace?: (doors: Doors) => Partial<Doors> } = {},
): Promise<Factory> {
  const dataDir = options.dataDir ?? (await mkdtemp(join(tmpdir(), 'factory-')));
  const settings = readSettings(['app', 'model'], { ...environmentFor(github, model, dataDir), ...options.env });
  const opened = await openDoors(settings);
  const doors = { ...opened, ...options.replace?.(opened) };
  const service = await startService(settings, doors, { web: true, runs: true });
  github.setWebhookUrl(`http://127.0.0.1:${service.app?.port}/api/github/webhooks`);
  return {
    settings,
    doors,
    service,
    dataDir,
    async [Symbol.asyncDispose]() {
      await service.stop();
      if (options.dataDir === undefined) await rm(dataDir, { recursive: true, force: true });
    },
  };
}
