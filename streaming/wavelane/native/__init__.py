"""The step of a FastConformer on a CPU, in C++: from samples to pieces in one call, without the interpreter."""
