import type { ContractLimits } from './contract/contract.ts';
import type { Walls } from './contract/walls.ts';
import type { MillwrightError } from './errors.ts';
import type { Outcome } from './run.ts';

/** Says which limit ended an attempt: the clause of the contract's stop condition where it was that, else the key of the policy. */
export function reachedText(
  key: string,
  { contract, walls }: { contract: { stop: { limits: ContractLimits } }; walls: Pick<Walls, 'limits'> },
): string {
  const [, name = ''] = /^limits\.(minutes|turns|rounds|tokens|dollars)$/.exec(key) ?? [];
  const asked = contract.stop.limits[name as keyof ContractLimits];
  const inForce = walls.limits[name as keyof ContractLimits];
  // The policy may be the narrower one: then it is what was reached.
  if (asked !== undefined && asked === inForce)
    return `The stop condition of the contract was reached: max ${name}: ${asked} (${key}).`;
  return `The limit ${key}${inForce === undefined || inForce === null ? '' : ` (${inForce})`} was reached.`;
}

/** The limit that was reached is named in the sentence; other details are output. */
export function failedOutcome({ code, requesterMessage, detail }: MillwrightError): Outcome {
  const isKey = detail !== undefined && /^(?:limits|budget)\.[a-z_]+$/.test(detail);
  const text = isKey ? `${requesterMessage.replace(/\.$/, '')}: ${detail}.` : requesterMessage;
  return { code, text, question: null, detail: isKey ? null : (detail ?? null) };
}
