import { readServiceSettings } from '../operator-policy.ts';
import { startService } from '../serve.ts';
import { openDoors } from '../wiring.ts';
import { processTerminal } from './terminal.ts';

/** Longest that a stop may take before the process ends all the same (SPEC: 10 s). */
const stopWithinMs = 9_000;

/** Serves until SIGTERM or SIGINT, then hands everything back. */
export async function serve(options: { web: boolean; runs: boolean }): Promise<void> {
  // Heard from the first moment: whoever sees the service answer may stop it.
  const stopped = new Promise<string>((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      process.once(signal, () => {
        setTimeout(() => process.exit(0), stopWithinMs);
        resolve(signal);
      });
    }
  });
  const settings = readServiceSettings(['app', ...(options.runs ? (['model'] as const) : [])]);
  const doors = await openDoors(settings);
  const service = await startService(settings, doors, options);
  // Whoever starts it by hand looks at a terminal; and where the log leaves such lines out, nobody would learn the link.
  const isHidden = !doors.log.isLevelEnabled('info');
  if (service.link !== null && (process.stdout.isTTY || isHidden)) processTerminal.out(`Dashboard: ${service.link}`);
  const signal = await stopped;
  doors.log.info({ signal }, 'stopping: leases go back to the queue');
  await service.stop();
  process.exit(0);
}
