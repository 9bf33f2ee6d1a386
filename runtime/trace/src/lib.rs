//! Trace records, histograms, the bounded buffer and its exporters.
