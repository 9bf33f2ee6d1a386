-- The same as trees.vega: binary trees of depth 4 to 16.
local function make(depth)
  if depth == 0 then return {} end
  return { make(depth - 1), make(depth - 1) }
end

local function check(tree)
  if tree[1] then
    return 1 + check(tree[1]) + check(tree[2])
  end
  return 1
end

local deepest = 16
print("stretch " .. check(make(deepest + 1)))
local long_lived = make(deepest)
local depth = 4
while depth <= deepest do
  local iterations = 2 ^ (deepest - depth + 4)
  local nodes = 0
  for _ = 1, iterations do
    nodes = nodes + check(make(depth))
  end
  print(string.format("%d of depth %d: %d", iterations, depth, nodes))
  depth = depth + 2
end
print("long lived " .. check(long_lived))
