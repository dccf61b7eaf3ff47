# The account's limits: sizes, and what to do where .env, the account and what was applied last differ.

# bytes: "512MB" as a number; the units are nats.conf's, powers of 1024
def bytes: capture("^(?<n>[0-9]{1,6})(?<u>B|KB|MB|GB|TB)$")
  | (.n | tonumber) * ({ B: 1, KB: 1024, MB: 1048576, GB: 1073741824, TB: 1099511627776 }[.u]);

# go_bytes: "1700MiB" as a number; the units are those of Go's GOMEMLIMIT
def go_bytes: capture("^(?<n>[0-9]{1,6})(?<u>MiB|GiB)$") | (.n | tonumber) * ({ MiB: 1048576, GiB: 1073741824 }[.u]);

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
