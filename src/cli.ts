import { Command } from 'commander';
import type { Database } from './engine/database.ts';
import { eventsOf } from './engine/ledger.ts';
import { beginAttempt, getRun, listRuns, requestCancel } from './engine/runs.ts';
import type { Run } from './run.ts';
import { startService } from './serve.ts';
import { readSettings } from './settings.ts';
import { openDoors, openStore } from './wiring.ts';

/** Longest that a stop may take before the process ends all the same (SPEC: 10 s). */
const stopWithinMs = 9_000;

/** Runs one command; the exit code: 0 done, 1 failed or not found, 2 the environment or the call is wrong. */
export async function runCli(argv: readonly string[]): Promise<number> {
  let code = 0;
  const program = new Command('millwright')
    .description('Turns well-specified issues into pull requests that a reviewer can trust.')
    .exitOverride((error) => {
      code = error.exitCode === 0 ? 0 : 2;
      throw error;
    });
  program
    .command('serve')
    .description('webhooks and one worker in one process')
    .option('--no-worker', 'take webhooks only; workers run elsewhere')
    .action(async (options: { worker: boolean }) => serve({ web: true, runs: options.worker }));
  program
    .command('worker')
    .description('carry runs only, on the store that DATABASE_URL names')
    .action(async () => serve({ web: false, runs: true }));
  program
    .command('runs')
    .description('list runs, newest first')
    .option('--json', 'machine-readable')
    .option('--limit <n>', 'how many', '20')
    .action(async (options: { json?: boolean; limit: string }) => {
      await withStore(async (db) =>
        printRuns(await listRuns(db, { limit: Number(options.limit) }), options.json === true),
      );
    });
  program
    .command('show <run>')
    .description('one run with its ledger')
    .option('--json', 'machine-readable')
    .action(async (id: string, options: { json?: boolean }) => {
      await withStore(async (db) => {
        code = await showRun(db, id, options.json === true);
      });
    });
  program
    .command('stop <run>')
    .description('end a run in any state')
    .option('--reason <text>', 'told on the issue', '')
    .action(async (id: string, options: { reason: string }) => {
      await withStore(async (db) => {
        console.log(await requestCancel(db, id, { by: 'operator', reason: options.reason }));
      });
    });
  program
    .command('retry <run>')
    .description('begin a new attempt of a run that has ended or waits')
    .action(async (id: string) => {
      await withStore(async (db) => {
        const begun = await beginAttempt(db, id, { from: 'build', reason: 'retry', by: 'operator', guidance: null });
        if (!begun) code = 1;
        console.log(begun ? `attempt ${begun.attempt} is queued` : 'not begun: the run does not exist, or is going on');
      });
    });
  try {
    await program.parseAsync([...argv]);
  } catch (error) {
    if (error instanceof Error && 'exitCode' in error) return code;
    throw error;
  }
  return code;
}

/** Serves until SIGTERM or SIGINT, then hands everything back. */
async function serve(options: { web: boolean; runs: boolean }): Promise<void> {
  const settings = readSettings(['app', ...(options.runs ? (['model'] as const) : [])]);
  const doors = await openDoors(settings);
  const service = await startService(settings, doors, options);
  const signal = await new Promise<string>((resolve) => {
    process.once('SIGTERM', () => resolve('SIGTERM'));
    process.once('SIGINT', () => resolve('SIGINT'));
  });
  doors.log.info({ signal }, 'stopping: leases go back to the queue');
  const late = setTimeout(() => process.exit(0), stopWithinMs);
  await service.stop();
  clearTimeout(late);
  process.exit(0);
}

async function withStore(work: (db: Database) => Promise<void>): Promise<void> {
  const db = await openStore(readSettings([]));
  try {
    await work(db);
  } finally {
    await db.close();
  }
}

function printRuns(runs: readonly Run[], json: boolean): void {
  if (json) {
    console.log(JSON.stringify(runs, null, 2));
    return;
  }
  for (const run of runs) {
    console.log(
      [
        run.id,
        run.state.padEnd(8),
        `${run.owner}/${run.name}#${run.issue}`,
        `attempt ${run.attempt}`,
        run.stage,
        run.outcome?.text ?? '',
      ].join('  '),
    );
  }
  if (runs.length === 0) console.log('no runs yet');
}

async function showRun(db: Database, id: string, json: boolean): Promise<number> {
  const run = await getRun(db, id);
  if (!run) {
    console.error(`there is no run ${id}; \`millwright runs\` lists them`);
    return 1;
  }
  const events = await eventsOf(db, id, { limit: 10_000 });
  if (json) console.log(JSON.stringify({ run, events }, null, 2));
  else {
    printRuns([run], false);
    for (const event of events)
      console.log(`${new Date(event.atMs).toISOString()}  ${event.kind}  ${JSON.stringify(event.data).slice(0, 160)}`);
  }
  return 0;
}
