#!/bin/sh
# Pins the images in .env by digest too: NATS_VER=2.15.3-alpine becomes NATS_VER=2.15.3-alpine@sha256:…, for which a
# registry can't serve other content. It pulls each image, so it needs Docker and access to the registry. Run it again
# after a change of a version. A version from the environment replaces the digest too.
set -eu
env_file=${1:-$(dirname "$0")/../.env}

pin() { # pin VARIABLE IMAGE
  version=$(sed -n "s/^$1=\([^@]*\).*/\1/p" "$env_file")
  [ -n "$version" ] || {
    echo "$1 has no value in $env_file" >&2
    return 1
  }
  docker pull -q "$2:$version" >/dev/null
  # the digest of the multi-platform index, if there is one
  digest=$(docker image inspect --format '{{range .RepoDigests}}{{println .}}{{end}}' "$2:$version" |
    sed -n "s|^.*$2@\(sha256:[0-9a-f]\{64\}\)\$|\1|p" | head -n 1)
  [ -n "$digest" ] || {
    echo "$2:$version has no digest: it was not pulled from a registry" >&2
    return 1
  }
  sed "s/^$1=.*/$1=$version@$digest/" "$env_file" >"$env_file.new"
  cat "$env_file.new" >"$env_file" # keeps the owner and mode of the file
  rm "$env_file.new"
  echo "$1=$version@$digest"
}

pin NATS_VER nats
pin NATS_BOX_VER natsio/nats-box
pin BUN_VER oven/bun
