import { promisify } from 'node:util';
import { gunzip, gzip } from 'node:zlib';
import type { Database } from './database.ts';
import { appendIn } from './ledger.ts';

/** A run's change as `git apply` takes it. It outlives containers, mirrors and the branch. */
export interface KeptPatch {
  runId: string;
  attempt: number;
  /** Commit that it applies to. */
  base: string;
  /** Tree that it leads to. */
  tree: string;
  /** When it was kept last, by the database's clock. */
  keptAtMs: number;
  /** Size of the patch, uncompressed. */
  bytes: number;
  /** A secret's value was taken out of it: it is to be read, and no longer leads to `tree`. */
  masked: boolean;
  /** Null when it was too large to keep. Untrusted: written by a model. */
  patch: Uint8Array | null;
}

/** A patch that is longer when compressed is not kept: the tree holds at most 50 MB of changed files. */
const mostKeptBytes = 64 * 1024 ** 2;

const zip = promisify(gzip);
const unzip = promisify(gunzip);

/** Keeps what a round made, and says so in the ledger; kept again, it only becomes the newest. Secrets are masked by the caller. */
export async function keepPatch(
  db: Database,
  made: Pick<KeptPatch, 'runId' | 'attempt' | 'base' | 'tree' | 'masked'> & { patch: Uint8Array },
): Promise<void> {
  const { runId, attempt, base, tree, masked, patch } = made;
  const zipped = await zip(patch);
  const body = zipped.length > mostKeptBytes ? null : zipped.toString('base64');
  await db.transaction(async (sql) => {
    await sql.run(
      `INSERT INTO patches (run_id, base, tree, attempt, made_at_ms, bytes, masked, body)
       VALUES ($1, $2, $3, $4, ${db.nowMs}, $5, $6, $7)
       ON CONFLICT (run_id, base, tree) DO UPDATE SET attempt = excluded.attempt, made_at_ms = excluded.made_at_ms`,
      runId,
      base,
      tree,
      attempt,
      patch.length,
      masked ? 1 : 0,
      body,
    );
    const data = { base, tree, bytes: patch.length, masked, kept: body !== null };
    await appendIn(db, sql, { runId, attempt, kind: 'patch.kept', data });
  });
  await db.wake('events');
}

/** The newest patch of a run, or the newest that leads to a given tree; null when there is none. */
export async function patchOf(db: Database, runId: string, tree: string | null = null): Promise<KeptPatch | null> {
  const which = tree === null ? '' : 'AND tree = $2';
  const [row] = await db.all<PatchRow>(
    `SELECT * FROM patches WHERE run_id = $1 ${which} ORDER BY made_at_ms DESC, attempt DESC LIMIT 1`,
    runId,
    ...(tree === null ? [] : [tree]),
  );
  if (row === undefined) return null;
  return {
    runId: row.run_id,
    attempt: row.attempt,
    base: row.base,
    tree: row.tree,
    keptAtMs: row.made_at_ms,
    bytes: row.bytes,
    masked: row.masked === 1,
    patch: row.body === null ? null : await unzip(Buffer.from(row.body, 'base64')),
  };
}

interface PatchRow {
  run_id: string;
  base: string;
  tree: string;
  attempt: number;
  made_at_ms: number;
  bytes: number;
  masked: number;
  body: string | null;
}
