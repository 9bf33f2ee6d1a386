"""The official SDKs stream from `vega mock-server`: argument 1 is its address."""
import sys
import anthropic
import openai

url = sys.argv[1]
claude = anthropic.Anthropic(api_key="k", base_url=url, max_retries=0)
gpt = openai.OpenAI(api_key="k", base_url=url + "/v1", max_retries=0)
tools = [{"name": "look", "description": "Looks.", "input_schema": {"type": "object", "properties": {"x": {"type": "string"}}}}]

with claude.messages.stream(model="claude-haiku-5-5", max_tokens=100, tools=tools, messages=[{"role": "user", "content": "story"}]) as stream:
    pieces = list(stream.text_stream)
    message = stream.get_final_message()
assert "".join(pieces) == "Once upon a time." and len(pieces) == 3, pieces
assert message.stop_reason == "end_turn" and message.usage.output_tokens == 5, message

with claude.messages.stream(model="claude-haiku-5-5", max_tokens=100, tools=tools, messages=[{"role": "user", "content": "tool"}]) as stream:
    message = stream.get_final_message()
assert message.stop_reason == "tool_use" and message.content[1].input == {"x": "y"}, message

try:
    with claude.messages.stream(model="claude-haiku-5-5", max_tokens=100, messages=[{"role": "user", "content": "busy"}]) as stream:
        list(stream.text_stream)
    raise SystemExit("the error event was not seen")
except anthropic.APIStatusError as error:
    assert "verload" in str(error), error

chat = dict(model="gpt-4o", stream=True, stream_options={"include_usage": True})
chunks = list(gpt.chat.completions.create(messages=[{"role": "user", "content": "story"}], **chat))
text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
assert text == "Once upon a time." and chunks[-1].usage.completion_tokens == 5, chunks
functions = [{"type": "function", "function": {"name": "look", "parameters": tools[0]["input_schema"]}}]
chunks = list(gpt.chat.completions.create(messages=[{"role": "user", "content": "tool"}], tools=functions, **chat))
deltas = [chunk.choices[0].delta for chunk in chunks if chunk.choices]
arguments = "".join(call.function.arguments or "" for delta in deltas for call in delta.tool_calls or [])
assert arguments == '{"x":"y"}', arguments
assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == "tool_calls"
try:
    list(gpt.chat.completions.create(messages=[{"role": "user", "content": "busy"}], **chat))
    raise SystemExit("the error event was not seen")
except openai.APIError as error:
    assert "verload" in str(error), error
print("the SDKs stream")
