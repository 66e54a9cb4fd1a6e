import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { Duplex, PassThrough } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { describe, expect, it } from 'vitest';
import { Mux, type MuxEvents } from '../../src/sandbox/relay/mux.mjs';
import { until } from '../support/until.ts';

/** Two ends, and the stream of each. */
function joined(events: MuxEvents) {
  const [up, down] = [new PassThrough(), new PassThrough()];
  const relayStream = Duplex.from({ readable: down, writable: up });
  const appStream = Duplex.from({ readable: up, writable: down });
  return { relay: new Mux(relayStream), app: new Mux(appStream, events), relayStream, appStream, up, down };
}

const hash = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

describe('connections over one stream', () => {
  it('carry bytes and text unchanged, many at once, both ways', async () => {
    const { relay } = joined({ onOpen: (channel) => channel.pipe(channel) });
    const bodies = Array.from({ length: 8 }, (_, at) => randomBytes(at * 300_000 + at));

    const echoed = await Promise.all(
      bodies.map((body) => {
        const channel = relay.open();
        channel.write('HTTP/1.1 200 OK é\r\n', 'latin1');
        channel.end(body);
        return buffer(channel);
      }),
    );

    const head = Buffer.from('HTTP/1.1 200 OK é\r\n', 'latin1');
    expect(echoed.map(hash)).toEqual(bodies.map((body) => hash(Buffer.concat([head, body]))));
    await until(() => relay.size === 0);
  });

  it('end one way while the other goes on', async () => {
    const { relay, app } = joined({
      onOpen: (channel) => {
        channel.resume().on('end', () => channel.end('after your end'));
      },
    });

    const channel = relay.open();
    channel.end('before');

    expect(String(await buffer(channel))).toBe('after your end');
    await until(() => relay.size === 0 && app.size === 0);
  });

  it('that one side breaks off are closed on the other, without an end', async () => {
    const opened: Duplex[] = [];
    const { relay, app } = joined({ onOpen: (channel) => opened.push(channel) });
    const channel = relay.open();
    channel.write('x');
    await until(() => opened.length === 1);

    channel.destroy();

    const [other] = opened;
    if (other && !other.closed) await once(other, 'close');
    expect(other?.readableEnded).toBe(false);
    expect([relay.size, app.size]).toEqual([0, 0]);
  });

  it('may be left by the side that ended: the other still reads all of it, and what it writes goes nowhere', async () => {
    const { relay, app } = joined({
      onOpen: (channel) => {
        channel.write(Buffer.alloc(200_000));
        channel.end('refused', () => channel.destroy());
      },
    });

    const channel = relay.open();
    const read = buffer(channel);
    await until(() => app.size === 0);
    for (let at = 0; at < 20; at += 1) channel.write(Buffer.alloc(65_536));
    channel.end();

    expect((await read).subarray(-7).toString()).toBe('refused');
    await until(() => relay.size === 0);
  });

  it('that nobody reads stop themselves, hold little memory, and hold up no other', async () => {
    const opened: Duplex[] = [];
    const { relay } = joined({ onOpen: (channel) => opened.push(channel) });
    const stuck = relay.open();
    let written = 0;
    const fill = () => {
      for (written += 65_536; written < 50_000_000 && stuck.write(Buffer.alloc(65_536)); ) written += 65_536;
    };
    stuck.on('drain', fill);
    fill();

    const other = relay.open();
    other.end('through');
    await until(() => opened.length === 2);

    expect(String(await buffer(opened[1] as Duplex))).toBe('through');
    expect(written).toBeLessThan(1_000_000);
    expect((opened[0] as Duplex).readableLength).toBeLessThanOrEqual(300_000);
  });

  it('tell of silence', async () => {
    const { relay } = joined({ onOpen: () => {} });
    const channel = relay.open() as Duplex & { setTimeout(silenceMs: number): void };

    channel.setTimeout(20);

    await once(channel, 'timeout');
    channel.setTimeout(0);
  });

  it('all end with the stream', async () => {
    const opened: Duplex[] = [];
    let closed = 0;
    const { relay, app, relayStream } = joined({ onOpen: (channel) => opened.push(channel), onClose: () => closed++ });
    const channels = [relay.open(), relay.open()];
    await until(() => opened.length === 2);

    relayStream.destroy();
    app.close();

    await until(() => [...channels, ...opened].every((channel) => channel.destroyed));
    expect(closed).toBe(1);
  });
});

describe('the other end', () => {
  const frame = (kind: number, channel: number, length: number, bytes = Buffer.alloc(0)) => {
    const head = Buffer.alloc(9);
    head.writeUInt8(kind, 0);
    head.writeUInt32BE(channel, 1);
    head.writeUInt32BE(length, 5);
    return Buffer.concat([head, bytes]);
  };

  it.each([
    ['a kind that does not exist', [frame(9, 1, 0)]],
    ['a frame that is too long', [frame(1, 1, 0), frame(2, 1, 40_000)]],
    ['more than its window', [frame(1, 1, 0), ...new Array<Buffer>(9).fill(frame(2, 1, 32_768, Buffer.alloc(32_768)))]],
  ])('that sends %s loses the stream', async (_, frames) => {
    const { up, appStream } = joined({ onOpen: () => {} });

    for (const bytes of frames) up.write(bytes);

    await until(() => appStream.destroyed);
  });

  it('may send frames for what is closed, in pieces of any size', async () => {
    const reports: string[] = [];
    const { up, appStream } = joined({
      onOpen: (channel) => channel.destroy(),
      onReport: (json) => reports.push(json),
    });
    const said = Buffer.from('[]');

    for (const byte of Buffer.concat([frame(1, 7, 0), frame(2, 7, 2, said), frame(3, 7, 0), frame(6, 0, 2, said)]))
      up.write(Buffer.of(byte));

    await until(() => reports.length === 1);
    expect(appStream.destroyed).toBe(false);
  });
});
