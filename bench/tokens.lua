-- Sends the cookies of the file in the first argument in random order. All requests are created before the first
-- one is sent.
local requests = {}

init = function(args)
  for cookie in io.lines(args[1]) do
    requests[#requests + 1] = wrk.format("GET", nil, { Cookie = cookie })
  end
  math.randomseed(os.time())
end

request = function()
  return requests[math.random(#requests)]
end
