# shellcheck shell=sh
# Messages, temporary files, and helpers for files. The script sets $name, the service that its messages begin with.
#
# State: $scratch    a directory for temporary files
#        $temporary  paths to remove at exit, one per line
#        $lock_link  the lock that is held, where it is a link
#        $lock_waiter  the process that waits for the lock

umask 077

# without_controls: standard input without the control characters that a terminal would obey; a server's message or a JWT
# may hold some
without_controls() { tr -d '\000-\010\013-\037\177'; }

log() { printf '%s: %s\n' "${name:?}" "$*" | without_controls; }

warn() { log "$@" >&2; }

fail() {
  warn "$@"
  exit 1
}

# require_env VARIABLE...: fails unless each of these settings has a value
require_env() {
  local variable value
  for variable in "$@"; do
    eval "value=\${$variable:-}"
    [ -n "$value" ] || fail "$variable is not set; see .env"
  done
}

# check_own_dir DIR: fails unless DIR belongs to the user of this process and no other user can write to it
# shellcheck disable=SC2012 # stat has no spelling that GNU, busybox and BSD share
check_own_dir() {
  ls -ldn "$1/." | awk -v user="$(id -u)" '{ exit !($3 == user && $1 ~ /^d....-..-/) }' ||
    fail "$1 must belong to user $(id -u) and be writable for that user alone, since its contents are trusted. It is: $(ls -ldn "$1/." | awk '{ print $1, "of user", $3 }')"
}

# remove_at_exit PATH: removes PATH when the script ends, also after a failure or a signal
remove_at_exit() {
  case $1 in *"
"*) fail "the path \"$1\" holds a line break; choose another directory" ;; esac
  temporary="$temporary$1
"
}

remove_temporary() {
  local path
  printf '%s' "$temporary" | while IFS= read -r path; do rm -rf "$path"; done
}

