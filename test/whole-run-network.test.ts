import { expect, test } from 'vitest';
import { startFactory } from './support/factory.ts';
import { startGitHub } from './support/github-stand-in.ts';
import { startModel } from './support/model-stand-in.ts';
import { call, contract, scripted, smallRepository, solve } from './support/scripted.ts';
import { until } from './support/until.ts';

const repo = 'acme/small';
const runMs = 180_000;
const granted = 'granted.example:443';
const policy = `network: { hosts: ["${granted}"] }\ncommands: { deny: ["git push *"] }\n`;
const asking = contract.replace('## Checks', `- Network or service access: ${granted}\n\n## Checks`);
const reach = `node -e "fetch('https://elsewhere.example:8443/x').catch(() => {})"`;

test('hosts and commands that were refused in the build are told in the pull request, each host with its command', {
  timeout: runMs,
}, async () => {
  const github = await startGitHub({ users: { maya: 'maintain' } });
  const tries = [reach, 'git push origin main'].map((command) => call('run_command', { command }));
  const model = await startModel(scripted([...tries, ...solve]));
  const config = `${policy}${smallRepository['.github/millwright.yml']}`;
  await github.createRepository(repo, { files: { ...smallRepository, '.github/millwright.yml': config } });
  const factory = await startFactory(github, model);
  try {
    const { number } = await github.openIssue({ repo, as: 'maya', title: 'add subtracts', body: asking });
    await github.label(repo, number, 'agent-ready', 'maya');
    await until(() => github.issue(repo, number).labels.some((name) => /^agent:(?!running)/.test(name)), runMs);

    const pull = [...github.repository(repo).issues.values()].find((issue) => issue.pull);
    const notVerified = /^## Not verified$([\s\S]*?)^## /m.exec(pull?.body ?? '')?.[1] ?? '';

    expect(github.issue(repo, number).labels).toContain('agent:review');
    expect(notVerified).toContain('**Blocked hosts and commands**');
    expect(notVerified).toMatch(/host `+ ?elsewhere\.example:8443 ?`+ by `+ ?node -e "fetch\(/);
    expect(notVerified).toMatch(/command `+ ?git push/);
  } finally {
    await factory[Symbol.asyncDispose]();
    await Promise.all([github.close(), model.close()]);
  }
});
