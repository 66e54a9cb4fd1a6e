import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Doors } from '../../src/doors.ts';
import type { SandboxEngine } from '../../src/sandbox/sandbox.ts';
import { readSettings } from '../../src/settings.ts';
import { openDoors } from '../../src/wiring.ts';
import { environmentFor } from './factory.ts';
import type { GitHubStandIn } from './github-stand-in.ts';

/** The real doors on a store of their own, with the stand-in as GitHub. Nothing runs behind them; no model is asked. */
export async function realDoors(
  github: GitHubStandIn,
  sandbox?: SandboxEngine,
): Promise<{ doors: Doors; remove: () => Promise<void> }> {
  const dataDir = await mkdtemp(join(tmpdir(), 'real-doors-'));
  const model = { apiKey: 'unused', url: 'http://127.0.0.1:9/v1' };
  const settings = readSettings(['app', 'model'], environmentFor(github, model, dataDir));
  const doors = await openDoors(settings);
  return {
    doors: sandbox ? { ...doors, sandbox } : doors,
    remove: async () => {
      await doors.db.close();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}
