# The same as while.vega.
def main():
    i = 0
    while i < 100_000_000:
        i = i + 1
    print(i)


main()
