"""The command line: one room for each thing it does, above the stages and below the experiments."""
