import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ReachableAddresses } from '../../src/sandbox/egress-addresses.ts';
import { BlockedAttempts } from '../../src/sandbox/egress-blocked.ts';
import { endToEnd, valuesOf } from '../../src/sandbox/egress-headers.ts';
import { GrantedHosts, readTarget } from '../../src/sandbox/egress-target.ts';

describe('a target', () => {
  it('is a plain name and a port', () => {
    expect(readTarget('Registry.Example.org:443', null)).toEqual({ host: 'registry.example.org', port: 443 });
    expect(readTarget('registry.example.org', 80)).toEqual({ host: 'registry.example.org', port: 80 });
    expect(readTarget('registry.example.org', null)).toBe('not a plain host name and port');
    expect(readTarget('registry.example.org:0', null)).toBe('not a plain host name and port');
    expect(readTarget('registry.example.org:65536', null)).toBe('not a plain host name and port');
  });

  it.each([
    '127.0.0.1:443',
    '127.1:443',
    '2130706433:443',
    '0x7f000001:443',
    '0x7f.0.0.1:443',
    '017700000001:443',
    '0177.0.0.1:443',
    '127.0.0.1.:443',
    '[::1]:443',
    '::1',
    '::1:443',
    '[::ffff:127.0.0.1]:443',
    '[fe80::1%25eth0]:443',
    '1.2.3.4',
    'example.org.1:443',
    'example.org.0x7f:443',
  ])('is no address, however it is spelled: %s', (text) => {
    expect(readTarget(text, 443)).toBe('a numeric address');
  });

  it.each([
    'example.org.:443',
    'user@example.org:443',
    'user:word@example.org:443',
    'example.org:443:443@x',
    'exa mple.org:443',
    'example.org%2f:443',
    'example.org\\@other.org:443',
    'example.org/:443',
    'example.org#:443',
    'exämple.org:443',
    'example。org:443',
    'example.org\u0000:443',
    '-example.org:443',
    'example..org:443',
    '.example.org:443',
    '*.example.org:443',
    ':443',
    '',
    `${'a'.repeat(64)}.org:443`,
    `${'a.'.repeat(130)}org:443`,
  ])('is nothing that two readers could read differently: %j', (text) => {
    expect(typeof readTarget(text, 443)).toBe('string');
  });

  it('is granted by exact name and port alone', () => {
    const granted = new GrantedHosts(['registry.example.org:443', 'Mirror.example.org:80', '10.0.0.1:80', '*.org:443']);

    const refusal = (host: string, port: number) => granted.refusal({ host, port });

    expect(refusal('registry.example.org', 443)).toBeNull();
    expect(refusal('mirror.example.org', 80)).toBeNull();
    expect(refusal('registry.example.org', 80)).toBe('not the granted port');
    expect(refusal('evil.registry.example.org', 443)).toBe('not among the granted hosts');
    expect(refusal('example.org', 443)).toBe('not among the granted hosts');
    expect(refusal('10.0.0.1', 80)).toBe('not among the granted hosts');
  });

  it('never has characters that mean something elsewhere', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 40 }), (text) => {
        const target = readTarget(text, 443);

        if (typeof target === 'object') expect(target.host).toMatch(/^[a-z0-9_.-]+$/);
      }),
    );
  });
});

