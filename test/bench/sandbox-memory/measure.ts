import { readFileSync, writeFileSync } from 'node:fs';
import type { Sandbox } from '../../../src/sandbox/sandbox.ts';
import { testEngine, testLimits } from '../../support/sandboxes.ts';

/**
 * Memory that sandboxes take in this process, in megabytes, as one line of JSON. To be started alone, with `--expose-gc`, on Linux:
 * the kernel's own peak is read, which no interval between two looks can miss.
 */
const limits = { ...testLimits, memoryBytes: 512 * 1024 ** 2, diskBytes: 1024 ** 3, outputBytes: 1024 ** 3 };
const call = (command: string) => ({ command, timeoutMs: 120_000 });
const sandboxes = 6;

function megabytes(field: 'VmRSS' | 'VmHWM'): number {
  const kilobytes = new RegExp(`${field}:\\s+(\\d+) kB`).exec(readFileSync('/proc/self/status', 'utf8'))?.[1];
  return Number(kilobytes) / 1024;
}

/** Resident memory once everything that is not held is given back. */
async function settled(): Promise<number> {
  for (let round = 0; round < 3; round += 1) {
    globalThis.gc?.();
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return megabytes('VmRSS');
}

async function opened(image: string): Promise<Sandbox> {
  const sandbox = await engine.openOn({}, { image, limits });
  await sandbox.run(call('seq 1 20000'));
  return sandbox;
}

await using engine = testEngine();
const { image } = await engine.prepareOn({});
// The first one loads code and fills caches that all share.
const first = await opened(image);
const before = await settled();
const more: Sandbox[] = [];
for (let count = 0; count < sandboxes; count += 1) more.push(await opened(image));
const open = await settled();
// Sets the kernel's peak back to what is resident now.
writeFileSync('/proc/self/clear_refs', '5');
const { stdout } = await first.run(call('head -c 300000000 /dev/zero'));
if (stdout.totalBytes !== 300_000_000) throw new Error(`${stdout.totalBytes} bytes came`);
console.log(JSON.stringify({ perSandbox: (open - before) / sandboxes, forOutput: megabytes('VmHWM') - open }));
// One that is never closed keeps the process listening to the engine.
for (const sandbox of [first, ...more]) await sandbox[Symbol.asyncDispose]();
