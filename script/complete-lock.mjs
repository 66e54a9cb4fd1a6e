// Adds to package-lock.json the optional packages of other platforms that the registry in use did not offer when the
// lock was written (a mirror that lags behind). Without them `npm ci` refuses the lock on every platform. Run it after
// `npm install` has changed the lock; npm fills in the missing integrity the next time it sees the package.
import { readFileSync, writeFileSync } from 'node:fs';

const PLATFORM =
  /-(?<os>android|darwin|freebsd|linux|openharmony|win32)-(?<cpu>arm64|arm|x64|ia32|ppc64|riscv64|s390x)(?:-(?<abi>\w+))?$/;
const LIBC = { gnu: 'glibc', gnueabihf: 'glibc', musl: 'musl', musleabihf: 'musl' };

const lock = JSON.parse(readFileSync('package-lock.json', 'utf8'));

for (const [path, entry] of Object.entries(lock.packages)) {
  for (const [name, version] of Object.entries(entry.optionalDependencies ?? {})) {
    const key = `node_modules/${name}`;
    const platform = PLATFORM.exec(name)?.groups;
    if (lock.packages[key] || lock.packages[`${path}/${key}`] || !platform || !/^\d+\.\d+\.\d+$/.test(version))
      continue;
    const libc = platform.os === 'linux' && LIBC[platform.abi];
    lock.packages[key] = {
      version,
      cpu: [platform.cpu],
      ...(entry.dev && { dev: true }),
      ...(libc && { libc: [libc] }),
      optional: true,
      os: [platform.os],
    };
    console.log(`added ${name}@${version}`);
  }
}

const sorted = Object.entries(lock.packages).sort(([a], [b]) => a.localeCompare(b, 'en'));
lock.packages = Object.fromEntries(sorted);
writeFileSync('package-lock.json', `${JSON.stringify(lock, null, 2)}\n`);
