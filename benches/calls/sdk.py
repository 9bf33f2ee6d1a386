"""The same calls with the `anthropic` package: sdk.py plain|tool|stream COUNT.

The address, the key and the trusted certificates come from the environment, as the package reads them.
"""

import sys

import anthropic

TOOLS = [
    {
        "name": "look",
        "description": "Looks a word up.",
        "input_schema": {
            "type": "object",
            "properties": {"word": {"type": "string"}},
            "required": ["word"],
            "additionalProperties": False,
        },
    }
]

client = anthropic.Anthropic()
common = {"model": "claude-haiku-5-5", "max_tokens": 64, "system": "You answer."}


def plain():
    reply = client.messages.create(messages=[{"role": "user", "content": "What is the answer?"}], **common)
    assert reply.content[0].text == "The answer is forty-two."


def tool():
    messages = [{"role": "user", "content": "Use the tool."}]
    reply = client.messages.create(messages=messages, tools=TOOLS, **common)
    call = reply.content[-1]
    result = {"type": "tool_result", "tool_use_id": call.id, "content": "found " + call.input["word"]}
    messages += [{"role": "assistant", "content": reply.content}, {"role": "user", "content": [result]}]
    reply = client.messages.create(messages=messages, tools=TOOLS, **common)
    assert reply.content[0].text == "The answer is forty-two."


def stream():
    chunks = 0
    with client.messages.stream(messages=[{"role": "user", "content": "Stream it."}], **common) as answer:
        for _ in answer.text_stream:
            chunks += 1
    assert chunks == 10, chunks


if __name__ == "__main__":
    what = {"plain": plain, "tool": tool, "stream": stream}[sys.argv[1]]
    for _ in range(int(sys.argv[2])):
        what()
