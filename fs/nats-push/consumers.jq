# Which consumers a client with a role may have made, and to which subjects they may deliver.

# fits: the values that the functions of a subject pattern have in a subject; nothing when it does not fit.
#   $bound    the values that are known, by function
def fits($pattern; $subject; $bound):
  if $pattern == [] or $subject == [] then if $pattern == $subject then $bound else empty end
  elif $pattern[0] == ">" then $bound
  elif $pattern[0] == "*" or $pattern[0] == $subject[0] then fits($pattern[1:]; $subject[1:]; $bound)
  else
    ($pattern[0] | capture("^(?<before>.*?)\\{\\{(?<function>[^}]*)\\}\\}(?<after>.*)$")) as $part
    # Where two functions share a token, their values can't be told apart.
    | ($part.after | contains("{{")) as $open
    | (if $open then "" else $part.after end) as $after
    | $subject[0] | select(startswith($part.before) and endswith($after))
    | .[($part.before | length):length - ($after | length)]
    | select(IN("", "*", ">") | not)
    | . as $value
    | (if $open then null else $bound[$part.function] end) as $known
    | select($known == null or $known == $value)
    | fits($pattern[1:]; $subject[1:]; $bound + (if $open then {} else { ($part.function): $value } end))
  end;

def tokens: split(".");

# filtered_create: of a grant to make a consumer with a certain filter, its pattern: <stream>, <consumer>, <filter>. A
# grant without a filter is for backends, whose consumers may deliver to any subject.
def filtered_create:
  tokens | select(.[0] == "$JS")
  | (if .[1] == "API" then .[2:] elif .[2] == "API" then .[3:] else empty end)
  | select((.[0] | IN("CONSUMER", "*")) and (.[1] | IN("CREATE", "*")))
  | .[2:] | select(length > 2 and .[2:] != [">"]);

# inboxes: the subjects below _INBOX… that a role may subscribe to; if there are none, all that it may subscribe to
def inboxes:
  [(.allow // [])[] | split(" ")[0]]
  | if any(.[]; startswith("_INBOX")) then map(select(startswith("_INBOX")))
    elif . == [] then [">"]
    else . end
  | map(tokens);

# makers: the roles of an account's claims that may make consumers of a certain filter
def makers:
  [ (.nats.signing_keys // [])[] | objects | .template
    | { creates: [(.pub.allow // [])[] | filtered_create],
        create_denied: [(.pub.deny // [])[] | tokens],
        inboxes: (.sub | inboxes),
        inbox_denied: [(.sub.deny // [])[] | select(contains(" ") | not) | tokens] }
    | select(.creates != []) ];

# made_by: for each of $makers that may have made a consumer, itself and the values of its functions
def made_by($makers):
  [.stream, .name] + (.filter | tokens) | . as $made
  | $makers[] | . as $maker
  | .creates[] | fits(.; $made; {})
  | select(. as $bound | any($maker.create_denied[]; any(fits(.; ["$JS", "API", "CONSUMER", "CREATE"] + $made; $bound); true)) | not)
  | { maker: $maker, bound: . };

# is_inbox: whether a deliver subject is an inbox of a user who may have made the consumer
def is_inbox($subject):
  .bound as $bound | .maker as $maker
  | any($maker.inboxes[] | fits(.; $subject; $bound);
      . as $bound | any($maker.inbox_denied[]; any(fits(.; $subject; $bound); true)) | not);

# is_foreign: whether a consumer, as the API lists it, is a push consumer that a client with a role may have made, and
# whose deliver subject is no inbox of a user who may have made it
def is_foreign($makers):
  (.config.deliver_subject | strings | tokens) as $subject
  | [.config.filter_subject // empty, (.config.filter_subjects // [])[]] as $filters
  | ($filters | length == 1)
    and ({ stream: .stream_name, name, filter: $filters[0] } | [made_by($makers)]
      | . != [] and all(.[]; is_inbox($subject) | not));

# may_have: whether a stream may have consumers of $makers
def may_have($makers): . as $stream | any($makers[].creates[]; any(fits(.[:1]; [$stream]; {}); true));

# for_message: a text of a client's choice as one line of printable ASCII
def for_message: gsub("[^ -~]"; "?") | if length > 80 then "\(.[:80])…" else . end | tojson;

# in_template: a text of a client's choice as part of a subject for the nats tool, which reads subjects as Go templates. A
# JSON string is a Go string too.
def in_template: "{{\(tojson)}}";

# row: a consumer's name for a subject, and its description for a message
def row: "\(.name | in_template)\tconsumer \(.name | for_message) of stream \(.stream_name | for_message): it delivers to \(.config.deliver_subject | for_message)";

# next_offset: where the next page of a list begins, from a response and what it lists; nothing after the last page
def next_offset($listed): (.offset + ($listed | length)) as $next | select($next > .offset and $next < .total) | $next;

# problem: the error of a response; "gone" where there is no such consumer or stream, or no JetStream for the account:
# server/errors.json
def problem:
  .error // empty | if .err_code | IN(10014, 10039, 10059, 10076) then "gone" else .description | for_message end;
