# shellcheck shell=sh
# The path of nats-server's monitoring. The monitoring asks for no password, and responds to every web page that knows its
# address: so the path is 128 random bits, made once, which the server's user can read, and not change.

# install_monitoring_path SERVER_DIR: makes the path, unless there is one
install_monitoring_path() {
  local file="$1/config/monitoring.conf" bits mode
  if grep -Eqx 'http_base_path: "/[0-9a-f]{32}"' "$file" 2>/dev/null && [ "$(grep -c '' "$file")" = 1 ]; then return; fi
  bits=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
  [ ${#bits} = 32 ] || fail "/dev/urandom gave no random bits for the path of the monitoring"
  printf 'http_base_path: "/%s"\n' "$bits" >"$file.new"
  if [ -n "${SERVER_OWNER:-}" ]; then mode=640; else mode=600; fi
  chmod "$mode" "$file.new"
  chown_to "${SERVER_OWNER:+:${SERVER_OWNER#*:}}" "$file.new"
  mv -f "$file.new" "$file"
  config_changed=true
}
