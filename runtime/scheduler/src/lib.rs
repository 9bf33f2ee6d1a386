//! Coroutines, workers, run queues, timers, reactor and blocking lanes; knows no Vega.
