import { BlockList, isIPv4, isIPv6 } from 'node:net';
import { networkInterfaces } from 'node:os';
import { MillwrightError } from '../errors.ts';

/** IANA special-purpose registries (IPv4), multicast and the reserved top. */
const reservedIpv4 = [
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.0.2.0/24',
  '192.88.99.0/24',
  '192.168.0.0/16',
  '198.18.0.0/15',
  '198.51.100.0/24',
  '203.0.113.0/24',
  '224.0.0.0/4',
  '240.0.0.0/4',
];

/** All global unicast lies in here (IANA); what else the registry reserves inside follows. */
const globalIpv6 = '2000::/3';
const reservedIpv6 = ['2001::/23', '2001:db8::/32', '2002::/16', '3fff::/20'];

/** Credentials of cloud machines are served here (AWS, Azure, Google, Oracle, Alibaba). No exception opens these. */
const metadata = [
  '169.254.169.254/32',
  '169.254.170.2/32',
  '169.254.170.23/32',
  '100.100.100.200/32',
  '168.63.129.16/32',
  '192.0.0.192/32',
  'fd00:ec2::254/128',
  'fd00:ec2::23/128',
  'fd20:ce::254/128',
];

const reserved = blockList([...reservedIpv4, ...reservedIpv6]);
const global = blockList([globalIpv6]);
const neverReachable = blockList(metadata);

/** Which resolved addresses may be connected to. Errors of the constructor: `request.policy-invalid` for a range that cannot be read. */
export class ReachableAddresses {
  readonly #excepted: BlockList;
  readonly #own: BlockList;

  /** `exceptions`: the operator's CIDR ranges. `ownAddresses`: of this machine, whose services are never meant. */
  constructor(exceptions: readonly string[], ownAddresses: readonly string[] = addressesOfThisMachine()) {
    this.#excepted = blockList(exceptions);
    this.#own = new BlockList();
    for (const address of ownAddresses) {
      if (isIPv4(address) || isIPv6(address)) this.#own.addAddress(address, familyOf(address));
    }
  }

  allows(address: string): boolean {
    const plain = plainAddress(address);
    if (plain === null || neverReachable.check(plain, familyOf(plain))) return false;
    const family = familyOf(plain);
    if (this.#excepted.check(plain, family)) return true;
    if (this.#own.check(plain, family) || reserved.check(plain, family)) return false;
    return family === 'ipv4' || global.check(plain, family);
  }
}

/** The address that is meant in the end: IPv4 inside IPv4-mapped and NAT64 addresses. Null for what is none, or carries a zone. */
function plainAddress(address: string): string | null {
  if (isIPv4(address)) return address;
  if (!isIPv6(address) || address.includes('%')) return null;
  const groups = ipv6Groups(address);
  const prefix = groups
    .slice(0, 6)
    .map((group) => group.toString(16))
    .join(':');
  if (prefix !== '0:0:0:0:0:ffff' && prefix !== '64:ff9b:0:0:0:0') return address;
  return groups
    .slice(6)
    .flatMap((group) => [group >> 8, group & 255])
    .join('.');
}

function ipv6Groups(address: string): number[] {
  // The URL parser writes every spelling in one form, without dotted tails.
  const text = new URL(`http://[${address}]/`).hostname.slice(1, -1);
  const [head = '', tail] = text.split('::');
  const read = (part: string) => (part === '' ? [] : part.split(':').map((group) => Number.parseInt(group, 16)));
  if (tail === undefined) return read(head);
  const [front, back] = [read(head), read(tail)];
  return [...front, ...new Array<number>(8 - front.length - back.length).fill(0), ...back];
}

function blockList(ranges: readonly string[]): BlockList {
  const list = new BlockList();
  for (const range of ranges) {
    const [network = '', bits = ''] = range.split('/');
    try {
      // No length is no range: read as a number it would be zero, and except everything.
      if (!/^\d{1,3}$/.test(bits)) throw new RangeError('no prefix length');
      list.addSubnet(network, Number(bits), familyOf(network));
    } catch (cause) {
      throw new MillwrightError('request.policy-invalid', {
        message: `network.addresses: ${range} is no CIDR range`,
        detail: `\`network.addresses\`: \`${range.slice(0, 60)}\` is no CIDR range`,
        cause,
      });
    }
  }
  return list;
}

function familyOf(address: string): 'ipv4' | 'ipv6' {
  return address.includes(':') ? 'ipv6' : 'ipv4';
}

function addressesOfThisMachine(): string[] {
  return Object.values(networkInterfaces()).flatMap((addresses) => (addresses ?? []).map(({ address }) => address));
}
