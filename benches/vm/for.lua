-- The same as for.vega: adds up a hundred million numbers with `for`.
local sum = 0
for i = 0, 100000000 - 1 do
  sum = sum + i
end
print(string.format("%.0f", sum))
