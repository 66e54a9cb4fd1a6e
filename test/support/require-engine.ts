import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const image = 'millwright/sandbox';
const run = promisify(execFile);

/** Runs once before all tests. They never skip what needs Docker, so a missing engine or image fails the whole run. */
export default async function requireEngine(): Promise<void> {
  await demand(['version', '--format', '{{.Server.Version}}'], 'no Docker engine answers');
  await demand(['image', 'inspect', '--format', '{{.Id}}', image], `the image ${image} is missing`);
}

async function demand(args: string[], otherwise: string): Promise<void> {
  try {
    await run('docker', args, { timeout: 30_000 });
  } catch (cause) {
    throw new Error(`${otherwise}: run script/bootstrap`, { cause });
  }
}
