//! Simulated lab instruments.
