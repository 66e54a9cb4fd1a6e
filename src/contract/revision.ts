import { createHash } from 'node:crypto';
import type { Contract } from './contract.ts';
import { parseContract } from './parse.ts';

/**
 * A body's normalised form: its parsed contract as JSON with sorted keys, notes included, line numbers not. Line ends, spacing, list markers, comments and
 * the written form do not matter; anything that means something does. What could not be understood is part of it too.
 */
export function normaliseContract(body: string): string {
  const { contract, problems } = parseContract(body);
  const unread = problems.filter(({ text }) => text !== null).map(({ field, text }) => ({ field, text }));
  return canonicalJson({
    contract: contract && withoutLines(contract),
    unread,
    raw: contract ? undefined : body.replace(/\s+/gu, ' ').trim(),
  });
}

/** `sha256:<64 hex>` of the normalised form: the name of a revision. */
export function revisionOf(body: string): `sha256:${string}` {
  return hashOf(normaliseContract(body));
}

/** The revision of a contract that no body spells, such as one amended by `/allow`. */
export function revisionOfContract(contract: Contract): `sha256:${string}` {
  return hashOf(canonicalJson({ contract: withoutLines(contract), unread: [] }));
}

function hashOf(text: string): `sha256:${string}` {
  return `sha256:${createHash('sha256').update(text).digest('hex')}`;
}

function withoutLines(contract: Contract): unknown {
  return { ...contract, checks: contract.checks.map(({ line: _line, ...check }) => check) };
}

function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) =>
    inner !== null && typeof inner === 'object' && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );
}
