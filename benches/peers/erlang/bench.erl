%% The questions of `vega bench` for Erlang/OTP: erl … -run bench main WHAT COUNT BATCH
%% Prints lines of a key and a number: cpu is nanoseconds of CPU time for the whole work, bytes is for one process, p50, p99 and max
%% are nanoseconds.
-module(bench).
-behaviour(supervisor).
-export([main/1, init/1, start_child/1, child/1]).

%% Restarts for which one supervisor is used: it walks the list of those within its period at each further one.
-define(RESTARTS_EACH, 200).

main([What, Count, Batch]) ->
    N = list_to_integer(Count),
    B = list_to_integer(Batch),
    % A hundred thousand messages would be copied by every collection otherwise.
    process_flag(message_queue_data, off_heap),
    erlang:garbage_collect(),
    Before = cpu(),
    work(list_to_atom(What), N, B),
    report(cpu, cpu() - Before),
    halt(0).

report(Key, Value) -> io:format("~s ~w~n", [Key, round(Value)]).

%% CPU time of all threads, in nanoseconds.
cpu() ->
    {Milliseconds, _} = erlang:statistics(runtime),
    Milliseconds * 1000000.

work(spawn, N, B) -> spawns(N, B);
work('spawn-monitored', N, B) -> monitored(N, B);
work(idle, N, _) ->
    Before = resident(),
    Self = self(),
    All = [begin P = spawn(fun() -> Self ! here, receive stop -> ok end end), receive here -> P end end || _ <- lists:seq(1, N)],
    report(bytes, (resident() - Before) / length(All));
work('ping-pong', N, _) ->
    Self = self(),
    Echo = spawn(fun() -> echo(Self) end),
    ping(Echo, N);
work(ring, N, _) ->
    Self = self(),
    Head = spawn(fun() -> receive {next, Next} -> member(Next, Self) end end),
    Next = lists:foldl(fun(_, Next) -> spawn(fun() -> member(Next, Self) end) end, Head, lists:seq(2, 1000)),
    Head ! {next, Next},
    Head ! N,
    receive around -> ok end;
work('fan-in', N, _) ->
    Self = self(),
    Each = N div 100,
    [spawn(fun() -> sender(Self, Each) end) || _ <- lists:seq(1, 99)],
    spawn(fun() -> sender(Self, N - 99 * Each) end),
    drain(N);
work(restart, N, B) ->
    process_flag(trap_exit, true),
    Each = case B of 0 -> N; _ -> ?RESTARTS_EACH end,
    restarts(N, Each);
work(preempt, N, _) ->
    Loops = [spawn(fun() -> spin(0) end) || _ <- [1, 2]],
    Late = lists:sort([late() || _ <- lists:seq(1, N)]),
    [exit(P, kill) || P <- Loops],
    report(p50, lists:nth(max(1, N div 2), Late)),
    report(p99, lists:nth(max(1, N * 99 div 100), Late)),
    report(max, lists:last(Late)).

spawns(0, _) -> ok;
spawns(Left, B) ->
    Now = min(Left, B),
    Self = self(),
    starts(Now, Self),
    answers(Now),
    spawns(Left - Now, B).

starts(0, _) -> ok;
starts(N, Self) -> spawn(fun() -> Self ! 0 end), starts(N - 1, Self).

answers(0) -> ok;
answers(N) -> receive 0 -> answers(N - 1) end.

monitored(0, _) -> ok;
monitored(Left, B) ->
    Now = min(Left, B),
    watched(Now),
    downs(Now),
    monitored(Left - Now, B).

watched(0) -> ok;
watched(N) -> spawn_monitor(fun() -> ok end), watched(N - 1).

downs(0) -> ok;
downs(N) -> receive {'DOWN', _, process, _, _} -> downs(N - 1) end.

echo(To) -> receive N -> To ! N, echo(To) end.

ping(_, 0) -> ok;
ping(Echo, N) -> Echo ! N, receive N -> ping(Echo, N - 1) end.

member(Next, Main) ->
    receive
        0 -> Main ! around, member(Next, Main);
        N -> Next ! N - 1, member(Next, Main)
    end.

sender(_, 0) -> ok;
sender(To, N) -> To ! N, sender(To, N - 1).

drain(0) -> ok;
drain(N) -> receive _ -> drain(N - 1) end.

restarts(N, _) when N =< 0 -> ok;
restarts(N, Each) ->
    Now = min(N, Each),
    {ok, Supervisor} = supervisor:start_link(?MODULE, [self(), N]),
    receive {lives, First} -> kills(First, Now) end,
    exit(Supervisor, shutdown),
    receive {'EXIT', Supervisor, _} -> ok end,
    restarts(N - Now, Each).

kills(_, 0) -> ok;
kills(Child, N) ->
    exit(Child, kill),
    receive {lives, Next} -> kills(Next, N - 1) end.

init([Main, N]) ->
    Child = #{id => child, start => {?MODULE, start_child, [Main]}, restart => transient},
    {ok, {#{strategy => one_for_one, intensity => N + 1, period => 86400}, [Child]}}.

start_child(Main) -> {ok, proc_lib:spawn_link(?MODULE, child, [Main])}.

child(Main) ->
    Main ! {lives, self()},
    receive stop -> ok end.

spin(N) -> spin((N + 1) rem 1000).

late() ->
    Due = erlang:monotonic_time(nanosecond) + 1000000,
    timer:sleep(1),
    max(0, erlang:monotonic_time(nanosecond) - Due).

%% Resident bytes of the whole system process.
resident() ->
    {ok, Text} = file:read_file("/proc/self/status"),
    {match, [Kibibytes]} = re:run(Text, "VmRSS:\\s+(\\d+)", [{capture, all_but_first, list}]),
    list_to_integer(Kibibytes) * 1024.
