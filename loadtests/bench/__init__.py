"""Benchmarks: what we measure, beside a baseline from the same run. Ratios are compared over time, not seconds."""
