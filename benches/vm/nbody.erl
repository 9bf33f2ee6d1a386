%% The same as nbody.vega; the bodies are a list, made anew in every step.
-module(nbody).
-export([main/0]).

-define(PI, 3.141592653589793).
-define(SOLAR_MASS, (4.0 * ?PI * ?PI)).
-define(DAYS, 365.24).

body(X, Y, Z, VX, VY, VZ, Mass) -> {X, Y, Z, VX * ?DAYS, VY * ?DAYS, VZ * ?DAYS, Mass * ?SOLAR_MASS}.

bodies() ->
    [body(0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0),
     body(4.84143144246472090, -1.16032004402742839, -0.103622044471123109,
          0.00166007664274403694, 0.00769901118419740425, -0.0000690460016972063023, 0.000954791938424326609),
     body(8.34336671824457987, 4.12479856412430479, -0.403523417114321381,
          -0.00276742510726411236, 0.00499852801234917238, 0.0000230417297573763929, 0.000285885980666130812),
     body(12.8943695621391310, -15.1111514016986312, -0.223307578892655734,
          0.00296460137564761618, 0.00237847173959480950, -0.0000296589568540237556, 0.0000436624404335156298),
     body(15.3796971148509165, -25.9193146099879641, 0.179258772950371181,
          0.00268067772490389322, 0.00162824170038242295, -0.0000951592254519715870, 0.0000515138902046611451)].

offset_momentum(Bodies) ->
    Sum = fun({_, _, _, VX, VY, VZ, M}, {PX, PY, PZ}) -> {PX + VX * M, PY + VY * M, PZ + VZ * M} end,
    {PX, PY, PZ} = lists:foldl(Sum, {0.0, 0.0, 0.0}, Bodies),
    [{X, Y, Z, _, _, _, M} | Rest] = Bodies,
    [{X, Y, Z, -PX / ?SOLAR_MASS, -PY / ?SOLAR_MASS, -PZ / ?SOLAR_MASS, M} | Rest].

advance([], _) -> [];
advance([{X, Y, Z, VX0, VY0, VZ0, M} | Rest], Dt) ->
    {{VX, VY, VZ}, Pushed} = pull(Rest, X, Y, Z, M, Dt, VX0, VY0, VZ0, []),
    [{X + Dt * VX, Y + Dt * VY, Z + Dt * VZ, VX, VY, VZ, M} | advance(Pushed, Dt)].

pull([], _, _, _, _, _, VX, VY, VZ, Pushed) -> {{VX, VY, VZ}, lists:reverse(Pushed)};
pull([{BX, BY, BZ, BVX, BVY, BVZ, BM} | Rest], X, Y, Z, M, Dt, VX, VY, VZ, Pushed) ->
    DX = X - BX,
    DY = Y - BY,
    DZ = Z - BZ,
    Distance2 = DX * DX + DY * DY + DZ * DZ,
    Magnitude = Dt / (Distance2 * math:sqrt(Distance2)),
    Pull = BM * Magnitude,
    Push = M * Magnitude,
    Body = {BX, BY, BZ, BVX + DX * Push, BVY + DY * Push, BVZ + DZ * Push, BM},
    pull(Rest, X, Y, Z, M, Dt, VX - DX * Pull, VY - DY * Pull, VZ - DZ * Pull, [Body | Pushed]).

energy([]) -> 0.0;
energy([{X, Y, Z, VX, VY, VZ, M} | Rest]) ->
    Pair = fun({BX, BY, BZ, _, _, _, BM}, Sum) ->
        DX = X - BX, DY = Y - BY, DZ = Z - BZ,
        Sum + M * BM / math:sqrt(DX * DX + DY * DY + DZ * DZ)
    end,
    0.5 * M * (VX * VX + VY * VY + VZ * VZ) - lists:foldl(Pair, 0.0, Rest) + energy(Rest).

steps(Bodies, 0) -> Bodies;
steps(Bodies, N) -> steps(advance(Bodies, 0.01), N - 1).

main() ->
    Bodies = steps(offset_momentum(bodies()), 1000000),
    io:format("~.9f~n", [energy(Bodies)]).
