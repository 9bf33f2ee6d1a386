# The same as for.vega.
def main():
    total = 0
    for i in range(100_000_000):
        total = total + i
    print(total)


main()
