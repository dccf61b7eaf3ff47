# shellcheck shell=sh disable=SC2034,SC2154 # shares its variables with the script that reads it
# What nats-server starts from, in $SERVER_DIR, which it mounts: its configuration and the resolver's directory.
# Nothing is mounted from the checkout: its files may not be readable for the server's user.

# refuse_orphans: data of an operator whose keys are gone is not overwritten by a new operator's
refuse_orphans() {
  [ ! -e "$SERVER_DIR/config/resolver.conf" ] ||
    fail "the server's data in $SERVER_DIR belongs to an operator whose keys are not in $NSC_DIR. Bring back a backup of the nsc store, or start anew, without the old data: $RESET_HINT"
}

write_server_config() {
  prepare_dir config 755 ''
  for dir in jwt jetstream run; do
    prepare_dir "$dir" 700 "${SERVER_OWNER:-}"
  done
  seed_system_account
  config_changed=false
  render_resolver >"$scratch/resolver.conf"
  place "$scratch/resolver.conf" resolver.conf
  place "$SERVER_FILES/nats.conf" nats.conf
  place "$SERVER_FILES/healthy.sh" healthy.sh
}

# prepare_dir NAME MODE OWNER: whole, or not there
prepare_dir() {
  [ ! -d "$SERVER_DIR/$1" ] || return 0
  rm -rf "$SERVER_DIR/$1.new"
  mkdir -p "$SERVER_DIR/$1.new"
  chmod "$2" "$SERVER_DIR/$1.new"
  give "$3" "$SERVER_DIR/$1.new"
  mv "$SERVER_DIR/$1.new" "$SERVER_DIR/$1"
}

place() {
  same "$1" "$SERVER_DIR/config/$2" && return
  install_file "$1" "$SERVER_DIR/config/$2" 644
  config_changed=true
}

# The server can't start without its system account. It stands in the resolver's directory rather than in
# resolver_preload, which would put back this version of it at every start.
seed_system_account() {
  id=$(account_id SYS)
  if read_held "$id" && is_signed "$held" && is_of_operator "$held" && is_account SYS "$id" "$held"; then return; fi
  give_server "$(account_file SYS)" "jwt/$id.jwt"
}

# The tag tells nats-push which configuration a server runs with.
render_resolver() {
  cat <<CONF
# Written by nats-init from the nsc store; changes here are lost.
operator: $(cat "$operator_dir/$operator.jwt")
system_account: $(account_id SYS)
resolver { type: full, dir: \$NATS_JWT_DIR, allow_delete: false, interval: "2m" }
server_tags: ["config:$(fingerprint "$operator_dir/$operator.jwt" "$SERVER_FILES/nats.conf")"]
CONF
}
