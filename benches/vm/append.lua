-- The same as append.vega. Lua's text cannot grow in place; its users collect the pieces in a table and join them.
local pieces = {}
for i = 0, 999999 do
  pieces[#pieces + 1] = i .. ","
end
print(#table.concat(pieces))
