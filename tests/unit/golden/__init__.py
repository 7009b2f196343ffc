"""The whole local estate as last agreed on, compared exactly. `python -m tests.unit.golden.write` writes it anew."""
