"""The benchmark: every figure in a pair, both measured in one run on one machine."""
