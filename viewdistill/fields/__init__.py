"""Radiance fields: hash-grid encoding, small networks, densities and colours, and their regularisers."""
