import { connect, type Socket } from 'node:net';

const maxAddresses = 4;

/** A connection to the first of these addresses that answers, tried in turn; null when none does. Addresses only: nothing is resolved here. */
export async function connectToFirst(
  addresses: readonly string[],
  port: number,
  timeoutMs: number,
): Promise<Socket | null> {
  for (const address of addresses.slice(0, maxAddresses)) {
    const socket = await connectTo(address, port, timeoutMs);
    if (socket) return socket;
  }
  return null;
}

function connectTo(host: string, port: number, timeoutMs: number): Promise<Socket | null> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, allowHalfOpen: true, noDelay: true });
    const giveUp = () => {
      socket.destroy();
      resolve(null);
    };
    socket.setTimeout(timeoutMs, giveUp);
    socket.once('error', giveUp);
    socket.once('connect', () => {
      socket.setTimeout(0);
      socket.off('timeout', giveUp);
      socket.off('error', giveUp);
      // Until the taker listens: an error between here and there must not end the process.
      socket.on('error', () => socket.destroy());
      resolve(socket);
    });
  });
}
