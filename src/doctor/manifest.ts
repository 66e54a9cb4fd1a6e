import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import { z } from 'zod';

/** What the app is registered by, and what `doctor` holds its registration against. */
export const manifestUrl = new URL('../../app.yml', import.meta.url);

const manifestShape = z.looseObject({
  default_permissions: z.record(z.string(), z.string()),
  default_events: z.array(z.string()),
});

export interface Manifest {
  permissions: Readonly<Record<string, string>>;
  events: readonly string[];
}

export function readManifest(): Manifest {
  const read = manifestShape.parse(parse(readFileSync(manifestUrl, 'utf8')));
  return { permissions: read.default_permissions, events: read.default_events };
}
