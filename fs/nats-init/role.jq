# A role file: what may stand in it (problems), and the scope template it means to the server (template).

# {{…}} that the server knows: server/auth.go, processUserPermissionsTemplate. It folds tag names to lower case.
def without_functions:
  gsub("\\{\\{(name\\(\\)|subject\\(\\)|account-name\\(\\)|account-subject\\(\\)|(account-)?tag\\([a-z0-9_-]+\\))\\}\\}"; "x");

def subject_problem:
  if type != "string" then "is not text"
  elif . == "" then "is empty"
  elif length > 256 then "is longer than 256 characters"
  elif test("[^!-~]") then "holds a space or a character outside ASCII"
  elif test("[,\"'`\\\\]") then "holds a comma, a quote or a backslash"
  else without_functions
    | if test("[{}]") then "holds a template function that the server does not know (known: name(), subject(), account-name(), account-subject(), tag(x), account-tag(x), with x in lower case)"
      elif split(".") | any(.[]; . == "") then "has an empty token"
      elif split(".") | any(.[]; . != "*" and . != ">" and test("[*>]")) then "has a wildcard inside a token"
      elif split(".") | any(.[:-1][]; . == ">") then "has > before its end"
      else null end
  end;

# A subscription may name a queue group behind the subject: "subject group".
def subscription_problem:
  if type == "string" and (split(" ") | length) == 2
  then (split(" ") | map(subject_problem) | map(select(. != null)) | first // null)
  else subject_problem end;

def whole($least; $most): type == "number" and floor == . and . >= $least and . <= $most;

def unknown($known; $where): keys - $known | map("\($where)unknown field \(tojson) (known: \($known | join(", ")))")[];

def side($name; check):
  if has($name) | not then "\($name) is missing: a role that is silent about one side would be allowed everything there"
  elif .[$name] | type != "object" then "\($name) must be an object with allow and deny"
  else .[$name]
    | unknown(["allow", "deny"]; "\($name): "),
      (if [.allow // [], .deny // []] | all(.[]; type == "array") then
        ((.allow // [])[] | . as $subject | check | select(. != null) | "\($name).allow: \($subject | tojson) \(.)"),
        ((.deny // [])[] | . as $subject | check | select(. != null) | "\($name).deny: \($subject | tojson) \(.)"),
        (if (.allow // []) == [] and ((.deny // []) | index(">") | not)
         then "\($name).allow is empty, which the server takes for everything: list subjects, or deny \">\"" else empty end)
      else "\($name).allow and \($name).deny must be lists of subjects" end)
  end;

# The server looks up a subscription to "a.>" among "a.*" too, token by token, and lets it in (seen in 2.15.3).
def opens_below:
  (.deny // []) as $deny
  | (.allow // [])[] | strings | split(" ")[0] | select(split(".")[-1] == "*") | select("\(.).>" as $below | $deny | index($below) | not)
  | "sub.allow: \(tojson) also lets in a subscription to \(.[:-1] + ">" | tojson): deny \("\(.).>" | tojson) beside it";

# Where one entry of a list has a function, the server checks all of them as plain subjects: one with a queue group is
# left out of allow, and in deny ends every login (server/auth.go, processUserPermissionsTemplate).
def queue_beside_function:
  to_entries[] | .key as $list | .value | select(any(.[]; contains("{{"))) | .[] | select(contains(" "))
  | "sub.\($list): \(tojson) names a queue group in a list with {{…}}, which the server can't read: leave the group out, or let the list do without functions";

# Whether two subject patterns can meet; a token with a function in it may become any token.
def meets($a; $b):
  if ($a | length) == 0 or ($b | length) == 0 then ($a | length) == ($b | length)
  elif $a[0] == ">" or $b[0] == ">" then true
  elif $a[0] == "*" or $b[0] == "*" or $a[0] == $b[0] or ($a[0] + $b[0] | contains("{{")) then meets($a[1:]; $b[1:])
  else false end;

def can_hear_itself:
  . as $role
  | any($role.pub.allow // [] | .[] | split("."); . as $pub
      | any($role.sub.allow // [] | .[] | split(" ")[0] | split("."); meets($pub; .)));

def problems_of_sides: side("pub"; subject_problem), side("sub"; subscription_problem);

# problems: one sentence for each thing that is wrong; nothing for a good role
def problems:
  if type != "object" then "must be a JSON object"
  else
    unknown(["description", "pub", "sub", "responses", "connection_types", "limits", "ttl"]; ""),
    (if has("description") and ((.description | type != "string") or (.description | test("[\\x00-\\x1f]") or length > 200))
     then "description must be one line of at most 200 characters" else empty end),
    problems_of_sides,
    (if [problems_of_sides] == [] then .sub | opens_below, queue_beside_function else empty end),
    (if has("responses") then
      (if .responses | type == "object" and (keys - ["max", "ttl"] == []) and (.max | whole(1; 1000000)) and (.ttl | whole(1; 3600)) then empty
       else "responses must be {\"max\": replies to each request, \"ttl\": seconds to answer}" end),
      (if [problems_of_sides] == [] and can_hear_itself
       then "responses would let this role publish anywhere: it can send a message to itself that names any reply subject, and replies are not checked. Let pub and sub not meet, or grant the reply subjects by name" else empty end)
     else empty end),
    (if has("connection_types") then
      (if .connection_types | type == "array" and length > 0 and all(.[]; IN("STANDARD", "WEBSOCKET", "LEAFNODE", "LEAFNODE_WS", "MQTT", "MQTT_WS", "IN_PROCESS")) then empty
       else "connection_types must list some of STANDARD, WEBSOCKET, LEAFNODE, LEAFNODE_WS, MQTT, MQTT_WS, IN_PROCESS" end)
     else empty end),
    (if has("limits") then
      (if .limits | type != "object" then "limits must be an object"
       else .limits | unknown(["subs", "payload", "data"]; "limits: "),
         (to_entries[] | select(.value | whole(1; 9007199254740991) | not) | "limits.\(.key) must be a whole number from 1 (0 would mean no limit)") end)
     else empty end),
    (if has("ttl") and (.ttl | whole(10; 3600) | not) then "ttl must be a whole number of seconds from 10 to 3600" else empty end)
  end;

def sorted_sides($pub; $sub): {
  pub: { allow: ($pub.allow // [] | unique), deny: ($pub.deny // [] | unique) },
  sub: { allow: ($sub.allow // [] | unique), deny: ($sub.deny // [] | unique) }
};
def unlimited: if . == null or . == 0 then -1 else . end;

# template: what a role file asks for, in a form to compare with scope_template
def template: sorted_sides(.pub; .sub) + {
  description: (.description // ""),
  responses: (if .responses then { max: .responses.max, ttl: (.responses.ttl * 1000000000) } else null end),
  types: (.connection_types // [] | unique),
  limits: { subs: (.limits.subs | unlimited), payload: (.limits.payload | unlimited), data: (.limits.data | unlimited) }
};

# scope_template: the same of a scoped signing key in an account's claims
def scope_template: .description as $description | .template | sorted_sides(.pub; .sub) + {
  description: ($description // ""),
  responses: (if .resp then { max: .resp.max, ttl: .resp.ttl } else null end),
  types: (.allowed_connection_types // [] | unique),
  limits: { subs: (.subs | unlimited), payload: (.payload | unlimited), data: (.data | unlimited) }
};

# arguments: a role file as arguments of `nsc edit signing-key`
def arguments($name):
  def list($flag): if length > 0 then $flag, join(",") else empty end;
  [ "--role", $name,
    (if .description then "--description", .description else empty end),
    (.pub.allow // [] | list("--allow-pub")), (.pub.deny // [] | list("--deny-pub")),
    (.sub.allow // [] | list("--allow-sub")), (.sub.deny // [] | list("--deny-sub")),
    (if .responses then "--allow-pub-response=\(.responses.max)", "--response-ttl", "\(.responses.ttl)s" else empty end),
    (.connection_types // [] | list("--conn-type")),
    (.limits // {} | to_entries[] | "--\(.key)", "\(.value)") ];

# step: what has to be done about one role.
#   $file     the role file, or null where there is none
#   $record   { key, role } as applied last, or null
#   .         the account's claims
def step($name; $file; $record):
  [ (.nats.signing_keys // [])[] | objects
    | select(if $record then .key == $record.key else .role == $name end) ][0] as $entry
  | ($entry | if . then scope_template else null end) as $current
  | ($file | if . then template else null end) as $wanted
  | ($record | if . then .role | template else null end) as $applied
  | { key: $entry.key, action:
      (if $entry == null then (if $file == null then "forget" elif $record then "renew" else "add" end)
       elif $current == $wanted then (if $record.role == $file then "none" else "record" end)
       elif $wanted == $applied then (if $record.role == $file then "keep" else "record" end)
       elif $current == $applied then (if $file == null then "remove" else "change" end)
       else "conflict" end) };

# written: the key that the account's claims have for a role and $before had not, if it says what the file says
def written($before; $name; $file):
  def scopes: .nats.signing_keys // [] | map(objects);
  (scopes - ($before | scopes)) | map(select(.role == $name and scope_template == ($file | template))) | first // {} | .key // empty;