# make_scratch: sets $scratch. Temporary files may hold keys, so they are kept in the state's own directory (in a container on a tmpfs).
# Their names begin with the id of their process, so that a later run can remove those of a process that was killed.
make_scratch() {
  local dir process
  mkdir -p "$SCRATCH_DIR"
  check_own_dir "$SCRATCH_DIR"
  for dir in "$SCRATCH_DIR"/[0-9]*-*; do
    process=${dir##*/}
    process=${process%%-*}
    { [ "$process" != $$ ] && kill -0 "$process" 2>/dev/null; } || rm -rf "$dir"
  done
  scratch=$(mktemp -d "$SCRATCH_DIR/$$-XXXXXX")
  remove_at_exit "$scratch"
}

# is_in_use FILE DIR: whether a file of DIR or DIR.local counts. One in DIR.local, which is an operator's own, takes the
# place of the one with the same name in DIR; one that holds null removes it.
is_in_use() {
  if [ "${1%/*}" = "$2.local" ]; then
    [ "$(jq -c . "$1" 2>/dev/null)" != null ]
  else
    [ ! -e "$2.local/${1##*/}" ]
  fi
}

same_file() { cmp -s "$1" "$2" 2>/dev/null; }

# fingerprint FILE...: one word that changes when a file does
fingerprint() {
  if command -v sha256sum >/dev/null; then cat "$@" | sha256sum; else cat "$@" | shasum -a 256; fi | cut -c 1-16
}

# fsync_tree DIR: writes what is in DIR to the disk, before a link points to it
fsync_tree() { find "$1" -exec sync {} + 2>/dev/null || sync; }

# move_over SOURCE TARGET: renames in one step. A TARGET that is a symbolic link is replaced, not followed; GNU and
# busybox spell that -T, BSD and macOS -h.
move_over() { mv -fT "$1" "$2" 2>/dev/null || mv -fh "$1" "$2" 2>/dev/null; }

# replace_link LINK TARGET: makes LINK a symbolic link to TARGET in one step
replace_link() {
  local made
  made=$1.${scratch##*/}
  rm -f "$made"
  ln -s "$2" "$made"
  move_over "$made" "$1" || fail "$1 can't be replaced. It should be a symbolic link: remove what is there"
}

# link_copy SOURCE LINK NAME [OWNER]: copies a directory to NAME, beside LINK, and makes LINK a link to it once it is complete
link_copy() {
  local copy="${2%/*}/$3"
  rm -rf "$copy"
  cp -R "$1" "$copy"
  chown_to "${4:-}" "$copy"
  fsync_tree "$copy"
  replace_link "$2" "$3"
}

# lock FILE: waits for the lock of FILE and holds it until unlock. The kernel releases the lock of a killed process. The
# wait is for a background process, since a shell handles a signal only when a foreground one has ended.
lock() {
  [ ! -e "$1" ] || [ -f "$1" ] || fail "$1 must be a file, since it is locked while the nsc store changes; remove it"
  if ! command -v flock >/dev/null && ! command -v perl >/dev/null; then
    lock_with_link "$1.link"
    return
  fi
  exec 9>>"$1"
  (take_lock -n) && return
  log "waiting for another run, which holds $1"
  (take_lock >/dev/null 2>&1) &
  lock_waiter=$!
  wait "$lock_waiter" || fail "$1 can't be locked"
  lock_waiter=
}

# take_lock [-n]: locks the open file 9, in place of a subshell; with -n it fails instead of waiting. The lock belongs to the
# shell's open file, so it outlives the program that took it. macOS has no flock command, but Perl.
take_lock() {
  if command -v flock >/dev/null; then
    exec flock "$@" 9
  else
    exec perl -e 'use Fcntl ":flock"; open(LOCK, ">&=9") && flock(LOCK, LOCK_EX | (@ARGV ? LOCK_NB : 0)) or exit 1' -- "$@"
  fi
}

# lock_with_link LINK: a lock where neither program is installed: the link's existence, and its target is the holder. A lock
# is held for a moment; one that the same holder has for ten seconds was left behind by a killed process.
lock_with_link() {
  local holder waited=0 last=
  until ln -s "${scratch##*/}" "$1" 2>/dev/null; do
    holder=$(readlink "$1" || true)
    [ "$holder" = "$last" ] || waited=0
    last=$holder
    waited=$((waited + 1))
    [ "$waited" -lt 100 ] || rm -f "$1"
    sleep 0.1
  done
  lock_link=$1
}

unlock() {
  exec 9>&-
  [ -z "$lock_waiter" ] || kill "$lock_waiter" 2>/dev/null || true
  [ -z "$lock_link" ] || [ "$(readlink "$lock_link" || true)" != "${scratch##*/}" ] || rm -f "$lock_link"
  lock_link=
}

# install_file SOURCE TARGET MODE: writes a file in one step, in a directory that only this user can write to
install_file() {
  cp "$1" "$2.new"
  chmod "$3" "$2.new"
  mv -f "$2.new" "$2"
}

# chown_to OWNER PATH...: OWNER is "uid:gid"; does nothing when it is empty
chown_to() {
  [ -n "$1" ] || return 0
  chown -R "$@"
}

require_env NSC_DIR
: "${SCRATCH_DIR:=$NSC_DIR/scratch}"
scratch=
temporary=
lock_link=
lock_waiter=
trap 'unlock; remove_temporary' EXIT
trap 'exit 1' HUP INT TERM
make_scratch

# json_mistake FILE: where a file stops being JSON, as `line 2, column 5: cause`. jq says it in one line, gojq shows the part
# of the line, and below it the place, behind a margin that is wider when it has the line's number.
json_mistake() {
  jq -s empty "$1" 2>&1 | awk -v file="$1" '
    NR == 1 && match($0, / at line [0-9]+, column [0-9]+$/) {
      cause = substr($0, 1, RSTART - 1)
      sub(/^.*parse error: /, "", cause)
      found = substr($0, RSTART + 4) ": " cause
      exit
    }
    NR == 1 {
      found = $0
      line = match($0, /:[0-9]+$/) ? substr($0, RSTART + 1) + 0 : 1
      margin = RSTART ? 8 : 4
    }
    NR == 2 { excerpt = substr($0, margin + 1) }
    NR == 3 {
      for (i = 0; i < line; i++) getline text < file
      caret = index($0, "^")
      start = excerpt == "" ? 1 : index(text, excerpt)
      column = start > 0 ? ", column " (start - 1 + caret - margin) : ""
      found = "line " line column ": " substr($0, caret + 3)
      exit
    }
    END { print found }
  '
}
