# The same as append.vega.
def main():
    text = ""
    for i in range(1_000_000):
        text += f"{i},"
    print(len(text))


main()
