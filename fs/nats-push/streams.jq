# Stream files, and JetStream's responses about streams.

# problem: why files, read into a list, can't be sent as the configuration of stream $name; nothing for a good one
def problem($name):
  if length != 1 or (.[0] | type != "object") then "must hold one JSON object"
  elif .[0].name // $name | . != $name then "names a stream otherwise than the file's name does"
  else empty end;

# is_default: the value that a server reports for a field that the file leaves out, or sets to that value
def is_default: IN(null, false, 0, -1, "", [], {});

# matches: a field of the server's has the value that the file wants; the server adds to objects, such as metadata
def matches($wanted): . == $wanted or (is_default and ($wanted | is_default)) or (type == "object" and ($wanted | type == "object") and . + $wanted == .);

# state: of the stream, from the response to STREAM.INFO
def state($file):
  if .error.err_code == 10059 then "absent"
  elif .error then .error.description
  else .config as $config
    | [$file | del(.name) | to_entries[] | select(.value as $wanted | $config[.key] | matches($wanted) | not) | .key]
    | if . == [] then "present" else "differs \(join(", "))" end
  end;

# is_limit_error: by the codes of server/errors.json
def is_limit_error: .err_code | IN(10002, 10023, 10026, 10027, 10028, 10047, 10120, 10122);

# refusal: from the response to STREAM.CREATE; nothing when it was made
def refusal:
  .error // empty
  | .description + (if is_limit_error then " (the limits are NATS_ACCOUNT_JS_… and NATS_JS_… in .env)" else "" end);
