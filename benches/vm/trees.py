# The same as trees.vega: binary trees of depth 4 to 16.
def make(depth):
    if depth == 0:
        return (None, None)
    return (make(depth - 1), make(depth - 1))


def check(tree):
    left, right = tree
    if left is None:
        return 1
    return 1 + check(left) + check(right)


def main():
    deepest = 16
    print("stretch", check(make(deepest + 1)))
    long_lived = make(deepest)
    depth = 4
    while depth <= deepest:
        iterations = 1 << (deepest - depth + 4)
        nodes = 0
        for _ in range(iterations):
            nodes += check(make(depth))
        print(f"{iterations} of depth {depth}: {nodes}")
        depth += 2
    print("long lived", check(long_lived))


main()
