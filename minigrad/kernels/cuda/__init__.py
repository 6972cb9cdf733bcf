"""CUDA kernels: what runs on a GPU, or in numba's simulator."""
