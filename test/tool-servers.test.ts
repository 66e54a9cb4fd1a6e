import { expect, test } from 'vitest';
import { emptyContract } from '../src/contract/contract.ts';
import { serversFor } from '../src/contract/mcp-servers.ts';
import { parsePolicyFile } from '../src/contract/policy.ts';
import { createHttpMcp } from '../src/mcp/http-mcp.ts';
import { openToolServers } from '../src/tool-servers.ts';
import { createMask } from '../src/verification/mask.ts';
import { someWalls, toolContext } from './agent/task.ts';
import { FolderSandbox } from './doubles/sandbox.ts';
import { docs, startHttp, startMcp } from './support/mcp-server.ts';

interface Setting {
  /** The operator ceiling. */
  policy: string;
  mcp: Record<string, Record<string, 'read-only' | 'mutating'>>;
  /** Tools that the contract names. */
  named?: string[];
  secrets?: Record<string, string>;
}

function open({ policy, mcp, named = [], secrets = {} }: Setting) {
  const parsed = parsePolicyFile(policy, 'millwright.policy.yml', 'operator');
  if (!('policy' in parsed)) throw new Error(JSON.stringify(parsed.problems));
  const servers = serversFor(parsed.policy, 'acme/small', secrets);
  const hidden = [...servers.values()].flatMap((server) =>
    server.hidden.map((value, index) => [`mcp ${index}`, value]),
  );
  const events: { kind: string; data: unknown }[] = [];
  const contract = emptyContract();
  contract.tools.readOnly.push(...named);
  const opened = openToolServers(
    {
      contract,
      walls: { ...someWalls(), mcp },
      servers,
      mask: createMask(Object.fromEntries(hidden)),
      record: async (kind, data) => void events.push({ kind, data }),
      signal: new AbortController().signal,
    },
    { mcp: createHttpMcp(), clock: { nowMs: () => 0, elapsedMs: () => 0, sleep: async () => undefined } },
  );
  return { opened, events };
}

const nothing = 'http://127.0.0.1:2/mcp';

test('gives the granted tools of a real server, and calls reach it with the operator’s credential', async () => {
  await using server = await startMcp();
  await using sandbox = await FolderSandbox.open({});
  const policy = `mcp: { docs: { url: "${server.url}", headers: { Authorization: "Bearer \${DOCS}" }, tools: [search, read] } }`;
  const { opened, events } = open({ policy, mcp: { docs: { search: 'read-only' } }, secrets: { DOCS: 'k3y-of-docs' } });
  await using servers = opened;

  const waits = await servers.wait();
  const tools = await servers.tools();
  const outcome = await tools[0]?.run({ query: 'add' }, toolContext(sandbox));

  expect(waits).toBeNull();
  expect(tools.map(({ name }) => name)).toEqual(['docs__search']);
  expect(outcome).toMatchObject({ text: expect.stringContaining('Found for add') });
  expect(server.requests.every(({ headers }) => headers.authorization === 'Bearer k3y-of-docs')).toBe(true);
  const connected = { server: 'docs', offered: 3, tools: ['docs__search'], withheld: [] };
  expect(events).toEqual([{ kind: 'mcp.connected', data: connected }]);
  expect(JSON.stringify(events)).not.toContain('k3y');
});

test('waits naming the server when nothing answers there, after looking again', async () => {
  await using server = await startMcp();
  const policy = `mcp: { docs: { url: "${nothing}", tools: [search] }, wiki: { url: "${server.url}", tools: [search] } }`;
  const { opened, events } = open({ policy, mcp: { docs: { search: 'read-only' }, wiki: { search: 'read-only' } } });
  await using servers = opened;

  const waits = await servers.wait();

  expect(waits).toMatchObject({ code: 'mcp-unavailable', detail: expect.stringMatching(/^docs: .*ECONNREFUSED/) });
  expect(waits?.detail).not.toContain('wiki');
  expect(events.filter(({ kind }) => kind === 'mcp.failed').length).toBe(1);
});

