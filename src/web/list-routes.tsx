/** @jsxImportSource hono/jsx */
import type { Hono } from 'hono';
import { repositoryKey } from '../doors.ts';
import type { Database } from '../engine/database.ts';
import { listRunHeads, type RunFilter, type RunHead, repositoriesWithRuns } from '../engine/run-list.ts';
import { spentOnIssues } from '../engine/spend.ts';
import type { Viewer } from './access.ts';
import { addressOf, ListPage, type ListQuery, stateChoices } from './list-page.tsx';
import { frameOf, toSignIn, viewerOf, type WebEnvironment, type WebParts } from './web-context.ts';

const pageRuns = 40;
const longestQuery = 200;
/** Repositories that are asked about for one page. Whoever can read few of many narrows the list by name. */
const mostAsked = 500;

export function addListRoutes(app: Hono<WebEnvironment>, parts: WebParts): void {
  app.get('/', async (c) => {
    const viewer = viewerOf(c, parts.access);
    if (viewer === null) return toSignIn(c);
    const query = readQuery((name) => c.req.query(name));
    const facts = await listFacts(query, viewer, parts);
    return c.html(<ListPage frame={frameOf(viewer, parts.access, 'Runs', 'runs')} facts={facts} />);
  });
  app.get('/runs', (c) => c.redirect('/', 302));
}

function readQuery(read: (name: string) => string | undefined): ListQuery {
  const text = (name: string) => (read(name) ?? '').trim().slice(0, longestQuery);
  const before = text('before');
  return {
    state: text('state') in stateChoices ? text('state') : '',
    repository: text('repository'),
    text: text('q'),
    before: /^\w+$/.test(before) ? before : null,
  };
}

async function listFacts(query: ListQuery, viewer: Viewer, parts: WebParts) {
  const { doors } = parts;
  const { runs, next } = await readableRuns(filterOf(query, doors.host.githubHost), viewer, parts);
  const spent = await spentOf(doors.db, runs);
  return {
    query,
    runs: runs.map((run) => ({ ...run, spent: spent.get(`issue:${run.repository}#${run.issue}`) ?? '–' })),
    older: next === null ? null : addressOf({ ...query, before: next }),
    repositories: await suggestions(runs, parts),
  };
}

function filterOf(query: ListQuery, githubHost: string): RunFilter {
  const number = /^#?(\d{1,9})$/.exec(query.text)?.[1];
  const [owner = '', name = ''] = query.repository.split('/');
  return {
    limit: pageRuns,
    states: stateChoices[query.state]?.states ?? [],
    ...(query.before === null ? {} : { before: query.before }),
    ...(number === undefined ? {} : { issue: Number(number) }),
    ...(query.text !== '' && number === undefined ? { text: query.text } : {}),
    ...(query.repository === '' ? {} : { repository: repositoryKey(githubHost, { owner, name }) }),
  };
}

interface Readable {
  runs: RunHead[];
  /** Where the next page begins; null when there is none. */
  next: string | null;
}

/**
 * The first runs of the filter whose repositories the viewer can read. Repositories are asked about as they come up, and
 * those that cannot be read are left out of the next look: no more is asked than the page needs.
 */
async function readableRuns(filter: RunFilter, viewer: Viewer, { doors, access }: WebParts): Promise<Readable> {
  const hidden = new Set<string>();
  for (let asked = 0; ; ) {
    const found = await listRunHeads(doors.db, { ...filter, limit: pageRuns + 1, without: [...hidden] });
    const repositories = new Map(found.map((run) => [run.repository, run]));
    const roles = await Promise.all(
      [...repositories].map(async ([key, run]) => [key, await access.roleOf(viewer, run)] as const),
    );
    const more = roles.filter(([, role]) => role === 'none').map(([key]) => key);
    for (const key of more) hidden.add(key);
    asked += roles.length;
    if (more.length > 0 && asked < mostAsked) continue;
    const looked = found.slice(0, pageRuns);
    const next = found.length > pageRuns ? (looked.at(-1)?.id ?? null) : null;
    return { runs: looked.filter((run) => !hidden.has(run.repository)), next };
  }
}

async function suggestions(runs: readonly RunHead[], { doors, access }: WebParts): Promise<string[]> {
  const known = access.mode === 'link' ? await repositoriesWithRuns(doors.db, 200) : runs;
  return [...new Set(known.map(({ owner, name }) => `${owner}/${name}`))].toSorted();
}

async function spentOf(db: Database, runs: readonly RunHead[]): Promise<Map<string, string>> {
  const keys = [...new Set(runs.map((run) => `issue:${run.repository}#${run.issue}`))];
  const found = await spentOnIssues(db, keys);
  return new Map(
    found.map(({ key, usd, unpricedCalls }) => [
      key,
      unpricedCalls > 0 ? 'unknown' : usd === 0 ? '–' : `$${usd.toFixed(2)}`,
    ]),
  );
}
