# What has to be done about a role, from its file, the account and what was applied last.

include "role-template";

# step: what to do about a role, given the account's claims, and the key that it has there
#   $file     the role file, or null where there is none
#   $record   { key, role } as applied last, or null
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

# written: the key that the account's claims have for a role and those of $before don't have, if it has the permissions of
# the file
def written($before; $name; $file):
  def scopes: .nats.signing_keys // [] | map(objects);
  (scopes - ($before | scopes)) | map(select(.role == $name and scope_template == ($file | template))) | first // {} | .key // empty;
