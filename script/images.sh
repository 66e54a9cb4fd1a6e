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

# Debian's slim image where a registry answers, else a base made with mmdebstrap, once.
base_image() {
  local official=debian:bookworm-slim
  if docker image inspect "$official" >/dev/null 2>&1; then
    printf '%s' "$official"
  elif docker image inspect "$BASE_IMAGE" >/dev/null 2>&1; then
    printf '%s' "$BASE_IMAGE"
  elif with_timeout 120 docker pull --quiet "$official" >"$LOG/pull.log" 2>&1 </dev/null; then
    printf '%s' "$official"
  else
    make_base_image
    printf '%s' "$BASE_IMAGE"
  fi
}

# What mmdebstrap makes has the security updates already; measured once, it took 50 s of CPU where debootstrap took 80.
make_base_image() {
  local tar mirror security name options=(--variant=minbase --format=tar) sources=()
  can_install || fail "no image registry answers, and only root on Debian or Ubuntu can make $BASE_IMAGE with mmdebstrap" \
    "instead: $(cat "$LOG/pull.log" 2>/dev/null)"
  if ! has mmdebstrap || [ ! -f /usr/share/keyrings/debian-archive-keyring.gpg ]; then
    apt_install mmdebstrap debian-archive-keyring
  fi
  say "no image registry answers: making $BASE_IMAGE with mmdebstrap (once, about a minute)"
  mirror=$(debian_mirror debian) security=$(debian_mirror debian-security)
  [ -n "$mirror" ] && sources+=("deb $mirror bookworm main")
  [ -n "$mirror" ] && [ -n "$security" ] && sources+=("deb $security bookworm-security main")
  # As in the official image: whoever loses power while an image is made makes it anew.
  options+=(--dpkgopt=force-unsafe-io)
  for name in doc man locale; do options+=("--dpkgopt=path-exclude=/usr/share/$name/*"); done
  tar=$(mktemp /var/tmp/millwright-base.XXXXXX)
  mmdebstrap "${options[@]}" bookworm "$tar" "${sources[@]}" >"$LOG/mmdebstrap.log" 2>&1 || {
    tail -n 20 "$LOG/mmdebstrap.log" >&2
    rm -f "$tar"
    fail "mmdebstrap failed (log: $LOG/mmdebstrap.log)"
  }
  docker import --change 'CMD ["/bin/sh"]' "$tar" "$BASE_IMAGE" >/dev/null
  rm -f "$tar"
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
