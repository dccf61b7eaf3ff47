# tag_options: for each scoped signing key of an account's claims, nsc's options for a user with a made-up value for each tag
# that the key's subjects name. The server finds the names as this does: server/auth.go, processUserPermissionsTemplate.
def tag_options:
  [ (.nats.signing_keys // [])[] | objects
    | { key, value: (
        [ .template | .pub, .sub | .allow, .deny | .[]? | scan("[{][{][^}]+[}][}]") | .[2:-2]
          | capture("^\\s*tag\\((?<name>.*)\\)\\s*$").name | ascii_downcase ]
        | unique | map("--tag", "\(.):check") | @sh) } ]
  | from_entries;
