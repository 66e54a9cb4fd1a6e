// Run by the scale benches as a process of its own: the service of the environment, but containers are folders.

import { startService } from '../../src/serve.ts';
import { readSettings } from '../../src/settings.ts';
import { openDoors } from '../../src/wiring.ts';
import { FolderEngine } from '../doubles/sandbox-engine.ts';

/** What the service takes: webhooks, runs or both, as arguments. */
if (process.argv[2] === 'serve-in-folders') {
  const settings = readSettings(['app', 'model'], process.env);
  const doors = { ...(await openDoors(settings)), sandbox: new FolderEngine() };
  const parts = process.argv.slice(3);
  const service = await startService(settings, doors, { web: parts.includes('web'), runs: parts.includes('runs') });
  console.log(`ready ${service.app?.port ?? 0}`);
}
