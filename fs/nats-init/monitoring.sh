# shellcheck shell=sh disable=SC2034,SC2154 # shares its variables with the script that reads it
# The path of nats-server's monitoring. The monitoring asks for no password, and answers every web page that knows its
# address: so the path is 128 random bits, made once, which the server's user can read, and not change.

keep_monitoring_path() {
  prepare_dir config 755 ''
  target=$SERVER_DIR/config/monitoring.conf
  if grep -Eqx 'http_base_path: "/[0-9a-f]{32}"' "$target" 2>/dev/null && [ "$(grep -c '' "$target")" = 1 ]; then return; fi
  bits=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
  [ ${#bits} = 32 ] || fail "/dev/urandom gave no random bits for the path of the monitoring"
  printf 'http_base_path: "/%s"\n' "$bits" >"$target.new"
  if [ -n "${SERVER_OWNER:-}" ]; then chmod 640 "$target.new"; else chmod 600 "$target.new"; fi
  give "${SERVER_OWNER:+:${SERVER_OWNER#*:}}" "$target.new"
  mv -f "$target.new" "$target"
}
