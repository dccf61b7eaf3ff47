# claims: the claims of a JWT; null when it is not one, or cut short. The signature is not looked at.
def claims:
  try (rtrimstr("\n") | split(".") | if length == 3 and .[2] != "" then .[1] else error end
    | gsub("-"; "+") | gsub("_"; "/") | @base64d | fromjson | objects)
  catch null;
