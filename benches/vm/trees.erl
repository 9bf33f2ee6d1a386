%% The same as trees.vega.
-module(trees).
-export([main/0]).

make(0) -> {nil, nil};
make(Depth) -> {make(Depth - 1), make(Depth - 1)}.

check({nil, nil}) -> 1;
check({Left, Right}) -> 1 + check(Left) + check(Right).

rounds(0, _, Nodes) -> Nodes;
rounds(N, Depth, Nodes) -> rounds(N - 1, Depth, Nodes + check(make(Depth))).

main() ->
    Deepest = 16,
    io:format("stretch ~w~n", [check(make(Deepest + 1))]),
    LongLived = make(Deepest),
    lists:foreach(
        fun(Depth) ->
            Iterations = 1 bsl (Deepest - Depth + 4),
            io:format("~w of depth ~w: ~w~n", [Iterations, Depth, rounds(Iterations, Depth, 0)])
        end,
        lists:seq(4, Deepest, 2)),
    io:format("long lived ~w~n", [check(LongLived)]).
