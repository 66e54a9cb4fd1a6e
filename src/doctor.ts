import type { PolicyLayer } from './contract/policy.ts';
import { checkEngine, checkWalls, imageFix, judgeCanary } from './doctor/engine.ts';
import { type Finding, failed, guarded, ok, skipped } from './doctor/finding.ts';
import { checkNode, checkStore } from './doctor/machine.ts';
import { readManifest } from './doctor/manifest.ts';
import { checkMcpServers } from './doctor/mcp.ts';
import { checkOperatorPolicy, checkRepositoryPolicies } from './doctor/policies.ts';
import { judgeClock, judgeRegistration, judgeWebhook } from './doctor/registration.ts';
import type { Database } from './engine/database.ts';
import { clockAheadMs, readAppFacts } from './github/app-facts.ts';
import type { GitHub } from './github/github.ts';
import type { GitHubConnection } from './github/octokit-client.ts';
import type { Mcp } from './mcp/mcp.ts';
import { probeModel } from './model/probe.ts';
import type { CanaryOutcome } from './sandbox/egress.ts';
import type { SandboxEngine } from './sandbox/sandbox.ts';
import { environmentShape, type Settings } from './settings.ts';

/** The parts of the service, each opened only when its turn comes: one that cannot be opened is a finding. */
export interface Parts {
  nodeVersion: string;
  store(settings: Settings): Promise<Database>;
  engine(settings: Settings): SandboxEngine;
  tryEgress(settings: Settings): Promise<CanaryOutcome>;
  github(connection: GitHubConnection): GitHub;
  operatorPolicy(named: string | null): PolicyLayer | null;
  mcp: Mcp;
  connection(settings: Settings, app: NonNullable<Settings['app']>): GitHubConnection;
}

const withinMs = 60_000;
/** Making the image of the first container, on a slow disk. */
const wallsWithinMs = 180_000;

/** Looks at everything that the service needs, in the order in which it is set up. Tells each finding as it comes. Never rejects. */
export async function examine(
  given: { settings: Settings; problems: readonly string[] },
  parts: Parts,
  tell: (finding: Finding) => void,
): Promise<Finding[]> {
  const { settings, problems } = given;
  const hide = hiding(settings);
  const all: Finding[] = [];
  const note = (findings: readonly Finding[]): void => {
    for (const finding of findings) {
      const safe = { ...finding, found: hide(finding.found) };
      all.push(safe);
      tell(safe);
    }
  };
  note([checkNode(parts.nodeVersion)]);
  note(settingsFindings(problems));
  const storeFix = 'Make DATA_DIR a folder that this user may write, or DATABASE_URL a PostgreSQL that answers.';
  note(await guarded('store', storeFix, withinMs, () => checkStore(settings, parts.store)));
  const { MILLWRIGHT_POLICY } = settings.environment;
  const { finding, policy } = checkOperatorPolicy(MILLWRIGHT_POLICY ?? null, parts.operatorPolicy);
  note([finding]);
  const mcpFix = 'Look at `mcp` in the operator ceiling.';
  note(await guarded('MCP servers', mcpFix, withinMs, () => checkMcpServers(policy, settings.secrets, parts.mcp)));
  note(await examineEngine(settings, parts));
  await examineGitHub(settings, parts, note);
  note(await guarded('model', 'Check OPENAI_BASE_URL and OPENAI_API_KEY.', withinMs, () => checkModel(settings)));
  return all;
}

function settingsFindings(problems: readonly string[]): Finding[] {
  if (problems.length === 0) return [ok('environment', 'every variable that is set can be read')];
  return problems.map((problem) => {
    const isOfApp = /^(?:APP_ID|PRIVATE_KEY|WEBHOOK_SECRET)/.test(problem);
    const fix = `Set it in the environment or in .env; docs/configuration.md has every variable.${isOfApp ? ' `millwright init` registers the app and writes it.' : ''}`;
    return failed('environment', problem, fix);
  });
}

async function examineEngine(settings: Settings, parts: Parts): Promise<Finding[]> {
  const dockerFix = 'Start the Docker engine, or set DOCKER_HOST.';
  const [status] = await guarded('docker', dockerFix, withinMs, async () => [
    await checkEngine(parts.engine(settings)),
  ]);
  if (status?.state !== 'ok') {
    const after = ['walls', 'egress wall'].map((name) => skipped(name, 'needs the Docker engine'));
    return status === undefined ? after : [status, ...after];
  }
  const walls = await guarded('walls', imageFix, wallsWithinMs, () => checkWalls(parts.engine(settings), Date.now()));
  const canary = await guarded('egress wall', imageFix, withinMs, async () => [
    judgeCanary(await parts.tryEgress(settings)),
  ]);
  return [status, ...walls, ...canary];
}

