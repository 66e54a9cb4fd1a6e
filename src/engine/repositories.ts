import type { Database, Sql } from './database.ts';
import { moveRepository } from './rename.ts';
import { requestCancel } from './runs.ts';

/** A repository as GitHub tells of it. Its number and its account's stay the same; their names may change hands. */
export interface Told {
  /** `host/owner/name`, in lower case. */
  key: string;
  owner: string;
  name: string;
  id: number;
  ownerId: number;
}

interface Row {
  id: number;
  key: string;
  owner_id: number;
  owner: string;
  name: string;
}

/**
 * The name under which the things of a repository are found. Null when its name is another's by now, and its own not known.
 * A delivery may come late, so its name only counts for a repository that nobody has heard of; what is `sure` (a list of
 * now, word of a rename from `formerly`) moves what is kept. Errors: `outside.database`.
 */
export async function recognise(
  db: Database,
  told: Told,
  { sure, formerly }: { sure: boolean; formerly?: string },
): Promise<{ owner: string; name: string } | null> {
  const isSettled = (row: Row | null): row is Row => row !== null && (row.key === told.key || !sure);
  const known = await rowOf(db, told.id);
  if (isSettled(known)) return nameOf(known);
  const row = await db.transaction(
    async (sql) => {
      // Another process may have heard of it since, and of one that took its name over.
      const now = await rowOf(sql, told.id);
      if (isSettled(now)) return now;
      if (formerly !== undefined) await adopt(sql, { ...told, key: formerly });
      await place(sql, told);
      return rowOf(sql, told.id);
    },
    { claimLock: true },
  );
  await stopAside(db);
  return row && nameOf(row);
}

const nameOf = ({ key, owner, name }: Row) => (isAside(key) ? null : { owner, name });

/** The same for all that GitHub lists now: together, so that names may have been exchanged. */
export async function recogniseInstalled(db: Database, installed: readonly Told[]): Promise<void> {
  const rows = new Map((await db.all<Row>('SELECT * FROM repositories')).map((row) => [row.id, row]));
  const moved = installed.filter((told) => rows.get(told.id)?.key !== told.key);
  if (moved.length > 0)
    await db.transaction(
      async (sql) => {
        for (const { id } of moved) {
          const known = await rowOf(sql, id);
          if (known !== null) await setAside(sql, known);
        }
        for (const told of moved) await place(sql, told);
      },
      { claimLock: true },
    );
  // Also where nothing moved now: whoever set something aside may have been killed before this.
  await stopAside(db);
}

const rowOf = async (sql: Sql, id: number): Promise<Row | null> =>
  (await sql.all<Row>('SELECT * FROM repositories WHERE id = $1', id))[0] ?? null;

/** No account and no repository of GitHub's has this sign in its name, so nothing there is ever reached. */
const asideSign = '@';
const isAside = (key: string) => key.includes(asideSign);

/** What is kept of a repository whose name is another's goes where nobody who bears the name finds it. */
async function setAside(sql: Sql, { id, key, owner, name }: Row): Promise<string> {
  if (isAside(key)) return key;
  const aside = `${key}${asideSign}${id}`;
  await moveRepository(sql, key, { key: aside, owner, name: `${name}${asideSign}${id}` });
  await sql.run('UPDATE repositories SET key = $2 WHERE id = $1', id, aside);
  return aside;
}

/** A store from before numbers were kept has things under a name alone: they are of who had it. */
async function adopt(sql: Sql, told: Told): Promise<void> {
  const taken = await sql.all('SELECT id FROM repositories WHERE id = $1 OR key = $2', told.id, told.key);
  if (taken.length === 0) await place(sql, told);
}

async function place(sql: Sql, told: Told): Promise<void> {
  const [other] = await sql.all<Row>('SELECT * FROM repositories WHERE key = $1 AND id <> $2', told.key, told.id);
  if (other) await setAside(sql, other);
  const known = await rowOf(sql, told.id);
  // Under another account it is another tenant's, and begins anew.
  if (known && known.owner_id !== told.ownerId) await setAside(sql, known);
  else if (known && known.key !== told.key) await moveRepository(sql, known.key, told);
  await sql.run(
    `INSERT INTO repositories (id, key, owner_id, owner, name) VALUES ($1, $2, $3, $4, $5)
     ON CONFLICT (id) DO UPDATE SET key = excluded.key, owner_id = excluded.owner_id, owner = excluded.owner, name = excluded.name`,
    told.id,
    told.key,
    told.ownerId,
    told.owner,
    told.name,
  );
  for (const [name, id] of namesOf({ key: told.key, id: told.id, owner_id: told.ownerId }))
    await sql.run('INSERT INTO names (name, id) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING', name, id);
}

/** Nobody can carry on what was set aside: GitHub gives its name to someone else. */
async function stopAside(db: Database): Promise<void> {
  const live = await db.all<{ id: string }>(
    `SELECT id FROM runs WHERE state IN ('queued', 'running', 'waiting') AND repository LIKE '%${asideSign}%'`,
  );
  for (const { id } of live)
    await requestCancel(db, id, { by: 'the app', reason: 'another repository has its name now' });
}

/** The repository's own name and its account's, with the number that each is now. */
function namesOf({ key, id, owner_id }: Pick<Row, 'key' | 'id' | 'owner_id'>): [name: string, id: number][] {
  return [
    [key, id],
    [key.slice(0, key.lastIndexOf('/')), owner_id],
  ];
}

/**
 * Whether what the operator grants by name is meant for the repository that bears it: the first that was seen with it, under
 * the account first seen with its own name, or the one that the operator has named since. True where nothing is known.
 */
export async function isTrusted(db: Sql, key: string): Promise<boolean> {
  const [row] = await db.all<Row>('SELECT * FROM repositories WHERE key = $1', key);
  return row === undefined || (await isMeant(db, row));
}

async function isMeant(db: Sql, row: Row): Promise<boolean> {
  for (const [name, id] of namesOf(row))
    if ((await db.all('SELECT id FROM names WHERE name = $1 AND id <> $2', name, id)).length > 0) return false;
  return true;
}

/** `owner/name` of the repositories whose names were others' before, in order. */
export async function untrusted(db: Sql): Promise<string[]> {
  const found: string[] = [];
  for (const row of await db.all<Row>('SELECT * FROM repositories ORDER BY key'))
    if (!isAside(row.key) && !(await isMeant(db, row))) found.push(`${row.owner}/${row.name}`);
  return found;
}

/** The operator means whoever bears the name now. False when no such repository is known. */
export async function trust(db: Database, key: string): Promise<boolean> {
  const [row] = await db.all<Row>('SELECT * FROM repositories WHERE key = $1', key);
  if (row === undefined) return false;
  for (const [name, id] of namesOf(row)) await db.run('UPDATE names SET id = $2 WHERE name = $1', name, id);
  return true;
}

/** GitHub's number of the repository that bears a name; null when it is not known. */
export async function idOf(db: Sql, key: string): Promise<number | null> {
  const [row] = await db.all<{ id: number }>('SELECT id FROM repositories WHERE key = $1', key);
  return row?.id ?? null;
}

/** The app was installed anew: what is known of a repository is reached through its present installation from now on. */
export async function followInstallation(db: Database, repository: string, installationId: number): Promise<void> {
  const moved = 'UPDATE runs SET installation_id = $2 WHERE repository = $1 AND installation_id <> $2';
  await db.run(moved, repository, installationId);
}
