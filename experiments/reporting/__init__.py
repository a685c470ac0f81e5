"""Tables, plots and galleries of finished runs."""
