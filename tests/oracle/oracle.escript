#!/usr/bin/env escript
%% Plays the cases with processes of Erlang/OTP and prints what happened: `escript oracle.escript cases.txt`.
%% Each actor does what it is told; between two steps everything that was set off comes to rest.

-define(REST, 15).

main([Path]) ->
    logger:set_primary_config(level, none),
    {ok, Text} = file:read_file(Path),
    Lines = [string:trim(L, trailing) || L <- string:split(binary_to_list(Text), "\n", all)],
    lines(Lines, []).

lines([], State) -> finish(State);
lines(["#" ++ _ | Rest], State) -> lines(Rest, State);
lines(["" | Rest], State) -> lines(Rest, State);
lines(["case " ++ Name | Rest], State) ->
    finish(State),
    io:format("case ~ts~n", [Name]),
    lines(Rest, []);
lines(["differs " ++ _ | Rest], State) -> lines(Rest, State);
lines(["actors " ++ Names | Rest], State) ->
    Driver = self(),
    New = [{Name, begin P = spawn(fun() -> actor(Driver) end), erlang:monitor(process, P), P end}
           || Name <- string:tokens(Names, " ")],
    lines(Rest, State ++ New);
lines([Step | Rest], State0) ->
    [Who, What] = string:split(Step, ": "),
    State = step(proplists:get_value(Who, State0), string:tokens(What, " "), State0),
    timer:sleep(?REST),
    Events = events(State),
    case Events of
        [] -> io:format("  ~ts~n", [Step]);
        _ -> io:format("  ~ts -> ~ts~n", [Step, lists:join(", ", Events)])
    end,
    lines(Rest, State).

%% What is left of a case ends unseen.
finish(State) ->
    [exit(P, kill) || {_, P} <- State],
    [receive {'DOWN', _, process, P, _} -> ok after 1000 -> ok end || {_, P} <- State, is_process_alive(P)],
    flush().

flush() -> receive _ -> flush() after 0 -> ok end.

step(Who, [Verb, Name], State) when Verb == "spawn"; Verb == "spawn_link"; Verb == "spawn_supervised" ->
    Who ! {do, [list_to_atom(Verb)]},
    receive
        {born, P} ->
            erlang:monitor(process, P),
            lists:keystore(Name, 1, State, {Name, P})
    after 1000 -> State
    end;
step(Who, [Verb | Words], State) ->
    Words2 = [case lists:keyfind(W, 1, State) of {_, P} -> P; false -> W end || W <- Words],
    Who ! {do, [list_to_atom(Verb) | Words2]},
    State.

%% What every actor came to since the last step, in the order of their names.
events(State) ->
    Deaths = deaths(),
    lists:append([actor_events(Name, P, Deaths, State) || {Name, P} <- lists:sort(State)]).

deaths() -> receive {'DOWN', _, process, P, R} -> [{P, R} | deaths()] after 0 -> [] end.

actor_events(Name, P, Deaths, State) ->
    case lists:keyfind(P, 1, Deaths) of
        {_, Reason} -> [[Name, " dies: ", reason(Reason)]];
        false ->
            P ! {tell, self()},
            receive
                {told, P, Events} -> [[Name, " ", shown(E, State)] || E <- Events]
            after 100 -> []
            end
    end.

shown({exit, P, R}, State) -> ["gets exit of ", name(P, State), ": ", reason(R)];
shown({down, P, R}, State) -> ["gets down of ", name(P, State), ": ", reason(R)];
shown({says, Word}, _) -> ["says ", Word];
shown({message, Word}, _) -> ["gets ", Word].

name(P, State) -> case lists:keyfind(P, 2, State) of {N, _} -> N; false -> "somebody" end.

reason({crashed, _}) -> "a crash";
reason({{crashed, _}, _}) -> "a crash";
%% Without trapping, `link` raises what would have come as a signal.
reason({noproc, _}) -> "noproc";
reason(R) when is_atom(R) -> atom_to_list(R);
reason(R) -> R.

actor(Driver) -> actor(Driver, [], []).

