import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { demoModel } from './demo-model.ts';
import { type GitHubStandIn, startGitHub } from './github-stand-in.ts';
import { startModel } from './model-stand-in.ts';
import { until } from './until.ts';

/** The main job, end to end, without an account: the real app against a local stand-in of GitHub. Run by `script/demo`. */

const run = promisify(execFile);
const repo = 'acme/durations';
const deadlineMs = 10 * 60_000;
const keep = process.argv.includes('--keep');
const fixture = (name: string) => new URL(`../fixtures/${name}`, import.meta.url);
const say = (text: string) => console.log(`\u001b[1m${text}\u001b[0m`);

const github = await startGitHub({ users: { maya: 'maintain' } });
const ownModel = Boolean(process.env.OPENAI_API_KEY);
const model = ownModel ? null : await startModel(demoModel);
const dataDir = await mkdtemp(join(tmpdir(), 'millwright-demo-'));
let app: ChildProcess | null = null;
let failed = true;
try {
  say(
    `1. GitHub stand-in on ${github.url}; model: ${ownModel ? (process.env.OPENAI_MODEL ?? 'your own') : 'scripted'}`,
  );
  const form = await readFile(new URL('../../.github/ISSUE_TEMPLATE/agent-task.yml', import.meta.url), 'utf8');
  const dir = fixture('sample-project').pathname;
  await github.createRepository(repo, { dir, files: { '.github/ISSUE_TEMPLATE/agent-task.yml': form } });
  const port = await startApp();
  github.setWebhookUrl(`http://127.0.0.1:${port}/api/github/webhooks`);
  say(`2. The app listens on http://127.0.0.1:${port}`);
  const body = await readFile(fixture('sample-issue.md'), 'utf8');
  const issue = await github.openIssue({ repo, as: 'maya', title: 'Durations such as 1h30 lose their minutes', body });
  await github.label(repo, issue.number, 'agent-ready', 'maya');
  say(`3. maya opened issue #${issue.number} and labelled it agent-ready`);
  const startedAtMs = Date.now();
  await follow(issue.number);
  say(`4. Finished after ${((Date.now() - startedAtMs) / 1000).toFixed(1)} s`);
  failed = !show(issue.number);
  if (keep) {
    say(
      `Kept up: API ${github.apiUrl}/repos/${repo}, git ${github.url}/${repo}.git, app on port ${port}, data in ${dataDir}. Ctrl-C ends it.`,
    );
    await new Promise((resolve) => process.once('SIGINT', resolve));
  }
} finally {
  await stopApp();
  await Promise.all([github.close(), model?.close()]);
  await removeImages(await readFile(join(dataDir, 'instance'), 'utf8').catch(() => ''));
  await rm(dataDir, { recursive: true, force: true });
}
process.exit(failed ? 1 : 0);

/** The checkouts of the demo are of no use to anything else. */
async function removeImages(instance: string): Promise<void> {
  if (instance === '') return;
  const { stdout } = await run('docker', ['images', '--quiet', '--filter', `label=millwright.instance=${instance}`]);
  const images = stdout.split('\n').filter(Boolean);
  if (images.length > 0) await run('docker', ['rmi', '--force', ...images]);
}

async function startApp(): Promise<number> {
  // Nothing of an installed app: its settings, its policy file and its `.env` stay where they are.
  const own = /^(DATABASE_URL|MILLWRIGHT_|METRICS_TOKEN|GITHUB_CLIENT_|PRIVATE_KEY)/;
  const env = {
    ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !own.test(name))),
    APP_ID: String(github.appId),
    PRIVATE_KEY: github.privateKeyPem,
    WEBHOOK_SECRET: github.webhookSecret,
    GHE_HOST: github.host,
    GHE_PROTOCOL: 'http',
    HOST: '127.0.0.1',
    PORT: '0',
    LOG_LEVEL: process.env.LOG_LEVEL ?? 'info',
    DATA_DIR: dataDir,
    ...(model === null ? {} : { OPENAI_API_KEY: model.apiKey, OPENAI_BASE_URL: model.url, OPENAI_MODEL: 'scripted' }),
  };
  const main = new URL('../../dist/main.js', import.meta.url).pathname;
  const child = spawn(process.execPath, [main, 'serve'], { env, cwd: dataDir, stdio: ['ignore', 'pipe', 'inherit'] });
  app = child;
  const lines: string[] = [];
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    lines.push(...text.split('\n'));
    showStages(text);
  });
  const listening = () => /Listening on http:\/\/[^"]*:(\d+)/.exec(lines.join('\n'));
  await until(() => {
    if (child.exitCode !== null) throw new Error(`the app ended at its start:\n${lines.join('\n')}`);
    return listening() !== null;
  }, 60_000);
  return Number(listening()?.[1]);
}

async function stopApp(): Promise<void> {
  if (app === null || app.exitCode !== null) return;
  app.kill('SIGTERM');
  await until(() => app === null || app.exitCode !== null || app.signalCode !== null, 15_000);
}

/** Prints each new state label and waits until the run has ended; the stages are printed from the app's log. */
async function follow(number: number): Promise<void> {
  let last: string | null = null;
  await until(() => {
    const label = stateLabel(github, number);
    if (label !== last) console.log(`   ${label ?? 'no state label'}`);
    last = label;
    return label !== null && label !== 'agent:running';
  }, deadlineMs);
  await github.settled();
}

/** `stage entered` lines of the app's log, as the stages of the run. */
function showStages(text: string): void {
  for (const line of text.split('\n')) {
    if (!line.includes('"msg":"stage entered"')) continue;
    const { stage, note } = JSON.parse(line) as { stage: string; note?: string };
    console.log(`     ${stage}${note ? ` (${note})` : ''}`);
  }
}

function stateLabel(stand: GitHubStandIn, number: number): string | null {
  return stand.issue(repo, number).labels.find((name) => name.startsWith('agent:')) ?? null;
}

function statusComment(number: number): string {
  const comments = [...github.repository(repo).comments.values()].filter((comment) => comment.issue === number);
  return comments.find((comment) => comment.body?.includes('millwright:status'))?.body ?? '';
}

function show(number: number): boolean {
  say('\n5. The status comment on the issue\n');
  console.log(statusComment(number));
  const pulls = [...github.repository(repo).issues.values()].filter((issue) => issue.pull);
  for (const pull of pulls) {
    say(`\n6. Pull request #${pull.number}: ${pull.title}\n`);
    console.log(pull.body);
  }
  return pulls.length === 1 && stateLabel(github, number) === 'agent:review';
}
