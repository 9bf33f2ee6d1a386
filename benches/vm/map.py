# The same as map.vega: a dictionary of a million text keys.
def main():
    counts = {}
    for i in range(1_000_000):
        counts[f"key{i}"] = i
    for i in range(1_000_000):
        counts[f"key{i}"] += 1
    total = 0
    for i in range(1_000_000):
        total += counts[f"key{i}"]
    print(len(counts), total)


main()
