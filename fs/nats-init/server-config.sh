# shellcheck shell=sh
# What nats-server starts from, in its directory, which it mounts: its configuration and the resolver's directory.
# Nothing is mounted from the checkout: its files may not be readable for the server's user.
#
# State: $config_changed   whether this run has changed a server's configuration
config_changed=false

# refuse_orphans SERVER_DIR: the data of an operator whose keys are gone is not overwritten by a new operator's
refuse_orphans() {
  [ ! -e "$1/config/resolver.conf" ] ||
    fail "the server's data in $1 belongs to an operator whose keys are not in $NSC_DIR. Bring back a backup of the nsc store, or start anew, without the old data: $RESET_HINT"
}

# make_server_dirs SERVER_DIR
make_server_dirs() {
  local dir
  make_dir "$1/config" 755 ''
  for dir in jwt jetstream run; do
    make_dir "$1/$dir" 700 "${SERVER_OWNER:-}"
  done
}

# make_dir PATH MODE OWNER: makes it with its mode and owner in one step, unless it exists
make_dir() {
  [ ! -d "$1" ] || return 0
  rm -rf "$1.new"
  mkdir -p "$1.new"
  chmod "$2" "$1.new"
  chown_to "$3" "$1.new"
  mv "$1.new" "$1"
}

# install_system_account SERVER_DIR: The server can't start without its system account. It is put into the resolver's
# directory rather than into resolver_preload, which would restore this version of it at every start.
install_system_account() {
  local id held="$scratch/held-system.jwt"
  id=$(account_id SYS)
  if read_account_jwt "$1" "$id" "$held" && is_good_system_account "$id" "$held"; then return; fi
  install_for_server "$1" "$(account_file SYS)" "jwt/$id.jwt"
}

# is_good_system_account ID FILE: it is the store's JWT, or another one of this account that the operator has signed
is_good_system_account() {
  same_file "$2" "$(account_file SYS)" || { is_signed "$2" && is_of_operator "$2" && is_account SYS "$1" "$2"; }
}

# install_server_config SERVER_DIR
install_server_config() {
  printf 'allowed_origins: %s\n' "$(jq -nr -L "$here" 'include "settings"; env | allowed_origins')" >"$scratch/origins.conf"
  install_config_file "$scratch/origins.conf" "$1/config/origins.conf"
  render_resolver >"$scratch/resolver.conf"
  install_config_file "$scratch/resolver.conf" "$1/config/resolver.conf"
  install_config_file "$SERVER_FILES/nats.conf" "$1/config/nats.conf"
  install_config_file "$SERVER_FILES/healthy.sh" "$1/config/healthy.sh"
}

# install_config_file SOURCE TARGET
install_config_file() {
  ! same_file "$1" "$2" || return 0
  install_file "$1" "$2" 644
  config_changed=true
}

# render_resolver: The tag tells nats-push which configuration a server runs with.
render_resolver() {
  cat <<CONF
# Written by nats-init from the nsc store; changes here are lost.
operator: $(cat "$operator_dir/$operator.jwt")
system_account: $(account_id SYS)
resolver { type: full, dir: \$NATS_JWT_DIR, allow_delete: false, interval: "2m" }
server_tags: ["config:$(fingerprint "$operator_dir/$operator.jwt" "$SERVER_FILES/nats.conf" "$scratch/origins.conf")"]
CONF
}
