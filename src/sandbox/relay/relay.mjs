// Runs in a container of its own that shares only the loopback with a sandbox. Carries each connection to it as one HTTP/2 stream
// over standard input and output to the app, which decides. Decides nothing itself, and ends when the app does.
// Argument: JSON {port, maxConnections, direct: ["address port", …]}.
import http2 from 'node:http2';
import net from 'node:net';
import os from 'node:os';
import { Duplex } from 'node:stream';

const { port, maxConnections, direct } = JSON.parse(process.argv[1]);
const local = '127.0.0.1';

// Not process.stdout: its writes to a pipe block.
const input = new net.Socket({ fd: 0, readable: true, writable: false });
const output = new net.Socket({ fd: 1, readable: false, writable: true });
const session = http2.connect('http://app', {
  createConnection: () => Duplex.from({ readable: input, writable: output }),
  settings: { enablePush: false, initialWindowSize: 1024 ** 2 },
  maxSessionMemory: 64,
  peerMaxConcurrentStreams: maxConnections + 8,
});
const leave = () => process.exit(0);
for (const stream of [input, output, session]) {
  stream.on('error', leave);
  stream.on('close', leave);
}
session.on('connect', () => session.setLocalWindowSize(8 * 1024 ** 2));

const server = net.createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
  const stream = session.request({ ':method': 'POST', ':path': '/connection' }, { endStream: false });
  stream.on('error', () => socket.destroy());
  stream.on('close', () => socket.destroy());
  socket.on('error', () => stream.close(http2.constants.NGHTTP2_CANCEL));
  socket.on('close', () => stream.destroyed || stream.close(http2.constants.NGHTTP2_CANCEL));
  socket.pipe(stream);
  stream.pipe(socket);
});
server.maxConnections = maxConnections;
server.on('error', (error) => report([`the relay cannot listen: ${error.code}`]));
server.listen(port, local, async () => report(await canary()));

function report(findings) {
  const stream = session.request({ ':method': 'POST', ':path': '/canary' }, { endStream: false });
  stream.on('error', leave);
  stream.end(JSON.stringify(findings));
}

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
