# The default sandbox image, millwright/sandbox. Built by script/bootstrap, which prepares the build context:
#   node/   the npm package node-linux-<arch> (Debian's own Node is 18)
#   npm/    the npm package npm, which carries all its dependencies
# Nothing is fetched here over TLS, so no certificate of the building machine is needed or left behind.
# Debian's engine is 20.10: no BuildKit-only syntax.
ARG BASE=debian:bookworm-slim
FROM ${BASE}

# Mirrors of the building machine; without them, those of the base image stay.
ARG DEBIAN_MIRROR=
ARG DEBIAN_SECURITY_MIRROR=

RUN set -eu; . /etc/os-release; \
    if [ -n "$DEBIAN_MIRROR" ]; then \
      rm -f /etc/apt/sources.list.d/debian.sources; \
      printf 'deb %s %s main\ndeb %s %s-updates main\n' \
        "$DEBIAN_MIRROR" "$VERSION_CODENAME" "$DEBIAN_MIRROR" "$VERSION_CODENAME" > /etc/apt/sources.list; \
    fi; \
    if [ -n "$DEBIAN_MIRROR" ] && [ -n "$DEBIAN_SECURITY_MIRROR" ]; then \
      printf 'deb %s %s-security main\n' "$DEBIAN_SECURITY_MIRROR" "$VERSION_CODENAME" >> /etc/apt/sources.list; \
    fi; \
    printf 'path-exclude /usr/share/%s/*\n' doc man info locale > /etc/dpkg/dpkg.cfg.d/without-manuals; \
    export DEBIAN_FRONTEND=noninteractive; \
    apt-get update -qq; \
    apt-get upgrade -y -qq --no-install-recommends; \
    apt-get install -y -qq --no-install-recommends \
      bash ca-certificates diffutils findutils gcc git libc6-dev libstdc++6 make patch procps \
      python-is-python3 python3 python3-pip python3-pytest python3-venv ripgrep; \
    apt-get clean; \
    rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/cache/debconf/* /var/log/*

COPY node/bin/node /usr/local/bin/node
COPY npm /usr/local/lib/node_modules/npm

RUN set -eu; \
    ln -s ../lib/node_modules/npm/bin/npm-cli.js /usr/local/bin/npm; \
    ln -s ../lib/node_modules/npm/bin/npx-cli.js /usr/local/bin/npx; \
    mkdir -p /usr/local/etc; \
    printf 'audit=false\nfund=false\nupdate-notifier=false\n' > /usr/local/etc/npmrc; \
    useradd --uid 1000 --create-home --shell /bin/bash agent; \
    install -d -o 1000 -g 1000 /workspace; \
    node --version; npm --version

# Bytecode beside the sources would end up in every patch of a repository without a .gitignore.
ENV LANG=C.UTF-8 PYTHONDONTWRITEBYTECODE=1

USER 1000
WORKDIR /workspace
CMD ["/bin/sh"]
