# shellcheck shell=sh disable=SC2034,SC2154 # shares its variables with the script that reads it
# Messages, a scratch directory, small file helpers.

umask 077

say() { printf '%s: %s\n' "${name:?}" "$*" | printable; }

# printable: what a server or a JWT says may hold what a terminal would obey
printable() { tr -d '\000-\010\013-\037\177'; }

fail() {
  printf '%s: %s\n' "${name:?}" "$*" | printable >&2
  exit 1
}

# need VARIABLE...: the settings that the script can't do without
need() {
  for variable in "$@"; do
    eval "[ -n \"\${$variable:-}\" ]" || fail "$variable is not set; see .env"
  done
}

# check_own_dir DIR: only this process's user can replace what stands in DIR, or it fails
# shellcheck disable=SC2012 # stat has no spelling that GNU, busybox and BSD share
check_own_dir() {
  ls -ldn "$1/." | awk -v user="$(id -u)" '{ exit !($3 == user && $1 ~ /^d....-..-/) }' ||
    fail "$1 must belong to user $(id -u) and be writable for that user alone, since what it holds is trusted. It is: $(ls -ldn "$1/." | awk '{ print $1, "of user", $3 }')"
}

# Scratch files may hold keys. They lie in the state's own directory (in a container on a tmpfs), under the id of their
# process, so that a later run can remove those of a process that was killed.
need NSC_DIR
: "${SCRATCH_DIR:=$NSC_DIR/scratch}"
mkdir -p "$SCRATCH_DIR"
check_own_dir "$SCRATCH_DIR"
for left in "$SCRATCH_DIR"/[0-9]*-*; do
  process=${left##*/}
  process=${process%%-*}
  { [ "$process" != $$ ] && kill -0 "$process" 2>/dev/null; } || rm -rf "$left"
done
scratch=$(mktemp -d "$SCRATCH_DIR/$$-XXXXXX")
copy=    # of the nsc store, as long as it is not in force
staging= # in the server's directory, see server-dir.sh
trap 'rm -rf "$scratch" ${copy:+"$copy"} ${staging:+"$staging"}' EXIT
trap 'exit 1' HUP INT TERM

same() { cmp -s "$1" "$2" 2>/dev/null; }

# fingerprint FILE...: one word that changes when a file does
fingerprint() {
  if command -v sha256sum >/dev/null; then cat "$@" | sha256sum; else cat "$@" | shasum -a 256; fi | cut -c 1-16
}

# settle DIR: have the disk keep what is in it before anything points to it
settle() { find "$1" -exec sync {} + 2>/dev/null || sync; }

# move_over SOURCE TARGET: rename, in one step, also over a symbolic link, which is not followed. GNU and busybox spell
# that -T, BSD and macOS -h.
move_over() { mv -fT "$1" "$2" 2>/dev/null || mv -fh "$1" "$2" 2>/dev/null; }

# point LINK TARGET: make LINK a symbolic link to TARGET in one step
point() {
  made=$1.${scratch##*/}
  rm -f "$made"
  ln -s "$2" "$made"
  move_over "$made" "$1" || fail "$1 can't be replaced. It should be a symbolic link: remove what stands there"
}

# lock FILE: wait until no other process holds FILE's lock, and hold it until unlock. The kernel frees the lock of a
# killed process. macOS has no flock command; there Perl takes the lock, which belongs to the shell's open file.
lock() {
  exec 9>>"$1"
  flock 9 2>/dev/null || perl -e 'use Fcntl ":flock"; open(LOCK, ">&=9") && flock(LOCK, LOCK_EX) or exit 1' ||
    fail "$1 can't be locked: neither flock nor perl could"
}

unlock() { exec 9>&-; }

# install_file SOURCE TARGET MODE: put a file in place in one step, in a directory that only this user can write to
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
