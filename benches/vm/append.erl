%% The same as append.vega: a binary that only its owner appends to grows in place.
-module(append).
-export([main/0]).

grow(1000000, Text) -> Text;
grow(I, Text) -> grow(I + 1, <<Text/binary, (integer_to_binary(I))/binary, ",">>).

main() -> io:format("~w~n", [byte_size(grow(0, <<>>))]).
