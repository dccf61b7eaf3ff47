-- Arguments: <public keys file> <tokens file or ""> <number of the first request>.
-- Each request has the next public key and the next token, or the next user if there are no tokens.

local keys, tokens, number

local function lines(file)
  local all = {}
  for line in io.lines(file) do
    all[#all + 1] = line
  end
  return all
end

function init(args)
  keys = lines(args[1])
  tokens = args[2] ~= "" and lines(args[2])
  number = tonumber(args[3])
end

function request()
  local key = keys[number % #keys + 1]
  local headers = { ["Content-Type"] = "application/json" }
  local body
  if tokens then
    headers["Authorization"] = "Bearer " .. tokens[number % #tokens + 1]
    body = '{"public_key":"' .. key .. '"}'
  else
    body = '{"user":"user-' .. number .. '","public_key":"' .. key .. '"}'
  end
  number = number + 1
  return wrk.format("POST", nil, headers, body)
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '{"requests":%d,"seconds":%f,"p99":%f,"failed":%d}\n',
    summary.requests, summary.duration / 1e6, latency:percentile(99) / 1e3,
    errors.connect + errors.read + errors.write + errors.timeout + errors.status
  ))
end
