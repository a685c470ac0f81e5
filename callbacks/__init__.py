"""What happens beside training: media, guards, averages and timings."""
