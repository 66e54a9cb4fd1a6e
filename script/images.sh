# How images are built, for bootstrap and image: source it after lib.sh.
# shellcheck shell=bash

sha256() { if has sha256sum; then sha256sum; else shasum -a 256; fi | cut -d ' ' -f 1; }

# The plain-http mirror that this machine's own apt uses for a Debian archive, if it uses one: debian_mirror debian[-security]
debian_mirror() {
  local uris
  uris=$(cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources 2>/dev/null |
    sed -n 's/^deb .*\(http:[^ ]*\).*/\1/p; s/^URIs: *\(http:[^ ]*\).*/\1/p') || true
  grep -m 1 -E "/$1/?$" <<<"$uris" || true
}

# Debian's slim image where a registry answers, else a base made with debootstrap, once.
base_image() {
  local official=debian:bookworm-slim
  if docker image inspect "$official" >/dev/null 2>&1; then
    printf '%s' "$official"
  elif docker image inspect "$BASE_IMAGE" >/dev/null 2>&1; then
    printf '%s' "$BASE_IMAGE"
  elif with_timeout 120 docker pull --quiet "$official" >"$LOG/pull.log" 2>&1 </dev/null; then
    printf '%s' "$official"
  else
    debootstrap_base_image
    printf '%s' "$BASE_IMAGE"
  fi
}

debootstrap_base_image() {
  local root mirror
  can_install || fail "no image registry answers, and only root on Debian or Ubuntu can make $BASE_IMAGE with debootstrap" \
    "instead: $(cat "$LOG/pull.log" 2>/dev/null)"
  if ! has debootstrap || [ ! -f /usr/share/keyrings/debian-archive-keyring.gpg ]; then
    apt_install debootstrap debian-archive-keyring
  fi
  say "no image registry answers: making $BASE_IMAGE with debootstrap (once, about a minute)"
  mirror=$(debian_mirror debian)
  root=$(mktemp -d /var/tmp/millwright-base.XXXXXX)
  debootstrap --variant=minbase bookworm "$root" ${mirror:+"$mirror"} >"$LOG/debootstrap.log" 2>&1 || {
    tail -n 20 "$LOG/debootstrap.log" >&2
    rm -rf --one-file-system "$root"
    fail "debootstrap failed (log: $LOG/debootstrap.log)"
  }
  tar --numeric-owner --one-file-system -C "$root" -c --exclude='./var/lib/apt/lists/*' --exclude='./var/cache/apt/*' \
    --exclude='./usr/share/doc/*' --exclude='./usr/share/man/*' --exclude='./usr/share/locale/*' --exclude='./dev/*' . |
    docker import --change 'CMD ["/bin/sh"]' - "$BASE_IMAGE" >/dev/null
  rm -rf --one-file-system "$root"
}

# An engine without the buildx plugin (Debian's) builds with its own builder; the flag keeps newer ones from asking for it.
docker_build() {
  if docker buildx version >/dev/null 2>&1; then
    docker buildx build --builder default --load "$@"
  else
    DOCKER_BUILDKIT=0 docker build "$@"
  fi
}

image_revision() {
  docker image inspect --format '{{index .Config.Labels "org.opencontainers.image.revision"}}' "$1" 2>/dev/null || true
}

# The npm package that holds Node for the engine's machine, which need not be this one.
node_package_of_engine() {
  local arch
  arch=$(docker version --format '{{.Server.Arch}}')
  [ "$arch" = amd64 ] && arch=x64
  printf 'node-linux-%s' "$arch"
}

# build_image IMAGE REVISION DOCKERFILE CONTEXT [FLAG...]. The revision goes into a label, to be compared the next time. Not one
# of the app's own labels: images that carry those are refused as sandbox images.
build_image() {
  local image=$1 revision=$2 dockerfile=$3 context=$4 base mirror name arguments=("${@:5}") log
  log=$LOG/$(basename "${image//:/-}")-image.log
  base=$(base_image)
  mirror=$(debian_mirror debian)
  [ -n "$mirror" ] && arguments+=(--build-arg "DEBIAN_MIRROR=$mirror")
  mirror=$(debian_mirror debian-security)
  [ -n "$mirror" ] && arguments+=(--build-arg "DEBIAN_SECURITY_MIRROR=$mirror")
  for name in http_proxy https_proxy no_proxy HTTP_PROXY HTTPS_PROXY NO_PROXY; do
    [ -n "${!name:-}" ] && arguments+=(--build-arg "$name=${!name}")
  done

  say "building $image from $base (a minute or two; log: $log)"
  docker_build --build-arg "BASE=$base" ${arguments[@]+"${arguments[@]}"} --tag "$image" --file "$dockerfile" \
    --label "org.opencontainers.image.revision=$revision" "$context" >"$log" 2>&1 || {
    tail -n 30 "$log" >&2
    fail "building $image failed (log: $log)"
  }
}
