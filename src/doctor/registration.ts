import type { AppFacts, InstallationFacts } from '../github/app-facts.ts';
import { type Finding, failed, ok, warning } from './finding.ts';
import type { Manifest } from './manifest.ts';

/** GitHub refuses keys' signatures that are a minute off. */
const mostSkewMs = 30_000;
const webhookPath = '/api/github/webhooks';

export function judgeClock(aheadMs: number | null): Finding {
  if (aheadMs === null)
    return warning('clock', 'GitHub answers, but tells no time', 'Compare this machine’s clock by hand.');
  const found = `${Math.abs(Math.round(aheadMs / 1000))} s ${aheadMs < 0 ? 'behind' : 'ahead of'} GitHub’s`;
  if (Math.abs(aheadMs) <= mostSkewMs) return ok('clock', found);
  return failed('clock', found, 'Set this machine’s clock (NTP): GitHub refuses signatures of another time.');
}

/** What the app was given, against what `app.yml` asks for. */
export function judgeRegistration(app: AppFacts, manifest: Manifest, appPage: string): Finding[] {
  const findings = [ok('github key', `GitHub knows the app as ${app.slug}`)];
  findings.push(...judgeGrants('app', app, manifest, `On ${appPage}, Permissions & events, grant what is missing.`));
  if (app.installations.length === 0) {
    findings.push(warning('installations', 'the app is installed nowhere', `Install it: ${appPage}/installations`));
    return findings;
  }
  for (const installation of app.installations) findings.push(...judgeInstallation(installation, manifest));
  return findings;
}

function judgeInstallation(installation: InstallationFacts, manifest: Manifest): Finding[] {
  const name = `installation ${installation.account}`;
  if (installation.suspended)
    return [warning(name, 'suspended', 'Its owner unsuspends it in the settings of their installed apps.')];
  const fix = `An owner of ${installation.account} accepts the new permissions in the settings of their installed apps.`;
  return judgeGrants(name, installation, manifest, fix);
}

const rank = ['read', 'write', 'admin'];

function judgeGrants(
  name: string,
  given: { permissions: Readonly<Record<string, string>>; events: readonly string[] },
  manifest: Manifest,
  fix: string,
): Finding[] {
  const missing = Object.entries(manifest.permissions)
    .filter(([key, wanted]) => rank.indexOf(given.permissions[key] ?? '') < rank.indexOf(wanted))
    .map(([key, wanted]) => `${key}: ${wanted}`);
  const unheard = manifest.events.filter((event) => !given.events.includes(event));
  const more = Object.entries(given.permissions)
    .filter(([key, has]) => rank.indexOf(has) > rank.indexOf(manifest.permissions[key] ?? ''))
    .map(([key, has]) => `${key}: ${has}`);
  const findings: Finding[] = [];
  if (missing.length > 0) findings.push(failed(`${name} permissions`, `missing: ${missing.join(', ')}`, fix));
  if (unheard.length > 0) findings.push(failed(`${name} events`, `missing: ${unheard.join(', ')}`, fix));
  if (more.length > 0)
    findings.push(warning(`${name} permissions`, `more than needed: ${more.join(', ')}`, 'Take them away again.'));
  return findings.length > 0 ? findings : [ok(name, 'has exactly the permissions and events of app.yml')];
}

/** Whether webhooks can arrive: the address that GitHub has, and what became of the last ones. */
export function judgeWebhook(app: AppFacts, publicUrl: string | null, appPage: string): Finding[] {
  if (app.webhook === null) return [warning('webhook', 'the host does not tell its address', `See ${appPage}.`)];
  const { url, deliveries } = app.webhook;
  const expected = publicUrl === null ? null : `${publicUrl.replace(/\/$/, '')}${webhookPath}`;
  const fix = `On ${appPage}, set the webhook URL to ${expected ?? `https://YOUR-HOST${webhookPath}`}, active, as JSON.`;
  if (url === '') return [failed('webhook', 'no address is configured', fix)];
  const right = expected === null ? url.endsWith(webhookPath) : url === expected;
  const findings = [
    right
      ? ok('webhook', `GitHub delivers to ${url}`)
      : warning('webhook', `GitHub delivers to ${url}`, `${fix} (A proxy in front that leads there is fine.)`),
  ];
  const [last] = deliveries;
  if (last === undefined) return findings;
  const when = new Date(last.atMs).toISOString();
  const refused = deliveries.filter(({ status }) => status < 200 || status >= 300).length;
  const found = `the last delivery (${last.event}, ${when}) was answered ${last.status}; ${refused} of the last ${deliveries.length} failed`;
  const unsigned = last.status === 400 ? ' An answer of 400 means that WEBHOOK_SECRET is another one there.' : '';
  const reach = `Let GitHub reach the service under that address.${unsigned} Until then it looks for itself every few minutes.`;
  findings.push(
    last.status >= 200 && last.status < 300 ? ok('deliveries', found) : warning('deliveries', found, reach),
  );
  return findings;
}
