# Stream files, and what JetStream answers about streams.

# problem: why files, read into a list, can't be sent as the configuration of stream $name; nothing for a good one
def problem($name):
  if length != 1 or (.[0] | type != "object") then "must hold one JSON object"
  elif .[0].name // $name | . != $name then "names a stream otherwise than the file's name does"
  else empty end;

# What a server says of a field that the file leaves out, or sets to the same.
def unset: IN(null, false, 0, -1, "", [], {});

# The server adds to objects, such as metadata.
def says($wanted): . == $wanted or (unset and ($wanted | unset)) or (type == "object" and ($wanted | type == "object") and . + $wanted == .);

# state: of the stream, from the answer to STREAM.INFO
def state($file):
  if .error.err_code == 10059 then "absent"
  elif .error then .error.description
  else .config as $config
    | [$file | del(.name) | to_entries[] | select(.value as $wanted | $config[.key] | says($wanted) | not) | .key]
    | if . == [] then "there" else "differs \(join(", "))" end
  end;

# The errors of limits: server/errors.json.
def of_limits: .err_code | IN(10002, 10023, 10026, 10027, 10028, 10047, 10120, 10122);

# refusal: from the answer to STREAM.CREATE; nothing when it was made
def refusal:
  .error // empty
  | .description + (if of_limits then " (the limits are NATS_ACCOUNT_JS_… and NATS_JS_… in .env)" else "" end);
