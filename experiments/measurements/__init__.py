"""Single measurements, each a script with its own figures."""
