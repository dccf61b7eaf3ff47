# claims: the claims of a JWT; null when it is not one, or cut short. The signature is not checked. Fields other than those
# of jwt/v2's ClaimsData are refused: Go reads "ISS" and even "iſs" as "iss", so nsc would read another issuer.
def claims:
  try (rtrimstr("\n") | if test("^[A-Za-z0-9_-]+([.][A-Za-z0-9_-]+){2}$") then split(".")[1] else error end
    | split("-") | join("+") | split("_") | join("/") | @base64d | fromjson | objects
    | if keys - ["aud", "exp", "iat", "iss", "jti", "name", "nats", "nbf", "sub"] == [] then . else error end)
  catch null;
