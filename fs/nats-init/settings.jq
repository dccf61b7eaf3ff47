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

# punycode: a label with characters outside ASCII, as RFC 3492 writes it
def punycode:
  def clamp: if . < 1 then 1 elif . > 26 then 26 else . end;
  def digit: [if . < 26 then 97 + . else 22 + . end] | implode;
  def adapt($points; $first):
    ((if $first then . / 700 else . / 2 end) | floor) | { d: (. + (. / $points | floor)), k: 0 }
    | until(.d <= 455; .d = (.d / 35 | floor) | .k += 36)
    | .k + (36 * .d / (.d + 38) | floor);
  explode as $input
  | ($input | map(select(. < 128))) as $basic
  | { n: 128, delta: 0, bias: 72, handled: ($basic | length), text: (($basic | implode) + (if $basic == [] then "" else "-" end)) }
  | until(.handled >= ($input | length);
      .n as $n
      | ($input | map(select(. >= $n)) | min) as $next
      | .delta += ($next - $n) * (.handled + 1)
      | .n = $next
      | reduce $input[] as $c (.;
          if $c < $next then .delta += 1
          elif $c == $next then
            .q = .delta | .k = 36
            | until(.q < (.k - .bias | clamp);
                (.k - .bias | clamp) as $t
                | .text += ($t + (.q - $t) % (36 - $t) | digit)
                | .q = ((.q - $t) / (36 - $t) | floor)
                | .k += 36)
            | .text += (.q | digit)
            | .handled as $handled
            | .bias = (.delta | adapt($handled + 1; $handled == ($basic | length)))
            | .delta = 0
            | .handled += 1
          else . end)
      | .delta += 1
      | .n += 1)
  | "xn--" + .text;

# browser_origin: the origin that a browser sends for a page at this URL; null if it is the URL of no page. The rules are
# those of src/config/origins.ts.
def browser_origin:
  [capture("^(?<scheme>[Hh][Tt][Tt][Pp][Ss]?)://(?<host>\\[[0-9A-Fa-f:.]+\\]|[^\\[\\]/?#@:*%\\s]+)(:(?<port>[0-9]{0,5}))?([/?#].*)?$")][0]
  | if . == null then null else
      (.scheme | ascii_downcase) as $scheme
      | (.host | ascii_downcase | split(".") | map(if test("[^\u0000-\u007f]") then punycode else . end) | join(".")) as $host
      | ((.port // "") | sub("^0+(?<rest>[0-9])"; "\(.rest)")) as $port
      | if ($host | test("^(\\[.*\\]|[a-z0-9._-]+)$") | not) or ($port != "" and ($port | tonumber) > 65535) then null
        # Numbers of another form are an address too, which browsers write in this form.
        elif ($host | test("(^|\\.)(0x[0-9a-f]*|[0-9]+)\\.?$")) and ($host | split(".") | (length == 4 and all(.[]; test("^(0|[1-9][0-9]{0,2})$") and tonumber < 256)) | not) then null
        else "\($scheme)://\($host)" + (if $port == "" or $port == { http: "80", https: "443" }[$scheme] then "" else ":\($port)" end) end
    end;

# origins_problem: why a text can't be used as the list of origins; nothing for a good one. nats-server takes [] for "every
# origin", and refuses "*" only when it starts.
def origins_problem:
  "it must be a JSON list of at least one origin, such as [\"http://localhost:8080\"]" as $form
  | (try fromjson catch null) as $list
  | if ($list | type != "array" or length == 0) or any($list[]; type != "string") then $form + ", without paths or wildcards"
    else first($list[] | select(browser_origin != .))
      | . as $wrong | browser_origin
      | if . == null then "\($form), without paths or wildcards: \($wrong | tojson) is none"
        else "\($form), without paths or wildcards, as browsers send them: \(tojson) instead of \($wrong | tojson)" end
    end;

# dev_origins: those that the method dev adds, by the rules of src/config/dev-origins.ts: the demo page's, and those of the
# development servers on this machine if only this machine reaches the ports
def dev_origins:
  def items: split(",") | map(gsub("^\\s+|\\s+$"; "") | select(. != ""));
  if .MINT_AUTH // "" | items | index("dev") then
    (if (.MINT_PUBLISHED_PORT // "") == "" then empty
     else .MINT_PUBLISHED_PORT as $port
       | (["localhost", "127.0.0.1", "[::1]"] + (.MINT_DEV_HOSTS // "" | items))[] | "http://\(.):\($port)" | browser_origin | strings end),
    (if .NATS_BIND // "" | test("^(127\\..*|\\[?::1\\]?|)$") then
       ("localhost", "127.0.0.1") as $host
       | (1234, 3000, 3001, 4173, 4200, 4321, 5000, range(5173; 5181), 8000, 8080, 8081) | "http://\($host):\(.)"
     else empty end)
  else empty end;

# allowed_origins: what nats-server compares the origin of a page with, as text for nats.conf
def allowed_origins:
  reduce ((.NATS_WS_ORIGINS | fromjson)[], dev_origins) as $origin ([]; if index([$origin]) then . else . + [$origin] end) | tojson;

# problem: why the settings can't be used, as a sentence; nothing for good ones. Clients of the account can't use up
# everything that the server has.
def problem:
  invalid
  // if .NATS_ACCOUNT == "SYS" then "NATS_ACCOUNT is SYS, which is the system account's name; choose another name"
  elif [.NATS_WS_ORIGINS | origins_problem] != [] then
    "NATS_WS_ORIGINS is \(.NATS_WS_ORIGINS); \(.NATS_WS_ORIGINS | origins_problem)"
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
