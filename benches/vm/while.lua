-- The same as loop.vega: counts to a hundred million.
local i = 0
while i < 100000000 do
  i = i + 1
end
print(i)
