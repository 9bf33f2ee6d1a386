-- The same as sieve.vega: reading, writing and appending to an array.
local n = 5000000
local composite = {}
for i = 0, n do
  composite[#composite + 1] = false
end
local count = 0
for i = 2, n do
  if not composite[i + 1] then
    count = count + 1
    local j = i * i
    while j <= n do
      composite[j + 1] = true
      j = j + i
    end
  end
end
print(count)
