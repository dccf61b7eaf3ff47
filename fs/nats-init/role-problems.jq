# Checks a role file: problems.

# without_functions: a subject with a plain text for each template function that the server knows: server/auth.go,
# processUserPermissionsTemplate, which turns tag names into lower case
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

# subscription_problem: of a subject, or of a subject with a queue group, "subject group"
def subscription_problem:
  if type == "string" and (split(" ") | length) == 2
  then (split(" ") | map(subject_problem) | map(select(. != null)) | first // null)
  else subject_problem end;

def whole_number($least; $most): type == "number" and floor == . and . >= $least and . <= $most;

def unknown_fields($known; $where): keys - $known | map("\($where)unknown field \(tojson) (known: \($known | join(", ")))")[];

# side_problems: of pub or sub, whose subjects "check" looks at
def side_problems($name; check):
  if has($name) | not then "\($name) is missing: without it the server would allow every subject there"
  elif .[$name] | type != "object" then "\($name) must be an object with allow and deny"
  else .[$name]
    | unknown_fields(["allow", "deny"]; "\($name): "),
      (if [.allow // [], .deny // []] | all(.[]; type == "array") then
        ((.allow // [])[] | . as $subject | check | select(. != null) | "\($name).allow: \($subject | tojson) \(.)"),
        ((.deny // [])[] | . as $subject | check | select(. != null) | "\($name).deny: \($subject | tojson) \(.)"),
        (if (.allow // []) == [] and ((.deny // []) | index(">") | not)
         then "\($name).allow is empty, which the server takes for everything: list subjects, or deny \">\"" else empty end)
      else "\($name).allow and \($name).deny must be lists of subjects" end)
  end;

# The server compares a subscription to "a.>" with "a.*" token by token, and so allows it (seen in 2.15.3).
def wider_wildcards:
  (.deny // []) as $deny
  | (.allow // [])[] | strings | split(" ")[0] | select(split(".")[-1] == "*") | select("\(.).>" as $below | $deny | index($below) | not)
  | "sub.allow: \(tojson) also allows a subscription to \(.[:-1] + ">" | tojson): deny \("\(.).>" | tojson) beside it";

# If one entry of a list has a function, the server checks all of them as plain subjects: one with a queue group is
# left out of allow, and in deny makes every login fail (server/auth.go, processUserPermissionsTemplate).
def queue_groups_beside_functions:
  to_entries[] | .key as $list | .value | select(any(.[]; contains("{{"))) | .[] | select(contains(" "))
  | "sub.\($list): \(tojson) names a queue group in a list with {{…}}, which the server can't read: remove the group, or the functions from the list";

# overlap: a subject can match both patterns; a token with a function in it may become any token
def overlap($a; $b):
  if ($a | length) == 0 or ($b | length) == 0 then ($a | length) == ($b | length)
  elif $a[0] == ">" or $b[0] == ">" then true
  elif $a[0] == "*" or $b[0] == "*" or $a[0] == $b[0] or ($a[0] + $b[0] | contains("{{")) then overlap($a[1:]; $b[1:])
  else false end;

def can_receive_own_messages:
  . as $role
  | any($role.pub.allow // [] | .[] | split("."); . as $pub
      | any($role.sub.allow // [] | .[] | split(" ")[0] | split("."); overlap($pub; .)));

def subject_problems: side_problems("pub"; subject_problem), side_problems("sub"; subscription_problem);

# problems: one sentence for each problem of a role file; nothing for a good one
def problems:
  if type != "object" then "must be a JSON object"
  else
    unknown_fields(["description", "pub", "sub", "responses", "connection_types", "limits", "ttl"]; ""),
    (if has("description") and ((.description | type != "string") or (.description | test("[\\x00-\\x1f]") or length > 200))
     then "description must be one line of at most 200 characters" else empty end),
    subject_problems,
    (if [subject_problems] == [] then .sub | wider_wildcards, queue_groups_beside_functions else empty end),
    (if has("responses") then
      (if .responses | type == "object" and (keys - ["max", "ttl"] == []) and (.max | whole_number(1; 1000000)) and (.ttl | whole_number(1; 3600)) then empty
       else "responses must be {\"max\": replies to each request, \"ttl\": seconds to reply}" end),
      (if [subject_problems] == [] and can_receive_own_messages
       then "responses would let this role publish anywhere: it can send a message to itself that names any reply subject, and replies are not checked. Let pub and sub not overlap, or grant the reply subjects by name" else empty end)
     else empty end),
    (if has("connection_types") then
      (if .connection_types | type == "array" and length > 0 and all(.[]; IN("STANDARD", "WEBSOCKET", "LEAFNODE", "LEAFNODE_WS", "MQTT", "MQTT_WS", "IN_PROCESS")) then empty
       else "connection_types must list some of STANDARD, WEBSOCKET, LEAFNODE, LEAFNODE_WS, MQTT, MQTT_WS, IN_PROCESS" end)
     else empty end),
    (if has("limits") then
      (if .limits | type != "object" then "limits must be an object"
       else .limits | unknown_fields(["subs", "payload", "data"]; "limits: "),
         (to_entries[] | select(.value | whole_number(1; 9007199254740991) | not) | "limits.\(.key) must be a whole number from 1 (0 would mean no limit)") end)
     else empty end),
    (if has("ttl") and (.ttl | whole_number(10; 3600) | not) then "ttl must be a whole number of seconds from 10 to 3600" else empty end)
  end;

# file_problems: the same for a role file as jq's list of stream events
def file_problems:
  . as $events
  | [fromstream($events[])]
  | if length == 1 then .[0] | problems else "must hold one JSON object" end,
    # Of a key that is given twice only the last value counts, and what the first one denies would be ignored.
    ([$events[] | if length == 2 then .[0] else .[0][:-1] end]
      | if length == (unique | length) then empty else "has the same key twice in one object" end);

# account_problems: of an account's claims, why the server would refuse every user of a role with this file, or null: a
# denied subject that is no subject once the account's tags are filled in
def account_problems($file):
  (.nats.tags // []) as $tags
  | (["pub", "sub"][] | . as $side | $file[$side]? // {} | .deny // [] | .[] | [$side, .])
  | . as [$side, $subject]
  | $subject | [scan("\\{\\{account-tag\\(([a-z0-9_-]+)\\)\\}\\}")[0]] | unique[]
  | . as $name
  | [$tags[] | select(startswith("\($name):")) | .[($name | length) + 1:]]
  | if . == [] then "\($side).deny: \($subject | tojson) denies by a tag of the account that it does not have, so the server would refuse every user: add the tag (nsc edit account --tag \($name):<value>), or remove the subject"
    else .[] | select(split(".") | any(.[]; . == "" or . == ">" or test("\\s")))
      | "\($side).deny: \($subject | tojson) is no subject with the account's tag \($name):\(.), so the server would refuse every user: change the tag, or remove the subject"
    end;
