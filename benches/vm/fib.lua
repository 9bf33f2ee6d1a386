-- The same as fib.vega: recursive calls and small integers.
local function fib(n)
  if n < 2 then return n end
  return fib(n - 1) + fib(n - 2)
end

local result = fib(32)
print(result)
