# shellcheck shell=sh disable=SC2034,SC2154 # shares its variables with the script that reads it
# Words to the user, a scratch directory, small file helpers.

umask 077

say() { printf '%s: %s\n' "${name:?}" "$*"; }

fail() {
  printf '%s: %s\n' "${name:?}" "$*" >&2
  exit 1
}

# need VARIABLE...: the settings that the script can't do without
need() {
  for variable in "$@"; do
    eval "[ -n \"\${$variable:-}\" ]" || fail "$variable is not set; see .env"
  done
}

scratch=$(mktemp -d)
copy= # of the nsc store, as long as it is not in force
trap 'rm -rf "$scratch" ${copy:+"$copy"}' EXIT
trap 'exit 1' HUP INT TERM

same() { cmp -s "$1" "$2" 2>/dev/null; }

# fingerprint FILE...: one word that changes when a file does
fingerprint() {
  if command -v sha256sum >/dev/null; then cat "$@" | sha256sum; else cat "$@" | shasum -a 256; fi | cut -c 1-16
}

# settle DIR: have the disk keep what is in it before anything points to it
settle() { find "$1" -exec sync {} + 2>/dev/null || sync; }

# point LINK TARGET: make LINK a symbolic link to TARGET in one step
point() {
  rm -f "$1.${2##*/}"
  ln -s "$2" "$1.${2##*/}"
  # GNU and busybox spell "do not follow the old link" -T, BSD and macOS -h
  mv -fT "$1.${2##*/}" "$1" 2>/dev/null || mv -fh "$1.${2##*/}" "$1"
}

# install_file SOURCE TARGET MODE: put a file in place in one step
install_file() {
  cp "$1" "$2.new"
  chmod "$3" "$2.new"
  mv -f "$2.new" "$2"
}

# give OWNER PATH...: hand over what was written, where an owner ("uid:gid") is named
give() {
  [ -n "$1" ] || return 0
  chown -R "$@"
}
