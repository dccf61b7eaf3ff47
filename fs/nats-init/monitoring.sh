# shellcheck shell=sh disable=SC2034,SC2154 # shares its variables with the script that reads it
# The path of nats-server's monitoring. The monitoring asks for no password, and answers every web page that knows its
# address: so the path is 128 random bits, made once, which only the server's user can read.

keep_monitoring_path() {
  prepare_dir config 755 ''
  target=$SERVER_DIR/config/monitoring.conf
  ! grep -Eqx 'http_base_path: "/[0-9a-f]{32}"' "$target" 2>/dev/null || return 0
  bits=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
  [ ${#bits} = 32 ] || fail "/dev/urandom gave no random bits for the path of the monitoring"
  printf 'http_base_path: "/%s"\n' "$bits" >"$target.new"
  chmod 600 "$target.new"
  give "${SERVER_OWNER:-}" "$target.new"
  mv -f "$target.new" "$target"
}
