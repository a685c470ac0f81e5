"""Volume rendering: where to sample (occupancy grid, lattice marching) and how to composite."""
