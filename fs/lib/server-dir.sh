# shellcheck shell=sh
# A server's directory, which nats-server mounts. It belongs to the user of these scripts, and so does config/ in it.
# jwt/, jetstream/ and run/ belong to nats-server's user, which may be another one with fewer rights: an entry there can
# be a link to any file, or a pipe, and can change between two looks. So no path in them is opened: a file is made in a
# staging directory and moved from there, and one is read through a hard link in the staging directory.

# staging_dir SERVER_DIR: this process's staging directory in it
staging_dir() { printf '%s/staging-%s' "$1" "${scratch##*/}"; }

# open_server_dir SERVER_DIR: checks it and makes its staging directory, before anything else is done with it
open_server_dir() {
  mkdir -p "$1"
  check_own_dir "$1"
  find "$1" -mindepth 1 -maxdepth 1 -name 'staging-*' -mmin +60 -exec rm -rf {} +
  remove_at_exit "$(staging_dir "$1")"
  mkdir "$(staging_dir "$1")"
}

# read_account_jwt SERVER_DIR ID FILE: FILE becomes a copy of the account JWT in the resolver's directory. False when
# there is none.
read_account_jwt() {
  local entry="$1/jwt/$2.jwt" linked found=false
  linked=$(staging_dir "$1")/linked
  if ln "$entry" "$linked" 2>"$scratch/error"; then
    # A hard link to a link is a link again: link(2).
    if [ -f "$linked" ] && [ ! -L "$linked" ]; then
      head -c 8388608 "$linked" >"$3" # no JWT is larger than a message: max_payload
      found=true
    fi
    rm -f "$linked"
    ! $found || return 0
  fi
  [ -L "$entry" ] || [ ! -f "$entry" ] || fail "$entry can't be read: $(head -n 1 "$scratch/error")"
  return 1
}

# install_for_server SERVER_DIR FILE NAME: SERVER_DIR/NAME becomes a copy of FILE that belongs to nats-server
install_for_server() {
  local staged
  staged=$(staging_dir "$1")/staged
  install_file "$2" "$staged" 600
  chown_to "${SERVER_OWNER:-}" "$staged"
  move_over "$staged" "$1/$3" ||
    fail "$1/$3 can't be replaced. It should be a file: remove what is there"
}
