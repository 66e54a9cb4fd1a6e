import { posix } from 'node:path';
import { isProtected } from '../contract/globs.ts';
import type { Walls } from '../contract/walls.ts';

type WorkPath = { ok: true; path: string } | { ok: false; reason: string };

/** A path of the work tree as the model wrote it, made relative and plain. Nothing outside, nothing of git's own. */
export function workPath(given: string, workdir: string): WorkPath {
  if (/[\0\r\n]/.test(given)) return { ok: false, reason: 'a path is one line without control characters' };
  const inside = given.startsWith(`${workdir}/`) ? given.slice(workdir.length + 1) : given === workdir ? '.' : given;
  if (inside === '') return { ok: false, reason: 'the path is empty' };
  if (inside.startsWith('/')) {
    return { ok: false, reason: `${given} is outside the work tree: paths are relative to ${workdir}` };
  }
  const path = posix.normalize(inside).replace(/\/$/, '');
  if (path === '..' || path.startsWith('../')) return { ok: false, reason: `${given} leads out of the work tree` };
  return { ok: true, path };
}

/** The same for a path that is to be written: protected paths are refused, saying so. Scope is judged on the final diff. */
export function writablePath(given: string, workdir: string, walls: Walls): WorkPath {
  const read = workPath(given, workdir);
  if (!read.ok) return read;
  if (read.path === '.') return { ok: false, reason: `${given} is the work tree itself` };
  if (read.path.split('/').some((part) => part.toLowerCase() === '.git')) {
    return { ok: false, reason: `${read.path} belongs to git itself and is never part of a change` };
  }
  if (isProtected(read.path, walls)) {
    return { ok: false, reason: `${read.path} is a protected path: no run may change it, whatever the contract says` };
  }
  return read;
}
