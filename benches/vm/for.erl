%% The same as for.vega, and while.vega's work: a loop is a tail call.
-module(for).
-export([main/0]).

sum(100000000, Sum) -> Sum;
sum(I, Sum) -> sum(I + 1, Sum + I).

main() -> io:format("~w~n", [sum(0, 0)]).
