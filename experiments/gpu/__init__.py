"""What only a GPU can show: the check, its parts, and the bundle that carries it to such a machine."""
