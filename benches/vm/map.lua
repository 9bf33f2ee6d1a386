-- The same as map.vega: a table of a million text keys.
local counts = {}
for i = 0, 999999 do
  counts["key" .. i] = i
end
for i = 0, 999999 do
  local key = "key" .. i
  counts[key] = counts[key] + 1
end
local sum = 0
for i = 0, 999999 do
  sum = sum + counts["key" .. i]
end
local entries = 0
for _ in pairs(counts) do
  entries = entries + 1
end
print(string.format("%d %.0f", entries, sum))