async function examineGitHub(
  settings: Settings,
  parts: Parts,
  note: (findings: readonly Finding[]) => void,
): Promise<void> {
  const reachFix = `Let this machine reach ${settings.apiUrl} (GHE_HOST, GHE_PROTOCOL, proxy, certificates).`;
  const reached = await guarded('github', reachFix, withinMs, async () => [
    judgeClock(await clockAheadMs(settings.apiUrl)),
  ]);
  note(reached);
  const { app } = settings;
  if (app === null || reached.some(({ name }) => name === 'github')) {
    const why = app === null ? 'needs APP_ID, PRIVATE_KEY and WEBHOOK_SECRET' : 'needs GitHub to be reached';
    note(['github key', 'webhook', 'repository policies'].map((name) => skipped(name, why)));
    return;
  }
  const connection = parts.connection(settings, app);
  const keyFix = 'Check that APP_ID and PRIVATE_KEY are of one app, and that the key was not deleted.';
  const registration = await guarded('github key', keyFix, withinMs, async () => {
    const facts = await readAppFacts(connection);
    const page = `${settings.githubUrl}/apps/${facts.slug}`;
    const publicUrl = settings.environment.MILLWRIGHT_URL ?? null;
    return [...judgeRegistration(facts, readManifest(), page), ...judgeWebhook(facts, publicUrl, page)];
  });
  note(registration);
  if (!registration.some(({ name, state }) => name === 'github key' && state === 'ok'))
    return void note(['webhook', 'repository policies'].map((name) => skipped(name, 'needs the key to be taken')));
  const policyFix = 'Look at the installations of the app.';
  note(
    await guarded('repository policies', policyFix, withinMs, () => checkRepositoryPolicies(parts.github(connection))),
  );
}

async function checkModel({ model, environment }: Settings): Promise<Finding[]> {
  const { host } = new URL(model.baseUrl);
  const hasKey = environment.OPENAI_API_KEY !== undefined;
  const usual = environmentShape.shape.OPENAI_BASE_URL.parse(undefined);
  if (!hasKey && model.baseUrl === usual) return [skipped('model', 'needs OPENAI_API_KEY')];
  const probe = await probeModel(model);
  switch (probe.kind) {
    case 'ready':
      return [ok('model', `${host} ${probe.how === 'listed' ? 'lists' : 'answers with'} ${model.name}`)];
    case 'refused-key': {
      const fix = hasKey ? 'Renew OPENAI_API_KEY, or the account’s credit.' : 'Set OPENAI_API_KEY.';
      return [failed('model', `${host} refuses the key: ${probe.message}`, fix)];
    }
    case 'unknown-model': {
      const near = probe.known.slice(0, 10).join(', ');
      const fix = `Set OPENAI_MODEL to a model of that service${near === '' ? '.' : `, such as ${near}.`}`;
      return [failed('model', `${host} does not take ${model.name}: ${probe.message}`, fix)];
    }
    case 'unreachable':
      return [
        failed('model', `${host} does not answer: ${probe.message}`, 'Check OPENAI_BASE_URL, proxy and certificates.'),
      ];
  }
}

/** Takes every secret that this process holds out of a text, whoever put it there. */
function hiding({ environment, app, secrets }: Settings): (text: string) => string {
  const { OPENAI_API_KEY, WEBHOOK_SECRET, METRICS_TOKEN, GITHUB_CLIENT_SECRET, DATABASE_URL } = environment;
  const password = DATABASE_URL === undefined ? '' : decodeURIComponent(new URL(DATABASE_URL).password);
  const values = [OPENAI_API_KEY, WEBHOOK_SECRET, METRICS_TOKEN, GITHUB_CLIENT_SECRET, password, app?.privateKey];
  const hidden = [...values, ...Object.values(secrets)].filter((value) => value !== undefined && value.length >= 4);
  return (text) => hidden.reduce<string>((rest, value) => rest.replaceAll(value ?? '', '***'), text);
}

/** 0 when nothing failed; warnings do not count. */
export function examinationCode(findings: readonly Finding[]): 0 | 1 {
  return findings.some(({ state }) => state === 'failed') ? 1 : 0;
}

export type { Finding };
