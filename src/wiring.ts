import { createHash, randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { type DestinationStream, type Logger, type LoggerOptions, pino } from 'pino';
import { systemClock } from './clock.ts';
import { type PolicyLayer, parsePolicyFile } from './contract/policy.ts';
import type { Doors } from './doors.ts';
import type { Database } from './engine/database.ts';
import { migrate } from './engine/migrations.ts';
import { openPostgres } from './engine/postgres.ts';
import { openSqlite } from './engine/sqlite.ts';
import { createGit } from './git/create-git.ts';
import type { Git } from './git/git.ts';
import type { GitHub } from './github/github.ts';
import { createLocalGitHub, type LocalGitHubOptions } from './github/local-github.ts';
import type { GitHubConnection } from './github/octokit-client.ts';
import { createGitHub } from './github/octokit-github.ts';
import { createHttpMcp } from './mcp/http-mcp.ts';
import type { Mcp } from './mcp/mcp.ts';
import { createOpenAiModel } from './model/openai-model.ts';
import { connectDocker, parseDockerHost } from './sandbox/docker-client.ts';
import { createDockerEngine } from './sandbox/docker-sandbox.ts';
import type { CanaryOutcome } from './sandbox/egress.ts';
import { createEgressWall } from './sandbox/egress-wall.ts';
import type { EngineStatus, SandboxEngine } from './sandbox/sandbox.ts';
import { type Settings, SettingsError } from './settings.ts';

/** Policy file of the operator when `MILLWRIGHT_POLICY` names none. */
const usualPolicyFile = 'millwright.policy.yml';
const statusKeptMs = 3_000;

/** Opens every door with its real implementation. The only place that chooses. */
export async function openDoors(settings: Settings): Promise<Doors> {
  const { environment } = settings;
  const log = createLog(settings);
  const db = await openStore(settings);
  if (settings.app === null)
    throw new SettingsError(['APP_ID, PRIVATE_KEY and WEBHOOK_SECRET are needed for this command.']);
  return {
    db,
    github: createGitHub({
      appId: settings.app.id,
      privateKey: settings.app.privateKey,
      apiUrl: settings.apiUrl,
      ...(settings.oauth ? { oauth: { ...settings.oauth, githubUrl: settings.githubUrl } } : {}),
      clock: systemClock,
      log,
    }),
    git: openGit(settings, log),
    sandbox: openSandboxEngine(settings, log),
    model: createOpenAiModel({
      apiKey: settings.model.apiKey,
      baseUrl: settings.model.baseUrl,
      clock: systemClock,
      log,
    }),
    mcp: openMcp(),
    clock: systemClock,
    log,
    host: {
      githubHost: settings.githubHost,
      githubUrl: settings.githubUrl,
      instance: instanceOf(settings),
      modelName: settings.model.name,
      secrets: settings.secrets,
      operatorPolicy: readOperatorPolicy(environment.MILLWRIGHT_POLICY ?? null),
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
    sandbox: openSandboxEngine(settings, log),
    model: createOpenAiModel({ ...model, clock: systemClock, log }),
    mcp: openMcp(),
    clock: systemClock,
    log,
    host: {
      githubHost: 'local',
      githubUrl: 'http://localhost',
      instance: instanceOf(settings),
      modelName,
      secrets: settings.secrets,
      operatorPolicy: place.operatorPolicy,
      publicUrl: null,
      workerConcurrency: 1,
    },
  };
}

export function createLog({ environment, secrets }: Settings, destination?: DestinationStream): Logger {
  const hidden = Object.values(secrets).filter((value) => value.length > 0);
  const options: LoggerOptions = {
    level: environment.LOG_LEVEL,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    redact: ['*.authorization', '*.headers.authorization', '*.token', '*.privateKey'],
    hooks: {
      // Values that a contract may name never reach a log line, however they got there.
      streamWrite: (line) => hidden.reduce((text, value) => text.replaceAll(value, '***'), line),
    },
  };
  return destination === undefined ? pino(options) : pino(options, destination);
}

function makeDataDir(path: string): void {
  try {
    mkdirSync(path, { recursive: true });
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    throw new SettingsError([
      `DATA_DIR: ${path} cannot be made (${code}); expected a folder that this user may write.`,
    ]);
  }
}

/** Opens the store and brings its tables up to date. Errors: `outside.database`; a store of a newer version is refused. */
export async function openStore({ environment }: Settings): Promise<Database> {
  if (environment.DATABASE_URL === undefined) makeDataDir(environment.DATA_DIR);
  const db =
    environment.DATABASE_URL === undefined ? openSqlite(environment.DATA_DIR) : openPostgres(environment.DATABASE_URL);
  await migrate(db);
  return db;
}

export function openSandboxEngine(settings: Settings, log: Logger): SandboxEngine {
  const engine = createDockerEngine({
    docker: parseDockerHost(settings.environment.DOCKER_HOST),
    instance: instanceOf(settings),
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
  return await createEgressWall({ clock: systemClock, log }).canary({ docker, instance: instanceOf(settings) });
}

/** Names this installation on a Docker engine that others may use: kept with the embedded store, or derived from the shared one. */
function instanceOf({ environment }: Settings): string {
  if (environment.DATABASE_URL !== undefined) {
    const { host, pathname } = new URL(environment.DATABASE_URL);
    return createHash('sha256').update(`${host}${pathname}`).digest('hex').slice(0, 8);
  }
  const file = join(environment.DATA_DIR, 'instance');
  mkdirSync(environment.DATA_DIR, { recursive: true });
  if (!existsSync(file)) writeFileSync(file, randomBytes(4).toString('hex'), { flag: 'wx' });
  return readFileSync(file, 'utf8').trim();
}

/** Errors: SettingsError with every problem of the file, each with file, line and key. */
export function readOperatorPolicy(named: string | null): PolicyLayer | null {
  const path = resolve(named ?? usualPolicyFile);
  if (!existsSync(path)) {
    if (named === null) return null;
    throw new SettingsError([`MILLWRIGHT_POLICY: ${path} does not exist: expected the operator's policy file.`]);
  }
  const parsed = parsePolicyFile(readFileSync(path, 'utf8'), path, 'operator');
  if ('policy' in parsed) return parsed.policy;
  throw new SettingsError(
    parsed.problems.map((problem) => `${problem.file}:${problem.line ?? 1}: ${problem.key}: ${problem.message}`),
  );
}
