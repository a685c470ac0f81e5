"""This machine's equipment and the back ends in use."""
