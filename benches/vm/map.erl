%% The same as map.vega.
-module(map).
-export([main/0]).

key(I) -> <<"key", (integer_to_binary(I))/binary>>.

main() ->
    Numbers = lists:seq(0, 999999),
    Filled = lists:foldl(fun(I, Map) -> Map#{key(I) => I} end, #{}, Numbers),
    Counted = lists:foldl(fun(I, Map) -> maps:update_with(key(I), fun(N) -> N + 1 end, Map) end, Filled, Numbers),
    Sum = lists:foldl(fun(I, Sum) -> Sum + maps:get(key(I), Counted) end, 0, Numbers),
    io:format("~w ~w~n", [maps:size(Counted), Sum]).
