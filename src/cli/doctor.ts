import { join } from 'node:path';
import { systemClock } from '../clock.ts';
import { examinationCode, examine, type Finding, type Parts } from '../doctor.ts';
import { instanceIn, openStore } from '../open-store.ts';
import { readOperatorPolicy } from '../operator-policy.ts';
import { readUsableSettings, type Settings } from '../settings.ts';
import { createLog, openGitHub, openMcp, openSandboxEngine, tryEgressWall } from '../wiring.ts';
import { line, processTerminal as terminal } from './terminal.ts';

const marks = { ok: 'ok  ', warning: 'WARN', failed: 'FAIL', skipped: 'skip' } as const;

/** 0 when nothing failed, else 1. */
export async function doctor(json: boolean): Promise<number> {
  const given = readUsableSettings(['app', 'model']);
  const log = createLog({
    ...given.settings,
    environment: { ...given.settings.environment, LOG_LEVEL: 'fatal' },
  });
  const parts: Parts = {
    nodeVersion: process.version,
    store: openStore,
    engine: (settings) => {
      const own = apart(settings);
      return openSandboxEngine(own, instanceIn(own.environment.DATA_DIR), log);
    },
    tryEgress: (settings) => tryEgressWall(apart(settings), log),
    github: openGitHub,
    operatorPolicy: readOperatorPolicy,
    mcp: openMcp(),
    connection: ({ apiUrl }, app) => ({ appId: app.id, privateKey: app.privateKey, apiUrl, clock: systemClock, log }),
  };
  const findings = await examine(given, parts, (finding) => {
    if (!json) print(finding);
  });
  const code = examinationCode(findings);
  if (json) terminal.out(JSON.stringify({ ok: code === 0, findings }, null, 2));
  else terminal.out(summary(findings));
  return code;
}

/** Containers of the examination bear a name of their own, or a service on this machine would sweep them away in the midst of it. */
function apart(settings: Settings): Settings {
  const own = join(settings.environment.DATA_DIR, 'doctor');
  return { ...settings, environment: { ...settings.environment, DATA_DIR: own, DATABASE_URL: undefined } };
}

function print({ name, state, found, fix }: Finding): void {
  terminal.out(`${marks[state]}  ${line(name, 60)}: ${line(found, 600)}`);
  if (fix !== null) terminal.out(`      → ${line(fix, 600)}`);
}

function summary(findings: readonly Finding[]): string {
  const count = (state: Finding['state']) => findings.filter((finding) => finding.state === state).length;
  const [bad, doubtful] = [count('failed'), count('warning')];
  if (bad + doubtful === 0) return '\nEverything that was looked at is in order.';
  return `\n${bad} to mend, ${doubtful} to look at.`;
}
