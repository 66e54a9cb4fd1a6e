import { join } from 'node:path';
import { type DestinationStream, type Logger, type LoggerOptions, pino } from 'pino';
import { systemClock } from './clock.ts';
import { givesWorkflowsFree } from './contract/globs.ts';
import type { PolicyLayer } from './contract/policy.ts';
import type { Doors } from './doors.ts';
import { installationName } from './engine/installation.ts';
import { createGit } from './git/create-git.ts';
import type { Git } from './git/git.ts';
import type { GitHub } from './github/github.ts';
import { createLocalGitHub, type LocalGitHubOptions } from './github/local-github.ts';
import type { GitHubConnection } from './github/octokit-client.ts';
import { createGitHub } from './github/octokit-github.ts';
import { createHttpMcp } from './mcp/http-mcp.ts';
import type { Mcp } from './mcp/mcp.ts';
import { countAnswers, meteredModel, meteredSandbox } from './metered-doors.ts';
import { createOpenAiModel } from './model/openai-model.ts';
import { instanceIn, openStore } from './open-store.ts';
import { readOperatorPolicy } from './operator-policy.ts';
import { connectDocker, parseDockerHost } from './sandbox/docker-client.ts';
import { createDockerEngine } from './sandbox/docker-sandbox.ts';
import type { CanaryOutcome } from './sandbox/egress.ts';
import { createEgressWall } from './sandbox/egress-wall.ts';
import type { EngineStatus, SandboxEngine } from './sandbox/sandbox.ts';
import { type Settings, SettingsError } from './settings.ts';
import { Tally } from './tally.ts';
import { createMask } from './verification/mask.ts';

const statusKeptMs = 3_000;

/** Opens every door with its real implementation. The only place that chooses. */
export async function openDoors(settings: Settings): Promise<Doors> {
  const { environment } = settings;
  const log = createLog(settings);
  const db = await openStore(settings);
  if (settings.app === null)
    throw new SettingsError(['APP_ID, PRIVATE_KEY and WEBHOOK_SECRET are needed for this command.']);
  const tally = new Tally();
  const { name: modelName, ...openAi } = settings.model;
  const instance =
    environment.DATABASE_URL === undefined ? instanceIn(environment.DATA_DIR) : await installationName(db);
  const operatorPolicy = readOperatorPolicy(environment.MILLWRIGHT_POLICY ?? null);
  return {
    db,
    github: createGitHub({
      appId: settings.app.id,
      privateKey: settings.app.privateKey,
      apiUrl: settings.apiUrl,
      ...(settings.oauth ? { oauth: { ...settings.oauth, githubUrl: settings.githubUrl } } : {}),
      pushesWorkflows: givesWorkflowsFree(operatorPolicy),
      clock: systemClock,
      log,
      onAnswer: countAnswers(tally),
    }),
    git: openGit(settings, log),
    sandbox: meteredSandbox(openSandboxEngine(settings, instance, log), tally),
    model: meteredModel(createOpenAiModel({ ...openAi, clock: systemClock, log }), tally),
    mcp: openMcp(),
    clock: systemClock,
    log,
    tally,
    host: {
      dataDir: environment.DATA_DIR,
      githubHost: settings.githubHost,
      githubUrl: settings.githubUrl,
      instance,
      modelName,
      secrets: settings.secrets,
      operatorPolicy,
      publicUrl: environment.MILLWRIGHT_URL ?? null,
      workerConcurrency: environment.WORKER_CONCURRENCY,
    },
  };
}

/** Where a run without GitHub keeps what it needs, and what it is held to. */
export interface LocalPlace {
  /** Kept between runs: mirrors, and the name of this installation's containers. Never one that a service uses. */
  root: string;
  /** Folder of the store. */
  storeDir: string;
  operatorPolicy: PolicyLayer | null;
  /** What stands for GitHub. */
  github: (git: Git) => LocalGitHubOptions;
}

