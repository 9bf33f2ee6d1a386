# The same as sieve.vega.
def main():
    n = 5_000_000
    composite = []
    for _ in range(n + 1):
        composite.append(False)
    count = 0
    for i in range(2, n + 1):
        if not composite[i]:
            count = count + 1
            j = i * i
            while j <= n:
                composite[j] = True
                j = j + i
    print(count)


main()
