-- The same as loop.vega: counts to a hundred million.
local start = os.clock()
local i = 0
while i < 100000000 do
  i = i + 1
end
io.stderr:write(string.format("cpu %.0f ms\n", (os.clock() - start) * 1000))
print(i)
