// Many connections over one stream, with a window for each, so that one that nobody reads stops itself alone.
// Used by the app (types beside it) and, as a text, by the relay in its container. Needs nothing but Node's streams.
//
// Frame: kind (1 byte), channel (4), length (4), then `length` bytes; for `window` the length is the credit and no bytes follow.
import { Duplex } from 'node:stream';

const kinds = { open: 1, data: 2, end: 3, reset: 4, window: 5, report: 6 };
const headerBytes = 9;
const maxPayloadBytes = 32 * 1024;
const maxReportBytes = 16 * 1024;
const windowBytes = 256 * 1024;

/** One connection. Ends each way by itself; an error or an early close resets it on the other side. */
class Channel extends Duplex {
  #mux;
  #id;
  #credit = windowBytes;
  #allowed = windowBytes;
  #consumed = 0;
  #full = false;
  #waiting = null;
  #timer = null;
  #otherEnded = false;
  #otherLeft = false;

  constructor(mux, id) {
    super({ allowHalfOpen: true });
    this.#mux = mux;
    this.#id = id;
  }

  /** As of a socket: `timeout` is emitted after this silence in both directions; 0 ends the watch. */
  setTimeout(silenceMs, listener) {
    clearTimeout(this.#timer);
    this.#timer = silenceMs > 0 ? setTimeout(() => this.emit('timeout'), silenceMs).unref() : null;
    if (listener) this.once('timeout', listener);
    return this;
  }

  /** As of a socket: ends, and closes once everything is written. */
  destroySoon() {
    if (this.writableFinished) this.destroy();
    else this.end(() => this.destroy());
  }

  _write(chunk, _, done) {
    // Nobody takes it any more.
    if (this.#otherLeft) return done();
    this.#waiting = { chunk, done };
    this.#sendWaiting();
  }

  _final(done) {
    this.#mux.send(kinds.end, this.#id);
    done();
  }

  _read() {
    this.#full = false;
    this.#giveCredit();
  }

  _destroy(error, done) {
    // What was pushed is gone; after an end both ways the other side knows already.
    if (!this.readableEnded || !this.writableFinished) this.#mux.send(kinds.reset, this.#id);
    this.#waiting = null;
    clearTimeout(this.#timer);
    this.#mux.forget(this.#id);
    done(error);
  }

  /** False when the other side sends more than it was allowed to. */
  take(bytes) {
    if (this.#otherEnded) return false;
    this.#timer?.refresh();
    this.#allowed -= bytes.length;
    if (this.#allowed < 0) return false;
    this.#consumed += bytes.length;
    // A copy: the bytes are part of a larger chunk, which would be kept as long as they are.
    if (!this.push(Buffer.from(bytes))) this.#full = true;
    else this.#giveCredit();
    return true;
  }

  takeEnd() {
    this.#otherEnded = true;
    this.push(null);
  }

  /** After its end the other side may leave: what came before is still read here, what is written goes nowhere. */
  takeReset() {
    if (!this.#otherEnded) return this.destroy();
    this.#otherLeft = true;
    const waiting = this.#waiting;
    this.#waiting = null;
    waiting?.done();
  }

  takeCredit(bytes) {
    this.#credit += bytes;
    this.#sendWaiting();
  }

  #giveCredit() {
    if (this.#full || this.destroyed || this.#consumed < windowBytes / 4) return;
    this.#mux.credit(this.#id, this.#consumed);
    this.#allowed += this.#consumed;
    this.#consumed = 0;
  }

  #sendWaiting() {
    while (this.#waiting && this.#credit > 0) {
      this.#timer?.refresh();
      const { chunk, done } = this.#waiting;
      const part = chunk.subarray(0, Math.min(chunk.length, this.#credit, maxPayloadBytes));
      this.#credit -= part.length;
      this.#mux.send(kinds.data, this.#id, part);
      this.#waiting = part.length < chunk.length ? { chunk: chunk.subarray(part.length), done } : null;
      if (!this.#waiting) this.#mux.whenWritable(done);
    }
  }
}

/** One end of the stream. Only the relay opens channels and reports. Closes the stream on anything that it cannot read. */
export class Mux {
  #stream;
  #events;
  #channels = new Map();
  #lastId = 0;
  #pending = Buffer.alloc(0);
  #drains = [];

  constructor(stream, events = {}) {
    this.#stream = stream;
    this.#events = events;
    stream.on('data', (bytes) => this.#receive(bytes));
    stream.on('drain', () => {
      for (const done of this.#drains.splice(0)) done();
    });
    stream.on('error', () => stream.destroy());
    stream.on('end', () => stream.destroy());
    stream.once('close', () => {
      for (const channel of [...this.#channels.values()]) channel.destroy();
      events.onClose?.();
    });
  }

  get size() {
    return this.#channels.size;
  }

  open() {
    this.#lastId += 1;
    const channel = this.#add(this.#lastId);
    this.send(kinds.open, this.#lastId);
    return channel;
  }

  report(value) {
    this.send(kinds.report, 0, Buffer.from(JSON.stringify(value)).subarray(0, maxReportBytes));
  }

  close() {
    this.#stream.destroy();
  }

  send(kind, id, bytes = Buffer.alloc(0)) {
    this.#frame(kind, id, bytes.length, bytes);
  }

  credit(id, bytes) {
    this.#frame(kinds.window, id, bytes, Buffer.alloc(0));
  }

  whenWritable(done) {
    if (this.#stream.writableNeedDrain) this.#drains.push(done);
    else process.nextTick(done);
  }

  forget(id) {
    this.#channels.delete(id);
  }

  #frame(kind, id, length, bytes) {
    if (this.#stream.destroyed || this.#stream.writableEnded) return;
    const frame = Buffer.alloc(headerBytes + bytes.length);
    frame.writeUInt8(kind, 0);
    frame.writeUInt32BE(id, 1);
    frame.writeUInt32BE(length, 5);
    frame.set(bytes, headerBytes);
    this.#stream.write(frame);
  }

  #add(id) {
    const channel = new Channel(this, id);
    this.#channels.set(id, channel);
    return channel;
  }

  #receive(bytes) {
    let rest = this.#pending.length > 0 ? Buffer.concat([this.#pending, bytes]) : bytes;
    while (rest.length >= headerBytes && !this.#stream.destroyed) {
      const [kind, id, length] = [rest.readUInt8(0), rest.readUInt32BE(1), rest.readUInt32BE(5)];
      const body = kind === kinds.window ? 0 : length;
      if (body > maxPayloadBytes) return this.close();
      if (rest.length < headerBytes + body) break;
      this.#handle(kind, id, length, rest.subarray(headerBytes, headerBytes + body));
      rest = rest.subarray(headerBytes + body);
    }
    this.#pending = rest;
  }

  /** Frames for a channel that is gone are late, not wrong. */
  #handle(kind, id, length, body) {
    const channel = this.#channels.get(id);
    if (kind === kinds.open && this.#events.onOpen && !channel) this.#events.onOpen(this.#add(id));
    else if (kind === kinds.report && this.#events.onReport) this.#events.onReport(body.toString());
    else if (kind === kinds.data) {
      if (channel && !channel.take(body)) this.close();
    } else if (kind === kinds.end) channel?.takeEnd();
    else if (kind === kinds.reset) channel?.takeReset();
    else if (kind === kinds.window) channel?.takeCredit(length);
    else this.close();
  }
}
