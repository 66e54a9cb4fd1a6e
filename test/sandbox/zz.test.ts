import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, it } from 'vitest';
import { systemClock } from '../../src/clock.ts';
import { createEgressWall } from '../../src/sandbox/egress-wall.ts';
import { docker, testEngine } from '../support/sandboxes.ts';

it('works', async () => {
  const log = { debug: () => {}, warn: (...a: unknown[]) => console.log(a) };
  const server = createServer((q, s) => { s.writeHead(200); q.url === '/big' ? s.end(Buffer.alloc(400*1024**2)) : s.end(`hi ${q.url} ${JSON.stringify(q.rawHeaders)}`); });
  await new Promise<void>((r) => server.listen(0, '127.0.0.1', r));
  const port = (server.address() as AddressInfo).port;
  await using engine = testEngine({ egress: createEgressWall({ clock: systemClock, log, resolve: async () => ['127.0.0.1'] }) });
  const network = { hosts: [`svc.example:${port}`], addresses: ['127.0.0.0/8'] };
  await engine.prepareOn({ a: 'b' });
  console.time('none'); { await using s = await engine.openOn({ a: 'b' }); void s; console.timeEnd('none'); }
  console.time('open');
  await using sandbox = await engine.openOn({ a: 'b' }, { network });
  console.timeEnd('open');
  const run = async (command: string) => { const t = Date.now(); const r = await sandbox.run({ command, timeoutMs: 60000 }); console.log(command.slice(0, 100), Date.now() - t, r.end, r.exitCode, r.stdout.text.slice(0, 800), r.stderr.text.slice(0, 800)); };
  await run('env | grep -i proxy; ls -la /run/millwright; cat /proc/net/tcp');
  await run(`node -e "fetch('http://svc.example:${port}/x').then(r=>r.text()).then(console.log)"`);
  await run(`node -e "fetch('http://svc.example:${port}/big').then(async r=>{let n=0;const t=Date.now();for await(const c of r.body)n+=c.length;console.log(n,Date.now()-t)})"`);
  await run(`node -e "fetch('http://other.example:${port}/x').then(async r=>console.log(r.status, await r.text()))"`);
  await run(`python3 -c "import urllib.request as u; print(u.urlopen('http://svc.example:${port}/y').read())"`);
  await run(`git ls-remote https://other.example/x.git`);
  console.log(sandbox.blocked());
  console.log(await docker('ps', '-a', '--filter', `label=millwright.instance=${engine.instance}`, '--format', '{{.Names}} {{.Status}}'));
  await sandbox[Symbol.asyncDispose]();
  console.log(await docker('ps', '-a', '--filter', `label=millwright.instance=${engine.instance}`, '--format', '{{.Names}} {{.Status}}'));
  expect(1).toBe(1);
}, 120000);
