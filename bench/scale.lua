-- Sends the tokens of a file, one per line, in turn.
local requests, sent = {}, 0

init = function(args)
  for token in io.lines(args[1]) do
    requests[#requests + 1] = wrk.format("GET", nil, { Cookie = "token=" .. token })
  end
end

request = function()
  sent = sent % #requests + 1
  return requests[sent]
end
