# The permissions of a role: of its file and of its scoped signing key in the same form, and as arguments of nsc.

def sorted_sides($pub; $sub): {
  pub: { allow: ($pub.allow // [] | unique), deny: ($pub.deny // [] | unique) },
  sub: { allow: ($sub.allow // [] | unique), deny: ($sub.deny // [] | unique) }
};
def unlimited: if . == null or . == 0 then -1 else . end;

# template: the permissions of a role file, in a form to compare with scope_template
def template: sorted_sides(.pub; .sub) + {
  description: (.description // ""),
  responses: (if .responses then { max: .responses.max, ttl: (.responses.ttl * 1000000000) } else null end),
  types: (.connection_types // [] | unique),
  limits: { subs: (.limits.subs | unlimited), payload: (.limits.payload | unlimited), data: (.limits.data | unlimited) }
};

# scope_template: the permissions of a scoped signing key in an account's claims
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
