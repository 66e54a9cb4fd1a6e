/** What a request wants to reach: a plain host name in lower case, and a port. */
export interface EgressTarget {
  host: string;
  port: number;
}

/** Why the proxy lets nothing through. Fit for the pull request: names nothing of the host's own network. */
export type EgressRefusal =
  | 'not a plain host name and port'
  | 'a numeric address'
  | 'not among the granted hosts'
  | 'not the granted port'
  | 'leads to a private or reserved address'
  | 'the Host header names another host'
  | 'not a proxy request'
  | 'not a valid HTTP request'
  | 'too many connections at once'
  | 'the byte limit is reached';

const label = '[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?';
const authority = new RegExp(`^((?:${label}\\.)*${label})(?::(\\d{1,5}))?$`, 'i');

/** Spellings that some resolver reads as an address: digits and dots, octal, hexadecimal, anything in brackets or with two colons. */
const numeric = /^(?:\[.*|.*:.*:.*|(?:[^@]*\.)?(?:\d+|0x[0-9a-f]*)\.?(?::\d*)?)$/i;

const maxNameLength = 253;

/**
 * Reads `host` or `host:port`. Names only: no address in any spelling (decimal, octal, hexadecimal, short, IPv6), no trailing dot,
 * no user part, nothing that a resolver, a URL parser and this function could read differently.
 */
export function readTarget(text: string, defaultPort: number | null): EgressTarget | EgressRefusal {
  if (text.length > maxNameLength + 6) return 'not a plain host name and port';
  if (numeric.test(text)) return 'a numeric address';
  const [, name, digits] = authority.exec(text) ?? [];
  const port = digits === undefined ? defaultPort : Number(digits);
  if (name === undefined || name.length > maxNameLength || port === null || port < 1 || port > 65_535)
    return 'not a plain host name and port';
  return { host: name.toLowerCase(), port };
}

/** The granted `host:port` entries. Exact names only: the policy's schema has no wildcards. */
export class GrantedHosts {
  readonly #targets = new Set<string>();
  readonly #names = new Set<string>();

  constructor(entries: readonly string[]) {
    for (const entry of entries) {
      const target = readTarget(entry, null);
      // An entry that is no name can never be asked for, so it grants nothing.
      if (typeof target === 'string') continue;
      this.#targets.add(`${target.host}:${target.port}`);
      this.#names.add(target.host);
    }
  }

  /** Why this target is not granted; null when it is. */
  refusal({ host, port }: EgressTarget): EgressRefusal | null {
    if (this.#targets.has(`${host}:${port}`)) return null;
    return this.#names.has(host) ? 'not the granted port' : 'not among the granted hosts';
  }
}
