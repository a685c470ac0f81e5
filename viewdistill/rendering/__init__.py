"""Volume rendering: sampling (occupancy grid, lattice marching) and compositing."""