describe('an address', () => {
  const none = new ReachableAddresses([], []);

  it.each([
    '0.0.0.0',
    '10.1.2.3',
    '100.64.0.1',
    '127.0.0.1',
    '127.255.255.254',
    '169.254.169.254',
    '169.254.0.1',
    '172.16.0.1',
    '172.31.255.255',
    '192.0.0.192',
    '192.0.2.1',
    '192.168.1.1',
    '198.18.0.1',
    '203.0.113.9',
    '224.0.0.1',
    '239.255.255.255',
    '255.255.255.255',
    '168.63.129.16',
    '::',
    '::1',
    '::127.0.0.1',
    '::ffff:127.0.0.1',
    '::ffff:7f00:1',
    '::ffff:10.0.0.1',
    '0:0:0:0:0:ffff:a9fe:a9fe',
    '64:ff9b::7f00:1',
    '64:ff9b::169.254.169.254',
    '64:ff9b:1::8.8.8.8',
    '100::1',
    '2001::1',
    '2001:db8::1',
    '2002:7f00:1::',
    '2002:a00:1::1',
    '3fff::1',
    '5f00::1',
    'fc00::1',
    'fd00:ec2::254',
    'fe80::1',
    'fe80::1%eth0',
    '2606:4700::1%eth0',
    'fec0::1',
    'ff02::1',
    'localhost',
    '',
    '1.2.3',
  ])('of a private, reserved or metadata range is not reachable: %s', (address) => {
    expect(none.allows(address)).toBe(false);
  });

  it.each([
    '1.1.1.1',
    '8.8.8.8',
    '100.63.0.1',
    '172.32.0.1',
    '2606:4700:4700::1111',
    '64:ff9b::1.1.1.1',
    '::ffff:1.1.1.1',
  ])('of the public network is: %s', (address) => {
    expect(none.allows(address)).toBe(true);
  });

  it('is reachable where the operator excepts its range, in every spelling, but metadata never', () => {
    const excepted = new ReachableAddresses(['10.1.0.0/16', 'fd00::/8', '169.254.0.0/16'], []);

    expect(excepted.allows('10.1.2.3')).toBe(true);
    expect(excepted.allows('::ffff:10.1.2.3')).toBe(true);
    expect(excepted.allows('10.2.0.1')).toBe(false);
    expect(excepted.allows('fd00::2')).toBe(true);
    expect(excepted.allows('169.254.1.1')).toBe(true);
    expect(excepted.allows('169.254.169.254')).toBe(false);
    expect(excepted.allows('64:ff9b::a9fe:a9fe')).toBe(false);
    expect(excepted.allows('fd00:ec2::254')).toBe(false);
  });

  it('of the machine itself is not reachable, public as it may be', () => {
    const own = new ReachableAddresses([], ['1.1.1.1', '2606:4700::1', 'fe80::1%eth0']);

    expect(own.allows('1.1.1.1')).toBe(false);
    expect(own.allows('::ffff:1.1.1.1')).toBe(false);
    expect(own.allows('2606:4700:0::1')).toBe(false);
    expect(own.allows('1.1.1.2')).toBe(true);
  });

  it('range that cannot be read is the policy’s fault, not an open door', () => {
    for (const range of ['10.0.0.0/99', '10.0.0.0', 'x/8', '10.0.0/8']) {
      expect(() => new ReachableAddresses([range], [])).toThrow(
        expect.objectContaining({ code: 'request.policy-invalid' }),
      );
    }
  });
});

describe('headers', () => {
  const raw = [
    'Host',
    'a',
    'Connection',
    'close, X-Hop, Host',
    'X-Hop',
    '1',
    'TE',
    'trailers',
    'X-Kept',
    'é',
    'x-kept',
    '2',
  ];

  it('of one connection stay there, and Connection cannot take the framing away', () => {
    expect(endToEnd(raw)).toEqual(['Host', 'a', 'X-Kept', 'é', 'x-kept', '2']);
  });

  it('are all found, whatever their case', () => {
    expect(valuesOf(raw, 'x-kept')).toEqual(['é', '2']);
  });
});

describe('blocked attempts', () => {
  it('are counted by host, port, reason and command', () => {
    let command: string | undefined = 'npm ci';
    const blocked = new BlockedAttempts(() => command);

    blocked.add('evil.example', 443, 'not among the granted hosts');
    blocked.add('evil.example', 443, 'not among the granted hosts');
    command = undefined;
    blocked.add('evil.example', 443, 'not among the granted hosts');

    const attempt = { host: 'evil.example', port: 443, reason: 'not among the granted hosts' };
    expect(blocked.list()).toEqual([
      { ...attempt, command: 'npm ci', count: 2 },
      { ...attempt, count: 1 },
    ]);
  });

  it('stay bounded and printable, whatever the container does', () => {
    const blocked = new BlockedAttempts(() => 'x'.repeat(10_000));

    for (let at = 0; at < 1_000; at += 1) blocked.add(`\u001b[2J\n${at}${'y'.repeat(1_000)}`, 1, 'a numeric address');

    const text = JSON.stringify(blocked.list());
    expect(text.length).toBeLessThan(200_000);
    expect(text).not.toMatch(/\\u001b|\\n/);
    expect(blocked.list().at(-1)).toMatchObject({ host: '(others)', count: 800 });
  });
});
