# shellcheck shell=sh disable=SC2034,SC2154 # shares its variables with the script that reads it
# $SERVER_DIR, the directory that nats-server mounts. It belongs to the user of these scripts, and so does config/ in it.
# jwt/, jetstream/ and run/ belong to nats-server's user, which may be another one with fewer rights: what stands there
# can be a link to any file, or a pipe, and can change between two looks. So nothing is opened in them: a file is made in
# $staging and moved from there, and one is read through a hard link in $staging.

open_server_dir() {
  mkdir -p "$SERVER_DIR"
  check_own_dir "$SERVER_DIR"
  find "$SERVER_DIR" -mindepth 1 -maxdepth 1 -name 'staging-*' -mmin +60 -exec rm -rf {} +
  staging=$(mktemp -d "$SERVER_DIR/staging-XXXXXX")
}

# read_held ID: $held is a copy of what the resolver's directory holds for an account. Fails when it holds no file.
read_held() {
  entry=$SERVER_DIR/jwt/$1.jwt
  held=$scratch/held.jwt
  rm -f "$held" "$staging/held"
  # A hard link to a link is a link again: link(2).
  if ln "$entry" "$staging/held" 2>"$scratch/error" && [ -f "$staging/held" ] && [ ! -L "$staging/held" ]; then
    head -c 8388608 "$staging/held" >"$held" # no JWT is larger than a message: max_payload
    rm -f "$staging/held"
    return
  fi
  [ -L "$entry" ] || [ ! -f "$entry" ] || fail "$entry can't be read: $(head -n 1 "$scratch/error")"
  return 1
}

# give_server FILE NAME: a copy of FILE becomes $SERVER_DIR/NAME, and nats-server's
give_server() {
  install_file "$1" "$staging/given" 600
  give "${SERVER_OWNER:-}" "$staging/given"
  move_over "$staging/given" "$SERVER_DIR/$2" ||
    fail "$SERVER_DIR/$2 can't be replaced. It should be a file: remove what stands there"
}