test('a server that answers at the second look keeps nobody waiting', async () => {
  let refusals = 1;
  await using real = await startMcp();
  await using front = await startHttp(async (request, response, body) => {
    if (refusals > 0) {
      refusals -= 1;
      return response.writeHead(503).end();
    }
    const headers = { ...request.headers, host: new URL(real.url).host } as unknown as Record<string, string>;
    delete headers['content-length'];
    const answer = await fetch(real.url, {
      method: request.method ?? 'POST',
      headers,
      ...(body === '' ? {} : { body }),
    });
    const session = answer.headers.get('mcp-session-id');
    response.writeHead(answer.status, {
      'content-type': answer.headers.get('content-type') ?? 'text/plain',
      ...(session === null ? {} : { 'mcp-session-id': session }),
    });
    response.end(await answer.text());
  });
  const { opened } = open({
    policy: `mcp: { docs: { url: "${front.url}", tools: [search] } }`,
    mcp: { docs: { search: 'read-only' } },
  });
  await using servers = opened;

  expect(await servers.wait()).toBeNull();
  expect(refusals).toBe(0);
});

test.each<[string, string, RegExp]>([
  [
    'its credential is not held',
    `mcp: { docs: { url: "${nothing}", headers: { X: "\${DOCS}" }, tools: [search] } }`,
    /docs: .*MILLWRIGHT_SECRET_DOCS/,
  ],
  ['it has no address', 'mcp: { docs: [search] }', /docs: .*no address/],
])('waits naming the server when %s', async (_when, policy, detail) => {
  const { opened } = open({ policy, mcp: { docs: { search: 'read-only' } } });
  await using servers = opened;

  expect(await servers.wait()).toMatchObject({ code: 'mcp-unavailable', detail: expect.stringMatching(detail) });
});

test('goes on without a granted tool that its server lacks, saying so, and waits for one that the contract names', async () => {
  await using server = await startMcp();
  const policy = `mcp: { docs: { url: "${server.url}", tools: [search, gone, publish] } }`;
  const mcp = { docs: { search: 'read-only', gone: 'read-only', publish: 'read-only' } } as const;
  const without = open({ policy, mcp });
  const named = open({ policy, mcp, named: ['docs.gone'] });
  await using servers = without.opened;
  await using strict = named.opened;

  expect(await servers.wait()).toBeNull();
  expect(servers.withheld()).toEqual([
    'MCP tool docs.gone: the server does not offer it',
    'MCP tool docs.publish: it is granted for reading only, and its server says that it changes things',
  ]);
  expect(await strict.wait()).toMatchObject({
    code: 'mcp-unavailable',
    detail: 'docs.gone: the server does not offer it',
  });
});

test('what a server adds or renames after the first look does not exist for the run', async () => {
  let late = false;
  await using sandbox = await FolderSandbox.open({});
  await using server = await startMcp((made) => {
    if (!late) return docs(made);
    made.registerTool('search_v2', { annotations: { readOnlyHint: true } }, async () => ({ content: [] }));
  });
  const { opened } = open({
    policy: `mcp: { docs: { url: "${server.url}", tools: [search, search_v2] } }`,
    mcp: { docs: { search: 'read-only', search_v2: 'read-only' } },
  });
  await using servers = opened;
  await servers.wait();
  late = true;

  const tools = await servers.tools();
  const outcome = await tools[0]?.run({ query: 'add' }, toolContext(sandbox));

  expect(tools.map(({ name }) => name)).toEqual(['docs__search']);
  expect(outcome).toMatchObject({ text: expect.stringMatching(/not found/i) });
});

test('a server that stops answering is given up after three calls, and each loss is on record', async () => {
  await using sandbox = await FolderSandbox.open({});
  const server = await startMcp();
  const { opened, events } = open({
    policy: `mcp: { docs: { url: "${server.url}", tools: [search] } }`,
    mcp: { docs: { search: 'read-only' } },
  });
  await using servers = opened;
  const tools = await servers.tools();
  await server[Symbol.asyncDispose]();

  const told: string[] = [];
  for (let times = 0; times < 5; times += 1) {
    const outcome = await tools[0]?.run({ query: 'add' }, toolContext(sandbox));
    told.push(outcome?.kind === 'result' ? outcome.text : '');
  }

  expect(told[0]).toMatch(/^No answer of the MCP server docs:\n.*next call connects anew/);
  expect(told[4]).toMatch(/given up after 3 calls/);
  expect(events.filter(({ kind }) => kind === 'mcp.failed').length).toBe(3);
});

