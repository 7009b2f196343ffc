"""Tests of the policy pack: each rule as a function, and the pack under the real engine."""
