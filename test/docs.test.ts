import { execFileSync } from 'node:child_process';
import { existsSync, globSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { parsePolicyFile } from '../src/contract/policy.ts';
import { handledEvents } from '../src/deliveries.ts';
import { errorTable } from '../src/errors.ts';
import { metricTable } from '../src/metric-table.ts';
import { environmentShape } from '../src/settings.ts';
import { configurationDoc, errorFamilies, errorsDoc, metricsDoc, toolsDoc } from './support/generated-docs.ts';

const papers = ['README.md', 'AGENTS.md', 'CONTRIBUTING.md', 'SECURITY.md', 'CHANGELOG.md', ...globSync('docs/*.md')];
const read = (file: string) => readFileSync(file, 'utf8');

interface Fence {
  file: string;
  language: string;
  text: string;
}

const fencePattern = /^```(\w*)\n([\s\S]*?)^```$/gm;

function fences(file: string): Fence[] {
  return [...read(file).matchAll(fencePattern)].map(([, language = '', text = '']) => ({ file, language, text }));
}

const prose = (file: string) => read(file).replace(fencePattern, '');
const inlineCode = (file: string) => [...prose(file).matchAll(/`([^`\n]+)`/g)].map(([, code = '']) => code);

describe('a generated page is what the code says', () => {
  it.each([
    ['docs/configuration.md', configurationDoc],
    ['docs/errors.md', errorsDoc],
    ['docs/tools.md', toolsDoc],
    ['docs/metrics.md', metricsDoc],
  ])('%s', (file, generate) => {
    if (process.env.UPDATE_DOCS === '1') writeFileSync(file, generate());

    expect(read(file)).toBe(generate());
  });

  it('with a section for each family of errors', () => {
    const unknown = Object.keys(errorTable).filter((code) => !errorFamilies.includes(code.split('.')[0] ?? ''));

    expect(unknown).toEqual([]);
  });
});

describe('the alert rules', () => {
  it('ask only for metrics and labels that there are', () => {
    const rules = read('docker/alerts.yml');
    const metrics = metricTable as Record<string, { labels: readonly string[] }>;
    const base = (name: string) => name.replace(/_(?:bucket|sum|count)$/, '');

    const named = [...rules.matchAll(/\b(millwright_\w+)(?:\{([^}]*)\})?/g)];

    expect(named.length).toBeGreaterThan(5);
    for (const [, name = '', selector = ''] of named) {
      const labels = metrics[name]?.labels ?? metrics[base(name)]?.labels;
      expect(labels, name).toBeDefined();
      for (const [, label] of selector.matchAll(/(\w+)[=!]~?"/g)) expect(labels).toContain(label);
    }
    expect(parse(rules)).toMatchObject({ groups: [{ name: 'millwright' }] });
  });
});

describe('the manifest', () => {
  it('asks for exactly the events that have an effect', () => {
    const manifest = parse(read('app.yml')) as { default_events: string[] };
    // GitHub sends these two to every app, and refuses a manifest that lists them.
    const listable = handledEvents.filter((name) => name !== 'installation' && name !== 'installation_repositories');

    expect(manifest.default_events.toSorted()).toEqual([...listable].sort());
  });
});

describe('whoever registers the app by hand', () => {
  it('is told the same events and permissions as the manifest asks for', () => {
    const manifest = parse(read('app.yml')) as {
      default_events: string[];
      default_permissions: Record<string, string>;
    };
    const spelt = (name: string) => `${name.charAt(0).toUpperCase()}${name.slice(1).replaceAll('_', ' ')}`;
    const [, events = ''] = /\*\*Events\*\*: (.*)\.\n/.exec(read('docs/install.md')) ?? [];
    const [, permissions = ''] = /\*\*Repository permissions\*\*: ([^.]*)\./.exec(read('docs/install.md')) ?? [];
    const names: Record<string, string> = { statuses: 'Commit statuses' };
    const access: Record<string, string> = { read: '*read*', write: '*read and write*' };

    expect(events.split(', ').toSorted()).toEqual(manifest.default_events.map(spelt).toSorted());
    expect(permissions.split(', ').toSorted()).toEqual(
      Object.entries(manifest.default_permissions)
        .map(([name, level]) => `${names[name] ?? spelt(name)} ${access[level]}`)
        .toSorted(),
    );
  });
});

describe('the pictures', () => {
  it('are small enough for a page that opens at once', () => {
    const sizes = globSync('docs/images/*.png').map((file) => readFileSync(file).length);

    expect(sizes.length).toBeGreaterThan(3);
    expect(Math.max(...sizes)).toBeLessThan(150 * 1024);
  });
});

describe('the papers', () => {
  it.each(papers)('%s links only to what is there', (file) => {
    const links = [...prose(file).matchAll(/\]\(([^)\s]+)\)/g)].map(([, target = '']) => target);
    const broken = links.filter((target) => !/^https?:/.test(target) && !resolves(file, target));

    expect(broken).toEqual([]);
  });

  it.each(papers)('%s names only files that are there', (file) => {
    const named = inlineCode(file).filter((code) =>
      /^(?:src|test|docs|script|docker|\.github|\.ci)\/[\w./-]*$/.test(code),
    );

    expect(named.filter((path) => !existsSync(path) && !policyPaths.includes(path))).toEqual([]);
  });

  it.each(papers)('%s names only npm scripts, variables and commands that exist', (file) => {
    const text = [...inlineCode(file), ...fences(file).map((fence) => fence.text)];
    const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
    const runs = text.flatMap((code) => [
      ...code.matchAll(/\bnpm (?:run )?(start|test|check|bench|(?<=run )[\w:-]+)/g),
    ]);
    const variables = inlineCode(file).filter((code) => /^[A-Z]+(?:_[A-Z]+)+$/.test(code));
    const calls = text.flatMap((code) => [...code.matchAll(/(?:^|[\s;&])millwright ([a-z]+)\b/g)]);

    expect(
      runs.map(([, name = '']) => name).filter((name) => !(name in scripts) && !exampleScripts.includes(name)),
    ).toEqual([]);
    expect(variables.filter((name) => !(name in environmentShape.shape) && !otherVariables.includes(name))).toEqual([]);
    expect(calls.map(([, name = '']) => name).filter((name) => !commandsOfCli().includes(name))).toEqual([]);
  });

  it.each(papers.flatMap(fences).filter(({ text }) => /^# \S*millwright\S*\.yml/.test(text)))(
    '$file shows a policy file that can be read',
    ({ text }) => {
      const layer = text.startsWith('# millwright.policy.yml') ? 'operator' : 'repository';

      const result = parsePolicyFile(text, 'example.yml', layer);

      expect(result).toHaveProperty('policy');
    },
  );

  it('show at least a policy file of a repository and one of an operator', () => {
    const shown = papers.flatMap(fences).map(({ text }) => text.split('\n', 1)[0]);

    expect(shown).toEqual(expect.arrayContaining(['# .github/millwright.yml', '# millwright.policy.yml']));
  });

  it('keep AGENTS.md short', () => {
    expect(read('AGENTS.md').split('\n').length).toBeLessThanOrEqual(101);
  });
});

/** Files of the repositories that the app works on, not of this one. */
const policyPaths = ['.github/millwright.yml', '.github/workflows/', '.github/actions/', '.github/CODEOWNERS'];
/** npm scripts of examples. */
const exampleScripts = ['lint', 'format:check', 'migrate:check', 'build', 'types'];
/** Variables that others read. */
const otherVariables = [
  'UPDATE_DOCS',
  'DOCKER_GID',
  'POSTGRES_IMAGE',
  'POSTGRES_PASSWORD',
  'STAGING_TOKEN',
  'HTTP_PROXY',
  'HTTPS_PROXY',
  'NO_PROXY',
  'SSL_CERT_FILE',
  'SSL_CERT_DIR',
  'GIT_SSL_CAINFO',
  'NODE_EXTRA_CA_CERTS',
  'NODE_USE_ENV_PROXY',
];

function resolves(file: string, target: string): boolean {
  const [path = '', anchor] = target.split('#');
  const full = path === '' ? file : join(dirname(file), path);
  if (!existsSync(full)) return false;
  return anchor === undefined || headings(full).includes(anchor);
}

/** Anchors that GitHub gives to the headings of a page. */
function headings(file: string): string[] {
  return [...prose(file).matchAll(/^#{1,6} (.+)$/gm)].map(([, text = '']) =>
    text
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
      .replaceAll(' ', '-'),
  );
}

let known: string[] | null = null;

/** What `millwright --help` lists. */
function commandsOfCli(): string[] {
  if (known === null) {
    const help = execFileSync(process.execPath, ['--import', 'tsx', 'src/main.ts', '--help'], { encoding: 'utf8' });
    const list = help.slice(help.indexOf('Commands:'));
    known = [...list.matchAll(/^ {2}([a-z]+)/gm)].map(([, name = '']) => name);
  }
  return known;
}
