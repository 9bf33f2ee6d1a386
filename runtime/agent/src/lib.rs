//! Agents: invocations, the turn loop, history, providers, prices, retries and the scripted model.
