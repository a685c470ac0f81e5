"""What the input stage chooses and estimates, and with which settings."""