/** The doors of `millwright run`: the real ones, on a store of its own, with a folder of this machine in the place of GitHub. */
export async function openLocalDoors(given: Settings, place: LocalPlace): Promise<Doors> {
  const environment = { ...given.environment, DATA_DIR: place.root, DATABASE_URL: undefined };
  const settings = { ...given, environment };
  // Standard output is the report's.
  const log = createLog(settings, pino.destination(2));
  const git = openGit(settings, log);
  const { name: modelName, ...model } = settings.model;
  return {
    db: await openStore({ ...settings, environment: { ...environment, DATA_DIR: place.storeDir } }),
    github: createLocalGitHub(place.github(git)),
    git,
    sandbox: openSandboxEngine(settings, instanceIn(place.root), log),
    model: createOpenAiModel({ ...model, clock: systemClock, log }),
    mcp: openMcp(),
    clock: systemClock,
    log,
    tally: new Tally(),
    host: {
      dataDir: place.root,
      githubHost: 'local',
      githubUrl: 'http://localhost',
      instance: instanceIn(place.root),
      modelName,
      secrets: settings.secrets,
      operatorPolicy: place.operatorPolicy,
      publicUrl: null,
      workerConcurrency: 1,
    },
  };
}

/** JSON lines. No value that the environment gives as a secret, nor a token of GitHub's, reaches a line, however it got there and in whichever encoding. */
export function createLog(settings: Settings, destination?: DestinationStream): Logger {
  const mask = createMask(ownSecrets(settings));
  const options: LoggerOptions = {
    level: settings.environment.LOG_LEVEL,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    redact: ['*.authorization', '*.headers.authorization', '*.token', '*.privateKey'],
    hooks: { streamWrite: (line) => mask(line).replaceAll(tokenPattern, '[token]') },
  };
  return destination === undefined ? pino(options) : pino(options, destination);
}

/** Tokens of installations and users, and the signed requests of the app, come and go: they are known by their form. */
const tokenPattern =
  /\b(?:gh[opsur]_[A-Za-z0-9_]{16,}|github_pat_[A-Za-z0-9_]{16,}|eyJ[\w-]{10,}\.[\w-]{10,}\.[\w-]{10,})/g;

/** Every secret that this process holds, by the name under which a line shows that it was there. */
function ownSecrets({ environment, app, secrets }: Settings): Record<string, string> {
  const password = environment.DATABASE_URL === undefined ? '' : new URL(environment.DATABASE_URL).password;
  const held = {
    OPENAI_API_KEY: environment.OPENAI_API_KEY,
    WEBHOOK_SECRET: app?.webhookSecret,
    PRIVATE_KEY: app?.privateKey,
    GITHUB_CLIENT_SECRET: environment.GITHUB_CLIENT_SECRET,
    METRICS_TOKEN: environment.METRICS_TOKEN,
    DATABASE_PASSWORD: decodeURIComponent(password),
    ...secrets,
  };
  return Object.fromEntries(Object.entries(held).flatMap(([name, value]) => (value ? [[name, value]] : [])));
}

export function openSandboxEngine(settings: Settings, instance: string, log: Logger): SandboxEngine {
  const engine = createDockerEngine({
    docker: parseDockerHost(settings.environment.DOCKER_HOST),
    instance,
    clock: systemClock,
    log,
    egress: createEgressWall({ clock: systemClock, log }),
  });
  let kept: { status: Promise<EngineStatus>; untilMs: number } | null = null;
  return {
    ...engine,
    status() {
      // Asked before every claim and by every status comment.
      if (kept === null || kept.untilMs < systemClock.nowMs())
        kept = { status: engine.status(), untilMs: systemClock.nowMs() + statusKeptMs };
      return kept.status;
    },
  };
}

/** The mirrors of this installation. */
export function openGit({ environment, gitEnvironment }: Settings, log: Logger): Git {
  return createGit({ mirrorsDir: join(environment.DATA_DIR, 'mirrors'), log, env: gitEnvironment });
}

export function openGitHub(connection: GitHubConnection): GitHub {
  return createGitHub(connection);
}

export function openMcp(): Mcp {
  return createHttpMcp();
}

/** Tries the network wall on a container of its own. Errors: those of the data folder. */
export async function tryEgressWall(settings: Settings, log: Logger): Promise<CanaryOutcome> {
  const docker = connectDocker(parseDockerHost(settings.environment.DOCKER_HOST));
  return await createEgressWall({ clock: systemClock, log }).canary({
    docker,
    instance: instanceIn(settings.environment.DATA_DIR),
  });
}
