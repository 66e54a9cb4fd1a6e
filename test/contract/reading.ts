import type { Contract } from '../../src/contract/contract.ts';
import { parseContract } from '../../src/contract/parse.ts';

export function read(body: string): Contract {
  const { contract } = parseContract(body);
  if (!contract) throw new Error('the body should have been a contract');
  return contract;
}

/** A testable contract with one more part. */
export function withPart(part: string): string {
  return `## Goal\n\nSlugs keep their letters.\n\n## Acceptance criteria\n\n- \`Café\` becomes \`cafe\`\n\n${part}`;
}

export function problemsOf(part: string): unknown[] {
  return parseContract(withPart(part)).problems.map(({ field, line, text, blocking }) => ({
    field,
    line,
    text,
    blocking,
  }));
}
