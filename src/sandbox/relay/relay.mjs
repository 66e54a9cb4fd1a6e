// Runs in a container of its own that shares only the loopback with a sandbox. Carries each connection to it over standard input
// and output to the app, which decides. Decides nothing itself, and ends when the app does.
// Argument: JSON {port, maxConnections, direct: ["address port", …]}.
import net from 'node:net';
import os from 'node:os';
import { Duplex } from 'node:stream';
import { Mux } from './mux.mjs';

const { port, maxConnections, direct } = JSON.parse(process.argv[1]);
const local = '127.0.0.1';

// Not process.stdout: its writes to a pipe block.
const input = new net.Socket({ fd: 0, readable: true, writable: false });
const output = new net.Socket({ fd: 1, readable: false, writable: true });
const mux = new Mux(Duplex.from({ readable: input, writable: output }), { onClose: () => process.exit(0) });

const server = net.createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
  const channel = mux.open();
  channel.on('error', () => socket.destroy());
  socket.on('error', () => channel.destroy());
  // What was read to its end may still wait to be written on the other side.
  channel.on('close', () => (channel.readableEnded ? socket.destroySoon() : socket.destroy()));
  socket.on('close', () => {
    if (!socket.readableEnded || !channel.readableEnded) channel.destroy();
  });
  socket.pipe(channel);
  channel.pipe(socket);
});
// Those over the limit of the app get its answer; those far over it are closed here.
server.maxConnections = 2 * maxConnections;
server.on('error', (error) => mux.report([`the relay cannot listen: ${error.code}`]));
server.listen(port, local, async () => mux.report(await canary()));

/** Tries what must fail; returns what did not. */
async function canary() {
  const beyond = Object.keys(os.networkInterfaces()).filter((name) => name !== 'lo');
  const findings = await Promise.all([
    beyond.length > 0 ? `there are network interfaces: ${beyond.join(', ')}` : null,
    ...['169.254.169.254:80', 'millwright-canary.invalid:443'].map(tunnelled),
    ...direct.map(reached),
  ]);
  return findings.filter((finding) => finding !== null);
}

/** The proxy must say no itself: silence would leave open whether anything stands in the way. */
function tunnelled(target) {
  return answer(port, local, `CONNECT ${target} HTTP/1.1\r\nHost: ${target}\r\n\r\n`).then((got) =>
    got.startsWith('HTTP/1.1 403 ') ? null : `CONNECT ${target} was not refused: ${got.slice(0, 60) || 'no answer'}`,
  );
}

function answer(toPort, host, request) {
  return new Promise((resolve) => {
    const socket = net.connect(toPort, host, () => socket.write(request));
    let got = '';
    const end = (text) => {
      socket.destroy();
      resolve(text);
    };
    socket.setTimeout(5_000, () => end(got));
    socket.on('error', (error) => end(error.code));
    socket.on('end', () => end(got));
    socket.on('data', (bytes) => {
      got += bytes.toString('latin1');
      if (got.includes('\r\n')) end(got);
    });
  });
}

/** There must be no way at all. A refused connection or silence means that there is one. */
function reached(target) {
  const [host, toPort] = target.split(' ');
  return new Promise((resolve) => {
    const socket = net.connect(Number(toPort), host);
    const end = (finding) => {
      socket.destroy();
      resolve(finding);
    };
    socket.setTimeout(3_000, () => end(`there is a way to ${target}`));
    socket.on('connect', () => end(`${target} was reached`));
    socket.on('error', ({ code }) =>
      end(
        ['ENETUNREACH', 'EHOSTUNREACH', 'EADDRNOTAVAIL', 'EAFNOSUPPORT'].includes(code) ? null : `${target}: ${code}`,
      ),
    );
  });
}