test('calls beside one that is never answered, or answered with far too much, get their answers', async () => {
  await using sandbox = await FolderSandbox.open({});
  const failed = Promise.withResolvers<void>();
  await using server = await startMcp((made) => {
    const said = (text: string) => ({ content: [{ type: 'text' as const, text }] });
    made.registerTool('silent', {}, () => new Promise<never>(() => undefined));
    made.registerTool('huge', {}, async () => said('x'.repeat(3 * 1024 ** 2)));
    made.registerTool('late', {}, async () => {
      await failed.promise;
      return said('here after all');
    });
  });
  const { opened, events } = open({
    policy: `mcp: { docs: { url: "${server.url}", tools: [silent, huge, late] } }`,
    mcp: { docs: { silent: 'read-only', huge: 'read-only', late: 'read-only' } },
  });
  await using servers = opened;
  const [silent, huge, late] = await servers.tools();
  const walls = { ...someWalls(), limits: { ...someWalls().limits, toolTimeoutMs: 300 } };
  const patient = toolContext(sandbox);

  const failing = [silent?.run({}, toolContext(sandbox, walls)), huge?.run({}, patient), late?.run({}, patient)];
  const lost = await Promise.all(failing.slice(0, 2));
  failed.resolve();
  const answered = await failing[2];
  const again = await late?.run({}, patient);

  expect(lost).toMatchObject([
    { text: expect.stringMatching(/No answer.*\n.*within 0.3 s/) },
    { text: expect.stringMatching(/No answer.*\n.*larger than/) },
  ]);
  expect(answered).toMatchObject({ text: expect.stringContaining('here after all') });
  expect(again).toMatchObject({ text: expect.stringContaining('here after all') });
  expect(events.filter(({ kind }) => kind === 'mcp.failed')).toHaveLength(2);
});

test('what a server asks of us is on record', async () => {
  await using sandbox = await FolderSandbox.open({});
  await using server = await startMcp((made) => {
    made.registerTool('search', {}, async (extra) => {
      const form = { message: 'Your key?', requestedSchema: { type: 'object' as const, properties: {} } };
      const { EmptyResultSchema } = await import('@modelcontextprotocol/sdk/types.js');
      await extra.sendRequest({ method: 'elicitation/create', params: form }, EmptyResultSchema).catch(() => undefined);
      return { content: [{ type: 'text', text: 'done' }] };
    });
  });
  const { opened, events } = open({
    policy: `mcp: { docs: { url: "${server.url}", tools: [search] } }`,
    mcp: { docs: { search: 'read-only' } },
  });
  await using servers = opened;

  await (await servers.tools())[0]?.run({}, toolContext(sandbox));

  expect(events).toContainEqual({ kind: 'mcp.asked', data: { server: 'docs', methods: ['elicitation/create'] } });
});

test('an entry for some repositories may give another address and credential', () => {
  const general =
    'mcp: { docs: { url: "https://a.example/mcp", headers: { X-Api-Key: "general-key" }, tools: [search] } }';
  const forSome = `for: [{ match: "acme/*", mcp: { docs: { url: "https://b.example/mcp", headers: { X-Api-Key: "\${ACME}" }, tools: [search] } } }]`;
  const parsed = parsePolicyFile(`${general}\n${forSome}`, 'p.yml', 'operator');
  const policy = 'policy' in parsed ? parsed.policy : null;

  const acme = serversFor(policy, 'Acme/small', { ACME: 'k3y' }).get('docs');
  const other = serversFor(policy, 'other/small', {}).get('docs');

  expect(acme).toMatchObject({
    url: 'https://b.example/mcp',
    headers: { 'X-Api-Key': 'k3y' },
    hidden: ['k3y'],
    lacking: [],
  });
  expect(other).toMatchObject({ url: 'https://a.example/mcp', hidden: ['general-key'] });
});
