export interface Fault {
  /** Any method when left out. */
  method?: string;
  /** Tested against path and query as the API knows them (`/repos/acme/x/pulls?state=open`, `/acme/x.git/info/refs?…`). */
  path: RegExp;
  /** `before`: the call has no effect. `after`: it takes effect and the answer is lost or replaced. */
  mode?: 'before' | 'after';
  /** Answers this status instead. */
  status?: number;
  /** Cuts the connection. */
  drop?: boolean;
  /** Waits so long; alone, the call then goes on as usual, or with `after` its answer comes so late. */
  delayMs?: number;
  /** Waits until this is settled. */
  until?: Promise<unknown>;
  headers?: Record<string, string>;
  body?: unknown;
  /** How often it strikes; once by default. */
  times?: number;
}

export interface PlacedFault {
  hits: () => number;
  remove: () => void;
}

interface Armed extends Fault {
  struck: number;
}

export interface Faults {
  place: (fault: Fault) => PlacedFault;
  /** The fault that strikes now, already counted. */
  strike: (method: string, path: string) => Fault | null;
}

export function createFaults(): Faults {
  const placed: Armed[] = [];
  const remove = (fault: Armed): void => {
    const index = placed.indexOf(fault);
    if (index >= 0) placed.splice(index, 1);
  };
  return {
    place: (fault) => {
      const armed: Armed = { ...fault, struck: 0 };
      placed.push(armed);
      return { hits: () => armed.struck, remove: () => remove(armed) };
    },
    strike: (method, path) => {
      const armed = placed.find((fault) => (fault.method ?? method) === method && fault.path.test(path));
      if (!armed) return null;
      armed.struck++;
      if (armed.struck >= (armed.times ?? 1)) remove(armed);
      return armed;
    },
  };
}

export async function waitFor(fault: Fault): Promise<void> {
  if (fault.delayMs) await new Promise((resolve) => setTimeout(resolve, fault.delayMs));
  await fault.until;
}

export const strikesAnswer = (fault: Fault): boolean => fault.drop === true || fault.status !== undefined;
