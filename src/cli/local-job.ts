import { createHash } from 'node:crypto';
import { existsSync, readFileSync, realpathSync, statSync } from 'node:fs';
import { homedir, userInfo } from 'node:os';
import { basename, join, relative, resolve } from 'node:path';
import { parseContract } from '../contract/parse.ts';
import type { PolicyLayer } from '../contract/policy.ts';
import { revisionOf } from '../contract/revision.ts';
import { type Doors, repositoryKey } from '../doors.ts';
import type { Git, Remote } from '../git/git.ts';
import { type LocalRepository, readLocalRepository } from '../git/local-repository.ts';
import type { RepositoryRef } from '../github/github.ts';
import { readOperatorPolicy } from '../operator-policy.ts';
import { environmentShape, readSettings, type Settings } from '../settings.ts';
import { openLocalDoors } from '../wiring.ts';
import { CallError } from './terminal.ts';

/** GitHub limits the body of an issue to as many; whatever is longer is no contract. */
const maxContractBytes = 1024 ** 2;

/** Variables of the service: a project's own `PORT` or `DATABASE_URL` is none of our business. */
const unused = [
  ...['APP_ID', 'PRIVATE_KEY', 'PRIVATE_KEY_PATH', 'WEBHOOK_SECRET', 'GHE_HOST', 'GHE_PROTOCOL', 'HOST', 'PORT'],
  ...['GITHUB_CLIENT_ID', 'GITHUB_CLIENT_SECRET', 'DATABASE_URL', 'WORKER_CONCURRENCY', 'RECONCILE_MINUTES'],
  ...['MILLWRIGHT_URL', 'METRICS_TOKEN'],
];

/** One contract for one repository of this machine. */
export interface LocalJob {
  repository: LocalRepository;
  ref: RepositoryRef;
  /** Whoever runs the command. */
  login: string;
  title: string;
  body: string;
  revision: string;
  branch: string;
  settings: Settings;
  /** Kept between runs: mirrors. */
  root: string;
  /** Store, pull request and check run of this contract on this repository. */
  storeDir: string;
}

/** Reads what the command names. Errors: CallError, each with what to do; SettingsError. */
export async function readLocalJob(options: { repo: string; contract: string }): Promise<LocalJob> {
  const inside = isInside(process.cwd(), options.repo);
  // Files of the repository are not ours to trust: its `.env` could send the model's key elsewhere.
  const settings = quiet(readSettings(['model'], undefined, { file: !inside, without: unused }));
  const { body, name } = readContractFile(options.contract);
  const root = rootOf(settings);
  const found = await readLocalRepository(options.repo, {
    home: join(root, 'mirrors', '.home'),
    env: settings.gitEnvironment,
  });
  if (!found.ok) throw new CallError(`--repo: ${found.reason}.`);
  const { repository } = found;
  const revision = revisionOf(body);
  const key = createHash('sha256').update(repository.dir).digest('hex').slice(0, 8);
  const branch = `millwright/run-${revision.slice('sha256:'.length, 'sha256:'.length + 12)}`;
  if (repository.branch === branch)
    throw new CallError(`--repo: ${branch} is checked out, which the run writes to: check another branch out.`);
  const folder = basename(repository.dir).replace(/[^A-Za-z0-9._-]/g, '-') || 'repository';
  return {
    repository,
    ref: { installationId: 0, owner: 'local', name: `${folder}-${key}` },
    login: loginName(),
    title: titleOf(body) ?? name,
    body,
    revision,
    branch,
    settings,
    root,
    storeDir: join(root, 'runs', `${folder}-${key}`, branch.slice('millwright/run-'.length)),
  };
}

export async function openJobDoors(job: LocalJob, onComment: (marker: string, body: string) => void): Promise<Doors> {
  return openLocalDoors(job.settings, {
    root: job.root,
    storeDir: job.storeDir,
    operatorPolicy: operatorPolicyOf(job),
    github: (git) => ({
      ref: job.ref,
      dir: job.repository.dir,
      branch: job.repository.branch,
      login: job.login,
      issue: { number: 0, title: job.title, body: job.body },
      readFile: (path, branch) => readFileOf(job, git, path, branch),
      keepDir: job.storeDir,
      onComment,
    }),
  });
}

/** A policy file in the working folder counts as the operator's only where the repository cannot have put it there. */
function operatorPolicyOf({ settings, repository }: LocalJob): PolicyLayer | null {
  const named = settings.environment.MILLWRIGHT_POLICY ?? null;
  return named === null && isInside(process.cwd(), repository.dir) ? null : readOperatorPolicy(named);
}

async function readFileOf(job: LocalJob, git: Git, path: string, branch: string): Promise<string | null> {
  const repository = repositoryKey('local', job.ref);
  const remote: Remote = { repository, url: job.repository.dir, token: null };
  const bytes = await git.read(repository, await git.fetch(remote, `refs/heads/${branch}`), path);
  return bytes === null ? null : Buffer.from(bytes).toString('utf8');
}

function readContractFile(path: string): { body: string; name: string } {
  const full = resolve(path);
  const expected = 'name a file with the contract: `## Goal`, `## Acceptance criteria` and the rest of the form';
  if (!existsSync(full)) throw new CallError(`--contract: ${full} does not exist: ${expected}.`);
  const facts = statSync(full);
  if (!facts.isFile()) throw new CallError(`--contract: ${full} is no file: ${expected}.`);
  if (facts.size > maxContractBytes) throw new CallError(`--contract: ${full} is larger than 1 MiB: ${expected}.`);
  try {
    return { body: readFileSync(full, 'utf8'), name: basename(full) };
  } catch (error) {
    throw new CallError(`--contract: ${full} cannot be read (${(error as NodeJS.ErrnoException).code}).`);
  }
}

/** A first heading that is no section of the contract, else the goal. */
function titleOf(body: string): string | null {
  const { contract } = parseContract(body);
  const heading = /^#\s+(.+?)\s*#*$/m.exec(body)?.[1];
  if (heading !== undefined && contract?.notes.some((note) => note.heading === heading)) return heading;
  return contract?.goal.trim().split('\n')[0]?.slice(0, 120) || heading || null;
}

/** Below the data folder where one is named; else in the home folder, so that nothing appears beside the user's files. */
function rootOf({ environment }: Settings): string {
  const usual = environmentShape.shape.DATA_DIR.parse(undefined);
  return environment.DATA_DIR === usual ? join(homedir(), '.millwright') : resolve(environment.DATA_DIR, 'local');
}

/** What goes wrong is told by the progress; the log is for those who ask for more than its usual level. */
function quiet(settings: Settings): Settings {
  if (settings.environment.LOG_LEVEL !== 'info') return settings;
  return { ...settings, environment: { ...settings.environment, LOG_LEVEL: 'fatal' } };
}

function isInside(path: string, folder: string): boolean {
  const real = existsSync(folder) ? realpathSync(folder) : resolve(folder);
  const way = relative(real, resolve(path));
  return way === '' || !(way.startsWith('..') || way.startsWith('/'));
}

function loginName(): string {
  try {
    return userInfo().username;
  } catch {
    // A user id without a name, as in containers.
    return 'local';
  }
}