%% `Said` is what it found out, newest first; `Monitors` are its monitors by process, newest first.
actor(Driver, Said, Monitors) ->
    receive
        {tell, From} ->
            From ! {told, self(), lists:reverse(Said) ++ mail()},
            actor(Driver, [], Monitors);
        {do, [return]} -> ok;
        {do, [crash]} -> erlang:error({crashed, now});
        {do, [exit, R]} -> exit(word(R));
        {do, [trap]} -> process_flag(trap_exit, true), actor(Driver, Said, Monitors);
        {do, [untrap]} -> process_flag(trap_exit, false), actor(Driver, Said, Monitors);
        {do, [sleeps]} -> timer:sleep(3600000), actor(Driver, Said, Monitors);
        {do, [link, P]} -> link(P), actor(Driver, Said, Monitors);
        {do, [unlink, P]} -> unlink(P), actor(Driver, Said, Monitors);
        {do, [monitor, P]} -> actor(Driver, Said, [{P, erlang:monitor(process, P)} | Monitors]);
        {do, [demonitor, P]} ->
            case lists:keytake(P, 1, Monitors) of
                {value, {_, Ref}, Rest} -> erlang:demonitor(Ref, [flush]), actor(Driver, Said, Rest);
                false -> actor(Driver, Said, Monitors)
            end;
        {do, [signal, P, R]} -> exit(P, word(R)), actor(Driver, Said, Monitors);
        {do, [kill, P]} -> exit(P, kill), actor(Driver, Said, Monitors);
        {do, [call, P]} ->
            Ref = erlang:monitor(process, P),
            P ! {call, self(), Ref},
            receive {'DOWN', Ref, process, P, R} -> actor(Driver, [{says, reason(R)} | Said], Monitors) end;
        {do, [signal_then_alive, P, R]} ->
            exit(P, word(R)),
            actor(Driver, [{says, liveness(P)} | Said], Monitors);
        {do, [kill_then_alive, P]} ->
            exit(P, kill),
            actor(Driver, [{says, liveness(P)} | Said], Monitors);
        {do, [send, P, W]} -> P ! {word, W}, actor(Driver, Said, Monitors);
        {do, [send_then_exit, P, W, R]} -> P ! {word, W}, exit(word(R));
        {do, [exit_then_monitored, P]} -> exit(P, boom), actor(Driver, Said, [{P, erlang:monitor(process, P)} | Monitors]);
        {do, [signal_twice, P, R, S]} -> exit(P, word(R)), exit(P, word(S)), actor(Driver, Said, Monitors);
        {do, [signal_then_kill, P, R]} -> exit(P, word(R)), exit(P, kill), actor(Driver, Said, Monitors);
        {do, [receives_for_long]} ->
            receive nothing_of_the_kind -> ok after 3600000 -> ok end,
            actor(Driver, Said, Monitors);
        {do, [receives_shortly]} ->
            Word = receive nothing_of_the_kind -> "something" after 0 -> "timeout" end,
            actor(Driver, [{says, Word} | Said], Monitors);
        {do, [exits_then_unlinks, P, R]} ->
            exit(P, word(R)),
            await_end(P),
            unlink(P),
            actor(Driver, Said, Monitors);
        {do, [unlink_then_signal, P, R]} -> unlink(P), exit(P, word(R)), actor(Driver, Said, Monitors);
        {do, [kills_then_demonitors, P]} ->
            exit(P, kill),
            await_end(P),
            {value, {_, Ref}, Rest} = lists:keytake(P, 1, Monitors),
            erlang:demonitor(Ref, [flush]),
            actor(Driver, Said, Rest);
        {do, [alive, P]} ->
            actor(Driver, [{says, liveness(P)} | Said], Monitors);
        {do, [links]} ->
            {links, L} = process_info(self(), links),
            actor(Driver, [{says, integer_to_list(length(L))} | Said], Monitors);
        {do, [register, Name]} -> register(list_to_atom(Name), self()), actor(Driver, Said, Monitors);
        {do, [register_or_say, Name]} ->
            Word = try register(list_to_atom(Name), self()) of true -> "registered" catch error:badarg -> "refused" end,
            actor(Driver, [{says, Word} | Said], Monitors);
        {do, [register_other, Name, P]} ->
            Word = try register(list_to_atom(Name), P) of true -> "registered" catch error:badarg -> "refused" end,
            actor(Driver, [{says, Word} | Said], Monitors);
        {do, [unregister, Name]} -> unregister(list_to_atom(Name)), actor(Driver, Said, Monitors);
        {do, [unregister_or_say, Name]} ->
            Word = try unregister(list_to_atom(Name)) of true -> "given back" catch error:badarg -> "refused" end,
            actor(Driver, [{says, Word} | Said], Monitors);
        {do, [whereis, Name]} ->
            Word = case whereis(list_to_atom(Name)) of undefined -> "nobody"; _ -> "somebody" end,
            actor(Driver, [{says, Word} | Said], Monitors);
        {do, [spawn_link]} -> Driver ! {born, spawn_link(fun() -> actor(Driver) end)}, actor(Driver, Said, Monitors);
        {do, [_Spawn]} -> Driver ! {born, spawn(fun() -> actor(Driver) end)}, actor(Driver, Said, Monitors)
    end.

%% Waits until a process has ended, by a monitor of its own.
await_end(P) ->
    Ref = erlang:monitor(process, P),
    receive {'DOWN', Ref, process, P, _} -> ok end.

liveness(P) -> case is_process_alive(P) of true -> "alive"; false -> "dead" end.

word("normal") -> normal;
word("shutdown") -> shutdown;
word("kill") -> kill;
word(W) -> W.

mail() ->
    receive
        {'EXIT', P, R} -> [{exit, P, R} | mail()];
        {'DOWN', _, process, P, R} -> [{down, P, R} | mail()];
        {word, W} -> [{message, W} | mail()]
    after 0 -> []
    end.
