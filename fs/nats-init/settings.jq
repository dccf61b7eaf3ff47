# The settings of nats-init, and the account's limits: what to do where .env, the account and what was applied last differ.

# bytes: "512MB" as a number; the units are nats.conf's, powers of 1024
def bytes: capture("^(?<n>[0-9]{1,6})(?<u>B|KB|MB|GB|TB)$")
  | (.n | tonumber) * ({ B: 1, KB: 1024, MB: 1048576, GB: 1073741824, TB: 1099511627776 }[.u]);

# go_bytes: "1700MiB" as a number; the units are those of Go's GOMEMLIMIT
def go_bytes: capture("^(?<n>[0-9]{1,6})(?<u>MiB|GiB)$") | (.n | tonumber) * ({ MiB: 1048576, GiB: 1073741824 }[.u]);

# invalid: the first setting whose value has not the form that it must have, as a sentence
def invalid:
  . as $settings
  | first(
      (["NATS_OPERATOR", "NATS_ACCOUNT"][] | [., "^[A-Za-z0-9_-]{1,64}$", "1 to 64 letters, digits, - and _"]),
      ["NATS_CONFLICT", "^(stop|server|store)$", "stop, server or store"],
      (["NATS_MEMORY", "NATS_JS_MEMORY", "NATS_JS_DISK", "NATS_ACCOUNT_JS_MEMORY", "NATS_ACCOUNT_JS_DISK"][]
        | [., "^[1-9][0-9]{0,5}(B|KB|MB|GB|TB)$", "a size such as 256MB or 10GB"]),
      (["NATS_MAX_CONNECTIONS", "NATS_ACCOUNT_CONNECTIONS", "NATS_ACCOUNT_JS_STREAMS", "NATS_ACCOUNT_JS_CONSUMERS"][]
        | [., "^[1-9][0-9]{0,8}$", "a whole number from 1"]),
      ["NATS_GOMEMLIMIT", "^[1-9][0-9]{0,5}(MiB|GiB)$", "a size such as 1700MiB or 3GiB"]
      | . as [$name, $pattern, $form]
      | $settings[$name]
      # $ would also match before a line break at the end.
      | if contains("\n") then "\($name) holds a line break; it must be \($form)"
        elif test($pattern) then empty
        else "\($name) is \"\(.)\"; it must be \($form)" end);

# are_origins: nats-server takes [] for "every origin", and refuses "*" only when it starts.
def are_origins: type == "array" and length > 0 and all(.[]; type == "string" and test("^https?://[^/*?#@\\s]+$"));

# problem: why the settings can't be used, as a sentence; nothing for good ones. Clients of the account can't use up
# everything that the server has.
def problem:
  invalid
  // if .NATS_ACCOUNT == "SYS" then "NATS_ACCOUNT is SYS, which is the system account's name; choose another name"
  elif .NATS_WS_ORIGINS | try fromjson catch null | are_origins | not then
    "NATS_WS_ORIGINS is \(.NATS_WS_ORIGINS); it must be a JSON list of at least one origin, such as [\"http://localhost:8080\"], without paths or wildcards"
  elif (.NATS_ACCOUNT_JS_MEMORY | bytes) > (.NATS_JS_MEMORY | bytes) or (.NATS_ACCOUNT_JS_DISK | bytes) > (.NATS_JS_DISK | bytes) then
    "NATS_ACCOUNT_JS_MEMORY (\(.NATS_ACCOUNT_JS_MEMORY)) and NATS_ACCOUNT_JS_DISK (\(.NATS_ACCOUNT_JS_DISK)) can't be larger than NATS_JS_MEMORY (\(.NATS_JS_MEMORY)) and NATS_JS_DISK (\(.NATS_JS_DISK)), which are the whole server's"
  elif (.NATS_ACCOUNT_CONNECTIONS | tonumber) > (.NATS_MAX_CONNECTIONS | tonumber) - 10 then
    "NATS_ACCOUNT_CONNECTIONS is \(.NATS_ACCOUNT_CONNECTIONS); it can't be more than NATS_MAX_CONNECTIONS (\(.NATS_MAX_CONNECTIONS)) less 10, which are for the recipe's own logins"
  elif (.NATS_GOMEMLIMIT | go_bytes) > (.NATS_MEMORY | bytes) * 0.95 then
    "NATS_GOMEMLIMIT is \(.NATS_GOMEMLIMIT); it can't be more than 95 % of NATS_MEMORY (\(.NATS_MEMORY)), or the server would be killed before it frees memory"
  elif (.NATS_JS_MEMORY | bytes) >= (.NATS_GOMEMLIMIT | go_bytes) then
    "NATS_JS_MEMORY is \(.NATS_JS_MEMORY); it must be less than NATS_GOMEMLIMIT (\(.NATS_GOMEMLIMIT)), which connections need too"
  else empty end;

# limits: the account's, by their names in its JWT
def limits: {
  conn: .NATS_ACCOUNT_CONNECTIONS | tonumber,
  mem_storage: .NATS_ACCOUNT_JS_MEMORY | bytes, disk_storage: .NATS_ACCOUNT_JS_DISK | bytes,
  streams: .NATS_ACCOUNT_JS_STREAMS | tonumber, consumer: .NATS_ACCOUNT_JS_CONSUMERS | tonumber
};

# flags: nsc's option for each limit
def flags: { conn: "--conns", mem_storage: "--js-mem-storage", disk_storage: "--js-disk-storage", streams: "--js-streams", consumer: "--js-consumer" };

# steps: for each limit that differs from the wanted one, what to do, and its option of nsc. Stores of older versions have
# no record of conn, which was nsc's default there unless an operator set it.
def steps($wanted; $applied):
  .nats.limits as $current
  | [ flags | keys[] | . as $field | select($current[$field] != $wanted[$field])
      | { $field, flag: flags[$field], value: $wanted[$field], action:
          (if $applied[$field] == null and $field != "conn" or $current[$field] == ($applied[$field] // -1) then "set"
           elif $wanted[$field] == $applied[$field] then "keep"
           else "conflict" end) } ];
