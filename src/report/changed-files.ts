import { cell, code } from './escape.ts';
import type { ChangedFile } from './facts.ts';
import { tableVariants } from './join-within.ts';
import { count } from './phrases.ts';

/** The diffstat as a table, in shorter and shorter variants. */
export function changedFilesTable(changes: readonly ChangedFile[]): string[] {
  const rows = changes.map((file) => [
    file.from === undefined ? path(file.path) : `${path(file.from)} → ${path(file.path)}`,
    cell(file.binary ? `${file.status}, binary` : file.status),
    count(file.added),
    count(file.removed),
  ]);
  return tableVariants(['File', 'Change', 'Added', 'Removed'], rows);
}

function path(text: string): string {
  return code(text, 'cell', 160) || '–';
}
