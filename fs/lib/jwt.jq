# claims: the claims of a JWT; null when it is not one, or cut short. The signature is not checked.
def claims:
  try (rtrimstr("\n") | if test("^[A-Za-z0-9_-]+([.][A-Za-z0-9_-]+){2}$") then split(".")[1] else error end
    | gsub("-"; "+") | gsub("_"; "/") | @base64d | fromjson | objects)
  catch null;
