import { execFile } from 'node:child_process';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { promisify } from 'node:util';
import type { Sandbox } from '../../src/sandbox/sandbox.ts';
import { localWall, loopbackExcepted, serviceHost } from '../support/egress-services.ts';
import { testEngine } from '../support/sandboxes.ts';
import { interleaved } from '../support/timing.ts';
import type { BenchRow } from './row.ts';

const bodyBytes = 64 * 1024 ** 2;

/** What network costs a sandbox: at its start, per request, and per byte. */
export async function egressBench(): Promise<BenchRow[]> {
  const body = Buffer.alloc(bodyBytes);
  const server = createServer((request, response) => response.end(request.url === '/large' ? body : 'small'));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  try {
    await using engine = testEngine({ egress: localWall() });
    const network = { hosts: [`${serviceHost}:${port}`], addresses: loopbackExcepted };
    const { image } = await engine.prepareOn({});
    const cycle = async (walls: { network?: typeof network }) => {
      const sandbox = await engine.openOn({}, { image, ...walls });
      await sandbox[Symbol.asyncDispose]();
    };
    const opens = await interleaved(7, { none: () => cycle({}), walled: () => cycle({ network }) });
    await using sandbox = await engine.openOn({}, { image, network });
    const [inside, outside] = [await figuresInside(sandbox, port), await figuresHere(port)];
    return [
      {
        name: 'open and remove with network / without',
        figure: opens.walled,
        floor: opens.none,
        target: 3,
        unit: 'ms',
      },
      {
        name: 'a small request through the wall / straight',
        figure: inside.smallMs,
        floor: outside.smallMs,
        target: null,
        unit: 'ms',
      },
      {
        name: '64 MB through the wall / straight',
        figure: inside.largeMs,
        floor: outside.largeMs,
        target: null,
        unit: 'ms',
      },
    ];
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

interface Figures {
  smallMs: number;
  largeMs: number;
}

/** The same process on both sides: one connection, kept open. */
const measuring = (origin: string) => `
const get = async (path) => { for await (const _ of (await fetch('${origin}' + path)).body); };
const timed = async (path, times) => {
  const found = [];
  for (let at = 0; at < times; at += 1) { const from = performance.now(); await get(path); found.push(performance.now() - from); }
  return found.sort((a, b) => a - b)[Math.floor(times / 2)];
};
get('/small').then(async () => console.log(JSON.stringify({ smallMs: await timed('/small', 200), largeMs: await timed('/large', 3) })));`;

async function figuresInside(sandbox: Sandbox, port: number): Promise<Figures> {
  await sandbox.writeFile('/tmp/measure.js', Buffer.from(measuring(`http://${serviceHost}:${port}`)));
  const { stdout, stderr } = await sandbox.run({ command: 'node /tmp/measure.js', timeoutMs: 120_000 });
  if (stdout.text === '') throw new Error(`nothing was measured inside: ${stderr.text}`);
  return JSON.parse(stdout.text) as Figures;
}

async function figuresHere(port: number): Promise<Figures> {
  const { stdout } = await promisify(execFile)(process.execPath, ['-e', measuring(`http://127.0.0.1:${port}`)]);
  return JSON.parse(stdout) as Figures;
}
