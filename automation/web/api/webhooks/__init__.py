"""What shops and providers report by calling us; each proves with a signature or a password that it is they."""
