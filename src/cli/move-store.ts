import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { moveStore } from '../engine/move-store.ts';
import { instanceIn, openStore } from '../open-store.ts';
import { readSettings } from '../settings.ts';
import { CallError, table, processTerminal as terminal } from './terminal.ts';

/** Moves the embedded store of DATA_DIR into the empty database of DATABASE_URL. Errors: CallError, `outside.database`. */
export async function moveToServer(asJson: boolean): Promise<void> {
  const settings = readSettings([]);
  const { DATA_DIR, DATABASE_URL } = settings.environment;
  if (DATABASE_URL === undefined)
    throw new CallError(
      'Set DATABASE_URL to an empty PostgreSQL database, the one that the service shall have from now on.',
    );
  if (!existsSync(join(DATA_DIR, 'millwright.db')))
    throw new CallError(`There is no store in ${resolve(DATA_DIR)}: set DATA_DIR to what the service had.`);
  await using opened = new AsyncDisposableStack();
  const from = await openStore({ ...settings, environment: { ...settings.environment, DATABASE_URL: undefined } });
  opened.defer(() => from.close());
  const to = await openStore(settings);
  opened.defer(() => to.close());
  const { rows } = await moveStore(from, to, instanceIn(DATA_DIR));
  if (asJson) {
    terminal.out(JSON.stringify({ moved: rows }));
    return;
  }
  const counts = Object.entries(rows).filter(([, count]) => count > 0);
  if (counts.length > 0)
    terminal.out(
      table(
        ['TABLE', 'ROWS'],
        counts.map(([name, count]) => [name, String(count)]),
      ),
    );
  terminal.err(
    'Moved. Start the service with DATABASE_URL from now on, and with the same DATA_DIR, where its mirrors are. The old store is kept, but no command opens it any more.',
  );
}
